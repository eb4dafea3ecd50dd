package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// TestUnreachable goes to where nobody is let in.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	owner, err := url.Parse(pgtest.New(t).OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	mute, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	with := func(change func(*url.URL)) string {
		u := *owner
		u.User = url.UserPassword(owner.User.Username(), "hunter2")
		change(&u)
		return u.String()
	}
	right, _ := owner.User.Password()
	for name, c := range map[string]struct{ url, why, todo string }{
		"nobody listens":   {"postgres://u:hunter2@127.0.0.1:1/d", "No PostgreSQL listens at 127.0.0.1:1.", "Start it"},
		"both ways of TLS": {"postgres://u:hunter2@127.0.0.1:1/d?sslmode=prefer", "No PostgreSQL listens at 127.0.0.1:1.", "Start it"},
		"no such socket":   {"postgres://u:hunter2@/d?host=/nowhere", "No PostgreSQL listens at /nowhere.", "Start it"},
		"unknown host":     {"postgres://u:hunter2@nowhere.invalid/d", "The host of the database, nowhere.invalid, is not known.", "Correct database.url."},
		"wrong password":   {with(func(*url.URL) {}), "does not let the user", "Correct user and password"},
		"no such database": {with(func(u *url.URL) {
			u.User, u.Path = url.UserPassword(owner.User.Username(), right), "/nowhere"
		}), `has no database "nowhere".`, "Create it"},
		"no answer": {"postgres://u:hunter2@" + mute.Addr().String() + "/d?connect_timeout=1&sslmode=disable", "does not answer.", "Check database.url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
			defer cancel()
			conn, err := pgx.Connect(ctx, c.url)
			if err == nil {
				_ = conn.Close(ctx)
				t.Fatal("somebody is let in")
			}
			why, todo := postgres.Unreachable(postgres.Fault(err))
			if !strings.Contains(why, c.why) || !strings.HasPrefix(todo, c.todo) || strings.Contains(why+todo, "hunter2") || strings.Contains(why, "\n") {
				t.Errorf("%q, %q of %v", why, todo, err)
			}
		})
	}
	if why, _ := postgres.Unreachable(errors.New("another")); why != "" {
		t.Errorf("another error: %q", why)
	}
}
