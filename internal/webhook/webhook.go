// Package webhook tells others what happened, by HTTP, signed as Standard
// Webhooks (https://www.standardwebhooks.com) has it.
//
// A message is a job, written in the transaction of what it tells, and so is
// sent if and only if that commits. It is delivered at least once, under an id
// that stays the same, with a time and a signature that are those of the
// attempt. The secret is sealed elsewhere: the job holds its id, under which
// nothing but a webhook's secret is opened. Of where a message goes only the host
// is logged.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/job"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// Opener opens a sealed value, if it is the one of a purpose and subject.
type Opener interface {
	OpenFor(ctx context.Context, q postgres.Querier, secret id.Sealed, tenant id.Tenant, purpose, subject string) ([]byte, error)
}

// SecretPurpose is the purpose that secrets of webhooks are sealed for. It is in
// no job, so that whoever can write jobs cannot have anything else signed with.
const SecretPurpose = "webhook_secret"

// Service sends webhooks. It is safe for concurrent use once registered.
type Service struct {
	DB      *postgres.DB
	Jobs    *job.Service
	Secrets Opener
	Client  Client // stays outside of this machine's networks
	Inside  Client // may go anywhere, for endpoints that the operator has configured
	Now     func() time.Time
}

// Endpoint is where messages go.
type Endpoint struct {
	URL     string    // http or https
	Secret  id.Sealed // of the sealed value that holds "whsec_...", of SecretPurpose
	Subject string    // of that value
	Inside  bool      // it may be in the operator's own network: only for what the configuration says
}

// Message is something that happened.
type Message struct {
	Type     string // of noun.verb form, such as "encryption.rotation.started"
	Data     any    // written as JSON when it is sent; of one form for each type, and without NUL
	Endpoint Endpoint
}

// delivery is the job. Its body is made of it again for each attempt.
type delivery struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	At      time.Time      `json:"at"`
	Data    jsontext.Value `json:"data"`
	URL     string         `json:"url"`
	Secret  id.Sealed      `json:"secret_id"`
	Subject string         `json:"secret_subject"`
	Inside  bool           `json:"inside"`
}

// Kind implements job.Args.
func (delivery) Kind() string { return "webhook.deliver" }

// typeForm is that of the specification.
var typeForm = regexp.MustCompile(`^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$`)

// Register makes deliveries known to the queue: 8 attempts over about a day.
// It comes before Send.
func (s *Service) Register() {
	job.Register(s.Jobs, job.Kind[delivery]{Handle: s.deliver, Timeout: 20 * time.Second})
}

// Send has a message delivered once the transaction q has committed.
func (s *Service) Send(ctx context.Context, q postgres.Querier, m Message) error {
	if !typeForm.MatchString(m.Type) {
		return fmt.Errorf("sending a webhook: %q is no type of event", m.Type)
	}
	if err := m.Endpoint.check(); err != nil {
		return fmt.Errorf("sending a webhook: %w", err)
	}
	data, err := json.Marshal(m.Data, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("sending a webhook: writing its data: %w", err)
	}
	now := s.Now()
	d := delivery{
		ID: "msg_" + id.New(now).String(), Type: m.Type, At: now.UTC(), Data: data,
		URL: m.Endpoint.URL, Secret: m.Endpoint.Secret, Subject: m.Endpoint.Subject, Inside: m.Endpoint.Inside,
	}
	if err := s.Jobs.Insert(ctx, q, d, job.Options{}); err != nil {
		return fmt.Errorf("sending a webhook: %w", err)
	}
	return nil
}

// errEndpoint does not repeat the URL, which may hold a password.
var errEndpoint = errors.New("its endpoint is not a URL of http or https, with a host, and a secret")

func (e Endpoint) check() error {
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || e.Secret.IsZero() {
		return errEndpoint
	}
	return nil
}

// body is what a receiver reads. Its time is that of the event.
func (d delivery) body() ([]byte, error) {
	return json.Marshal(struct {
		Type      string         `json:"type"`
		Timestamp time.Time      `json:"timestamp"`
		Data      jsontext.Value `json:"data"`
	}{d.Type, d.At, d.Data})
}
