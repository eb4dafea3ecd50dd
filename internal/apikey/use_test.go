package apikey_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/apikey"
	"github.com/fluxbase/fluxbase/internal/audit"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// counting counts the statements that a database is asked for.
type counting struct {
	*pgtest.Database

	statements atomic.Int64
}

func (c *counting) Single() postgres.Querier {
	c.statements.Add(1)
	return c.Database.Single()
}

func lastUse(t *testing.T, db *pgtest.Database, key apikey.Made) *time.Time {
	t.Helper()
	var at *time.Time
	db.Scan(t, `select last_used_at from auth.api_keys where id = $1`, []any{key.ID}, &at)
	return at
}

// TestUses notes many uses, which are written in one statement; a failure loses
// none, and an older use never overwrites a newer one.
func TestUses(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	db := &counting{Database: pgtest.New(t)}
	k := &apikey.Keeper{DB: db, Now: func() time.Time { return now }}
	a, b, idle := create(t, k, apikey.Client, apikey.New{}, audit.Actor{}), create(t, k, apikey.Service, apikey.New{}, audit.Actor{}), create(t, k, apikey.Service, apikey.New{}, audit.Actor{})
	before := db.statements.Load()
	for range 1000 {
		k.Used(a.ID)
		k.Used(b.ID)
	}
	if n := db.statements.Load() - before; n != 0 {
		t.Errorf("%d statements for uses", n)
	}
	if err := k.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := db.statements.Load() - before; n != 1 {
		t.Errorf("%d statements to write them", n)
	}
	if at := lastUse(t, db.Database, a); at == nil || !at.Equal(now) {
		t.Errorf("%v", at)
	}
	if lastUse(t, db.Database, idle) != nil {
		t.Error("a key that nobody used")
	}

	db.Exec(t, `update auth.api_keys set last_used_at = '2031-01-01Z' where id = $1`, b.ID) // another instance has been asked later
	now = now.Add(time.Hour)
	k.Used(a.ID)
	k.Used(b.ID)
	if err := k.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if at := lastUse(t, db.Database, b); at.Year() != 2031 {
		t.Errorf("a newer use was overwritten: %v", at)
	}
	if at := lastUse(t, db.Database, a); !at.Equal(now) {
		t.Errorf("control: %v", at)
	}
}

// TestUsesAreKeptUntilTheyAreWritten takes the table away for a while.
func TestUsesAreKeptUntilTheyAreWritten(t *testing.T) {
	t.Parallel()
	k, db := keeper(t)
	a, b := create(t, k, apikey.Client, apikey.New{}, audit.Actor{}), create(t, k, apikey.Client, apikey.New{}, audit.Actor{})
	k.Used(a.ID)
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := k.Flush(over); !errors.Is(err, context.Canceled) {
		t.Fatalf("control: %v", err)
	}
	k.Used(b.ID)
	stopped, stop := context.WithCancel(ctx)
	stop()
	k.Run(stopped, slog.New(slog.DiscardHandler)) // a server that stops writes what is left
	for _, key := range []apikey.Made{a, b} {
		if lastUse(t, db, key) == nil {
			t.Error("a use was lost")
		}
	}
}
