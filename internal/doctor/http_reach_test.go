package doctor_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/doctor"
	"github.com/fluxbase/fluxbase/internal/mail/mailtest"
	"github.com/fluxbase/fluxbase/internal/telemetry"
)

const here = "d41d8cd98f00b204e9800998ecf8427e"

// TestReach has what may answer at a public URL, and what may be before it.
func TestReach(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   string
		says   string // "" for nothing
	}{
		"this installation":  {200, `{"name":"Fluxbase","installation":"` + here + `"}`, ""},
		"another one":        {200, `{"name":"Fluxbase","installation":"900150983cd24fb0d6963f7d28e17f72"}`, "Another installation"},
		"an old one":         {200, `{"name":"Fluxbase"}`, "Another installation"},
		"a page":             {200, `<html>It works!</html>`, "Something else"},
		"another program":    {200, `{"name":"Other","installation":"` + here + `"}`, "Something else"},
		"a proxy without it": {502, `{"name":"Fluxbase","installation":"` + here + `"}`, "status 502"},
		"a redirect":         {301, ``, "status 301"},
		"a limit":            {429, `{"code":"over_request_rate_limit"}`, "Too many requests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer s.Close()
			reached := doctor.Reach(t.Context(), doctor.Client(), s.URL, here, time.Now)
			if tt.says == "" {
				if len(reached.Findings) > 0 || reached.Clock == nil || reached.Clock.Ahead() != 0 {
					t.Errorf("%+v", reached)
				}
				return
			}
			severity := telemetry.Problem
			if tt.status == http.StatusTooManyRequests { // nobody knows who answers
				severity = telemetry.Warning
			}
			if len(reached.Findings) != 1 || reached.Findings[0].Severity != severity || !strings.Contains(reached.Findings[0].Detail, tt.says) || reached.Findings[0].Fix == "" {
				t.Errorf("%+v", reached.Findings)
			}
		})
	}
}

func TestReachesNobody(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	for url, says := range map[string]string{
		s.URL:                         "Nobody answers",
		"http://nowhere.invalid":      "host name is not known",
		"https://api.example.com\x7f": "not a URL",
	} {
		found := doctor.Reach(t.Context(), doctor.Client(), url, here, time.Now).Findings
		if len(found) != 1 || found[0].Severity != telemetry.Problem || !strings.Contains(found[0].Detail, says) {
			t.Errorf("%s: %+v", url, found)
		}
	}
}

// TestCertificate is one that ends soon, has ended, is for another name, or of
// an authority that nobody knows.
func TestCertificate(t *testing.T) {
	t.Parallel()
	authority := mailtest.NewAuthority(t)
	serve := func(expired bool, names ...string) string {
		t.Helper()
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"name":"Fluxbase","installation":"` + here + `"}`))
		}))
		s.TLS = authority.Config(t, expired, names...)
		s.Config.ErrorLog = nil
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	trusting := func(roots *x509.CertPool, at time.Time) (*http.Client, func() time.Time) {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}, func() time.Time { return at }
	}
	url := serve(false)
	leaf, err := x509.ParseCertificate(authority.Config(t, false).Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	end := leaf.NotAfter
	for name, tt := range map[string]struct {
		url      string
		roots    *x509.CertPool
		at       time.Time
		severity telemetry.Severity
		says     string
	}{
		"good":               {url, authority.Roots, end.Add(-30 * 24 * time.Hour), "", ""},
		"soon":               {url, authority.Roots, end.Add(-20 * 24 * time.Hour), telemetry.Warning, "Its certificate ends on"},
		"very soon":          {url, authority.Roots, end.Add(-6 * 24 * time.Hour), telemetry.Problem, "Its certificate ends on"},
		"unknown authority":  {url, x509.NewCertPool(), time.Now(), telemetry.Problem, "authority that this machine does not know"},
		"for another name":   {serve(false, "other.example.com"), authority.Roots, time.Now(), telemetry.Problem, "for another name"},
		"not valid any more": {serve(true), authority.Roots, time.Now(), telemetry.Problem, "expired"},
	} {
		client, now := trusting(tt.roots, tt.at)
		found := doctor.Reach(t.Context(), client, tt.url, here, now).Findings
		if tt.severity == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", name, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Severity != tt.severity || !strings.Contains(found[0].Detail, tt.says) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
