package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/outbound"
)

// Client does requests, and follows no redirect: see internal/outbound.
type Client interface {
	Do(*http.Request) (*http.Response, error)
}

// longestRetryAfter is the longest pause that a receiver may ask for.
const longestRetryAfter = 6 * time.Hour

// deliver makes one attempt. Its errors are logged and kept, and name the host
// alone.
func (s *Service) deliver(ctx context.Context, d delivery) error {
	r, err := s.request(ctx, d)
	if err != nil {
		return err
	}
	client := s.Client
	if d.Inside {
		client = s.Inside
	}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("delivering a webhook to %s: %w", r.URL.Host, outbound.Cause(err))
	}
	_ = answer.Body.Close() // nothing in it is for us
	return s.judge(r.URL.Host, answer)
}

// judge says what an answer means: 410 that nobody wants the message any more,
// a redirect that the URL is wrong, anything else but success that it may go
// better later.
func (s *Service) judge(host string, answer *http.Response) error {
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	err := fmt.Errorf("delivering a webhook to %s: it answered %d", host, answer.StatusCode)
	if answer.StatusCode == http.StatusGone {
		return job.Permanent(err)
	}
	if pause := s.retryAfter(answer.Header.Get("Retry-After")); pause > 0 {
		return job.RetryAfter(err, pause)
	}
	return err
}

func (s *Service) request(ctx context.Context, d delivery) (*http.Request, error) {
	text, err := s.Secrets.OpenFor(ctx, s.DB.Single(), d.Secret, id.Tenant{}, SecretPurpose, d.Subject)
	if err != nil {
		return nil, fmt.Errorf("opening the secret of a webhook: %w", err)
	}
	key, err := ParseSecret(string(text))
	if err != nil {
		return nil, job.Permanent(err)
	}
	body, err := d.body()
	if err != nil {
		return nil, job.Permanent(fmt.Errorf("writing the body of a webhook: %w", err))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(body))
	if err != nil {
		return nil, job.Permanent(errors.New("the URL of a webhook is malformed")) // the error would repeat it
	}
	now := s.Now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", d.ID)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", Sign(key, d.ID, now, body))
	return r, nil
}

// retryAfter reads the field of that name (RFC 9110, section 10.2.3): seconds,
// or a date.
func (s *Service) retryAfter(field string) time.Duration {
	if seconds, err := strconv.ParseUint(field, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longestRetryAfter)
	}
	if at, err := http.ParseTime(field); err == nil {
		return min(max(at.Sub(s.Now()), 0), longestRetryAfter)
	}
	return 0
}
