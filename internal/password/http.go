package password

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // what the service is asked by; it protects nothing
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/outbound"
)

// breachTimeout is how long somebody who chooses a password waits for the
// service at most.
const breachTimeout = 2 * time.Second

// Client does requests; see internal/outbound.
type Client interface {
	Do(*http.Request) (*http.Response, error)
}

// Breaches asks a service which passwords are in known data breaches, by
// k-anonymity: it learns five of the forty hexadecimal digits of a SHA-1, and
// answers with all that begin with them, among padding that hides how many those
// are. It is safe for concurrent use, and a prometheus.Collector.
type Breaches struct {
	client Client
	url    string
	logger *slog.Logger
	checks *prometheus.CounterVec // by their result
}

// The results of a check.
const (
	resultBreached   = "breached"
	resultUnknown    = "unknown"
	resultUnanswered = "unanswered"
)

// NewBreaches makes the check against a service. url is its range: the five
// digits are put after it.
func NewBreaches(client Client, url string, logger *slog.Logger) *Breaches {
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fluxbase_password_breach_checks_total",
		Help: "New passwords that were looked for among breached ones, by the result.",
	}, []string{"result"})
	for _, result := range []string{resultBreached, resultUnknown, resultUnanswered} {
		checks.WithLabelValues(result) // a rate needs the zero
	}
	return &Breaches{client: client, url: strings.TrimSuffix(url, "/") + "/", logger: logger, checks: checks}
}

// Describe implements prometheus.Collector.
func (b *Breaches) Describe(ch chan<- *prometheus.Desc) { b.checks.Describe(ch) }

// Collect implements prometheus.Collector.
func (b *Breaches) Collect(ch chan<- prometheus.Metric) { b.checks.Collect(ch) }

// has reports whether a password is known to be breached. If the service does
// not answer, the password is accepted: the other rules have been kept, and a
// service of somebody else's that is down must not stop sign-ups and password
// resets, the latter being what people need in an incident. b may be nil, which
// knows none.
func (b *Breaches) has(ctx context.Context, password string) bool {
	if b == nil {
		return false
	}
	result := resultUnknown
	breached, err := b.ask(ctx, password)
	switch {
	case err != nil:
		result = resultUnanswered
		b.logger.WarnContext(ctx, "a password was not looked for among breached ones", slog.Any("error", err))
	case breached:
		result = resultBreached
	}
	b.checks.WithLabelValues(result).Inc()
	return breached
}

func (b *Breaches) ask(ctx context.Context, password string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, breachTimeout)
	defer cancel()
	sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+digits[:5], nil)
	if err != nil {
		return false, outbound.Cause(err)
	}
	r.Header.Set("Add-Padding", "true")
	answer, err := b.client.Do(r)
	if err != nil {
		return false, outbound.Cause(err) // the URL has a part of the digest
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("the service answered %d", answer.StatusCode)
	}
	found := false
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		suffix, count, _ := strings.Cut(strings.TrimSpace(lines.Text()), ":")
		if strings.EqualFold(suffix, digits[5:]) && count != "0" { // padding counts zero
			found = true
		}
	}
	if err := lines.Err(); err != nil && !found {
		return false, outbound.Cause(err)
	}
	return found, nil
}
