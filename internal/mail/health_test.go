package mail_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxbase/fluxbase/internal/mail"
)

// gathered is what a scrape finds that is not 0.
func gathered(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != 0 {
				found += f.GetName()
				for _, l := range m.GetLabel() { // in no stable form of their own
					found += " " + l.GetValue()
				}
				found += fmt.Sprintf(" %.0f\n", v)
			}
		}
	}
	return found
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := newHouse(t, mail.Config{}, &mail.Mailbox{})
	if got := gathered(t, h.Service); got != "" {
		t.Errorf("at first: %s", got)
	}
	h = newHouse(t, mail.Config{}, &mail.Mailbox{})
	h.send(t, time.Hour)
	h.db.Exec(t, "update auth.mail_messages set created_at = now() - interval '90 seconds'")
	if got := gathered(t, h.Service); !strings.Contains(got, "fluxbase_mail_oldest_queued_seconds 90") && !strings.Contains(got, "fluxbase_mail_oldest_queued_seconds 91") {
		t.Error(got)
	}
	h.run(t)
	h.reaches(t, mail.Sent, 1)
	if got := gathered(t, h.Service); !strings.Contains(got, "fluxbase_mail_messages_total confirmation sent 1") {
		t.Error(got)
	}
	h = running(t, mail.Config{}, nil)
	h.send(t, time.Hour)
	h.reaches(t, mail.Failed, 1)
	if got := gathered(t, h.Service); !strings.Contains(got, "fluxbase_mail_messages_total confirmation failed 1") {
		t.Error(got)
	}
}
