package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/outbound"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// Reached is what is known of the public URL once somebody has been there.
type Reached struct {
	Findings []telemetry.Finding
	Clock    *Reading // what the answer said of the time; nil if it said nothing
}

const (
	certificateWarning = 21 * 24 * time.Hour
	certificateProblem = 7 * 24 * time.Hour
	maxRoot            = 64 << 10
)

// Reach asks at the public URL whether this installation answers there. Any
// server answers 200; only one on the same database knows its identity.
func Reach(ctx context.Context, client *http.Client, publicURL, installation string, now func() time.Time) Reached {
	problem := func(detail, fix string) Reached {
		return Reached{Findings: []telemetry.Finding{{Severity: telemetry.Problem, Where: publicURL, Detail: detail, Fix: fix}}}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL+"/", nil)
	if err != nil {
		return problem("It is not a URL.", "public_url: https://api.example.com")
	}
	before := now()
	answer, err := client.Do(r)
	if err != nil {
		return problem(unreached(outbound.Cause(err)))
	}
	defer func() { _ = answer.Body.Close() }()
	reached := Reached{Clock: clockOf(answer, before, now())}
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		reached.Findings = certificate(answer.TLS.PeerCertificates[0], publicURL, now())
	}
	var root struct {
		Name         string `json:"name"`
		Installation string `json:"installation"`
	}
	const fix = "Have DNS and the proxy for this name lead to this server, or correct public_url."
	switch err := json.UnmarshalRead(answer.Body, &root); {
	case answer.StatusCode == http.StatusTooManyRequests:
		reached.Findings = append(reached.Findings, telemetry.Finding{
			Severity: telemetry.Warning, Where: publicURL, Detail: "Too many requests come from this machine (429), so it does not say who it is.", Fix: "Wait a minute, and try again.",
		})
	case answer.StatusCode != http.StatusOK:
		reached.Findings = append(reached.Findings, problem(fmt.Sprintf("Something answers there with status %d, and not this server.", answer.StatusCode), fix).Findings...)
	case err != nil || root.Name != "Fluxbase":
		reached.Findings = append(reached.Findings, problem("Something else than Fluxbase answers there.", fix).Findings...)
	case root.Installation != installation:
		reached.Findings = append(reached.Findings, problem("Another installation of Fluxbase answers there, on another database than database.url: mailed links lead to it.", fix).Findings...)
	}
	return reached
}

// unreached says why nobody could be asked, and what to do.
func unreached(err error) (detail, fix string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "Its certificate has expired, or is not valid yet: nobody can reach the server without being warned.", "Renew the certificate: certbot renew, or what your proxy does for it."
	case errors.As(err, &unknown):
		return "Its certificate is of an authority that this machine does not know.", "Serve the whole chain of the certificate, or use one of a public authority."
	case errors.As(err, &name):
		return "Its certificate is for another name.", "Get a certificate for the host of public_url, or correct public_url."
	case errors.As(err, &dns):
		return "Its host name is not known.", "Make the DNS record of the host, or correct public_url."
	case errors.Is(err, context.DeadlineExceeded):
		return "It does not answer in time.", "Start the server; look at the firewall and the proxy. From inside, the address may not be reachable at all: then run this elsewhere."
	default:
		return "Nobody answers there: " + err.Error() + ".", "Start the server (fluxbase serve), or have the proxy lead to it."
	}
}

func certificate(c *x509.Certificate, publicURL string, now time.Time) []telemetry.Finding {
	left := c.NotAfter.Sub(now)
	if left >= certificateWarning {
		return nil
	}
	severity := telemetry.Warning
	if left < certificateProblem {
		severity = telemetry.Problem
	}
	return []telemetry.Finding{{
		Severity: severity, Where: publicURL, Detail: fmt.Sprintf("Its certificate ends on %s, in %d days.", c.NotAfter.UTC().Format(time.DateOnly), int(left.Hours()/24)),
		Fix: "Renew the certificate, and see to it that this happens by itself: certbot renew, or what your proxy does for it.",
	}}
}

// clockOf reads the clock of whoever answered, from a field in whole seconds.
func clockOf(answer *http.Response, before, after time.Time) *Reading {
	said, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return nil
	}
	return &Reading{Said: said, Before: before, After: after, Exact: time.Second}
}

// Client is for Reach: it goes wherever the configuration says, and follows no
// redirect.
func Client() *http.Client {
	return outbound.New(outbound.Options{AllowPrivate: true, Timeout: Limit / 2, MaxBody: maxRoot})
}

// IsHere says whether a URL is one of this machine: then its clock is ours.
func IsHere(publicURL string) bool {
	u, err := url.Parse(publicURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
