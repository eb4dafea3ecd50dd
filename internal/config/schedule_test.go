package config

import (
	"strings"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	tests := []struct{ schedule, after, want string }{
		{"0 2 1 * *", "2026-01-01T01:59:59Z", "2026-01-01T02:00:00Z"},
		{"0 2 1 * *", "2026-01-01T02:00:00Z", "2026-02-01T02:00:00Z"},
		{"0 2 1 * *", "2026-01-01T02:00:00.5Z", "2026-02-01T02:00:00Z"},
		{"0 2 1 * *", "2026-12-31T23:00:00-05:00", "2027-02-01T02:00:00Z"}, // in UTC it is the first already, and later
		{"0 2 1 * *", "2026-12-31T20:00:00-05:00", "2027-01-01T02:00:00Z"},
		{"*/15 * * * *", "2026-03-29T01:50:00Z", "2026-03-29T02:00:00Z"},
		{"30 8-18/5 * * mon-fri", "2026-10-02T18:30:00Z", "2026-10-05T08:30:00Z"},
		{"0 0 * * 7", "2026-10-02T00:00:00Z", "2026-10-04T00:00:00Z"},
		{"0 0 1,15 * fri", "2026-10-02T00:00:00Z", "2026-10-09T00:00:00Z"}, // either day
		{"0 0 31 * *", "2026-08-31T00:00:00Z", "2026-10-31T00:00:00Z"},
		{"0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"},
	}
	for _, tt := range tests {
		got, err := KeyRotation{Schedule: tt.schedule}.Next(at(tt.after))
		if want := at(tt.want); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s after %s is %v, %v; want %v", tt.schedule, tt.after, got, err, want)
		}
	}
	for _, schedule := range []string{"", "hunter2 * * * *", "0 0 30 2 *"} {
		if _, err := (KeyRotation{Schedule: schedule}).Next(at("2026-01-01T00:00:00Z")); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", schedule, err)
		}
	}
}
