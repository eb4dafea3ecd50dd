package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/telemetry"
)

// TestExamine: a check that fails, panics or never ends is a finding, and the
// others go on.
func TestExamine(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	one := func(context.Context) ([]telemetry.Finding, error) {
		return []telemetry.Finding{{Severity: telemetry.Warning, Detail: "found"}, {Severity: telemetry.Note, Subject: "another", Docs: "elsewhere"}}, nil
	}
	found := Examine(t.Context(), 200*time.Millisecond, []Check{
		{Subject: "never ends", Run: func(context.Context) ([]telemetry.Finding, error) { <-forever; return nil, nil }},
		{Subject: "panics", Run: func(context.Context) ([]telemetry.Finding, error) { panic("no such thing") }},
		{Subject: "fails", Run: func(context.Context) ([]telemetry.Finding, error) {
			return nil, errors.New("connecting to postgres://owner:hunter2@db/app: refused")
		}},
		{Subject: "in time", Run: func(ctx context.Context) ([]telemetry.Finding, error) { <-ctx.Done(); return nil, ctx.Err() }},
		{Subject: "data API", Fine: "Well.", Run: func(context.Context) ([]telemetry.Finding, error) { return nil, nil }},
		{Subject: "silent", Run: func(context.Context) ([]telemetry.Finding, error) { return nil, nil }},
		{Subject: "two", Fine: "Well.", Run: one},
	})
	want := []struct {
		severity      telemetry.Severity
		subject, docs string
		detail        string
	}{
		{telemetry.Problem, "never ends", Page + "#never-ends", "no answer within 200ms"},
		{telemetry.Problem, "panics", Page + "#panics", "no such thing"},
		{telemetry.Problem, "fails", Page + "#fails", "connecting to postgres://db/app: refused"},
		{telemetry.Problem, "in time", Page + "#in-time", "no answer within 200ms"},
		{telemetry.Fine, "data API", Page + "#data-api", "Well."},
		{telemetry.Warning, "two", Page + "#two", "found"},
		{telemetry.Note, "another", "elsewhere", ""},
	}
	if len(found) != len(want) {
		t.Fatalf("%+v", found)
	}
	for i, w := range want {
		f := found[i]
		if f.Severity != w.severity || f.Subject != w.subject || f.Docs != w.docs || !strings.Contains(f.Detail, w.detail) || strings.Contains(f.Detail, "hunter2") {
			t.Errorf("%+v, want %+v", f, w)
		}
	}
}

// TestClocks has each clock wrong in turn.
func TestClocks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	reading := func(ahead, exact time.Duration) Reading {
		return Reading{Said: at.Add(ahead), Before: at.Add(-10 * time.Millisecond), After: at.Add(10 * time.Millisecond), Exact: exact}
	}
	with := func(ahead time.Duration) *Reading {
		r := reading(ahead, time.Second)
		return &r
	}
	for name, tt := range map[string]struct {
		database time.Duration
		witness  *Reading
		severity telemetry.Severity
		says     []string
	}{
		"together":                          {0, nil, "", nil},
		"a little apart":                    {1900 * time.Millisecond, nil, "", nil},
		"ahead":                             {5 * time.Second, nil, telemetry.Warning, []string{"4.99s ahead of", "not known here"}},
		"behind":                            {-5 * time.Second, nil, telemetry.Warning, []string{"4.99s behind", "not known here"}},
		"far behind":                        {-time.Minute, nil, telemetry.Problem, []string{"59.99s behind"}},
		"the database's":                    {time.Minute, with(0), telemetry.Problem, []string{"agrees with this machine: the database's is likely to be wrong"}},
		"the database's, rounded":           {10 * time.Second, with(-900 * time.Millisecond), telemetry.Warning, []string{"the database's is likely to be wrong"}},
		"ours":                              {time.Minute, with(time.Minute), telemetry.Problem, []string{"agrees with the database: that of this machine is likely to be wrong"}},
		"ours, behind":                      {-time.Minute, with(-time.Minute), telemetry.Problem, []string{"that of this machine is likely to be wrong"}},
		"three clocks and as many opinions": {time.Minute, with(-time.Minute), telemetry.Problem, []string{"not known here"}},
	} {
		found := Clocks(reading(tt.database, 0), tt.witness)
		if tt.severity == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", name, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Severity != tt.severity {
			t.Fatalf("%s: %+v", name, found)
		}
		for _, s := range tt.says {
			if !strings.Contains(found[0].Detail, s) {
				t.Errorf("%s: %s", name, found[0].Detail)
			}
		}
	}
}

// TestStorage: what a test cannot let happen to the cluster that it shares.
func TestStorage(t *testing.T) {
	t.Parallel()
	sound := storage{Database: "app", Age: 150_000_000, Idle: 20}
	if found := sound.findings(); len(found) > 0 {
		t.Errorf("control: %+v", found)
	}
	for name, tt := range map[string]struct {
		change   func(*storage)
		severity telemetry.Severity
		where    string
		fix      string
	}{
		"ids run out":      {func(s *storage) { s.Age = oldWarning }, telemetry.Warning, "database app", "vacuumdb --all --freeze"},
		"ids have run out": {func(s *storage) { s.Age = oldProblem }, telemetry.Problem, "database app", "vacuumdb --all --freeze"},
		"a slot":           {func(s *storage) { s.Slots = []string{"o'hara"} }, telemetry.Warning, "replication slot o'hara", "pg_drop_replication_slot('o''hara')"},
		"prepared":         {func(s *storage) { s.Prepared = []string{"x"} }, telemetry.Warning, "prepared transaction x", "rollback prepared 'x'"},
		"idle":             {func(s *storage) { s.Idle = 3600 }, telemetry.Warning, "pg_stat_activity", "pg_terminate_backend"},
	} {
		s := sound
		tt.change(&s)
		found := s.findings()
		if len(found) != 1 || found[0].Severity != tt.severity || found[0].Where != tt.where || !strings.Contains(found[0].Fix, tt.fix) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
