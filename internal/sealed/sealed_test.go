package sealed_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestPutAndOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, secrets := pgtest.New(t), pgtest.Secrets()
	kept, err := secrets.Put(ctx, db.Single(), "test", "a", []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := secrets.Open(ctx, db.Single(), kept)
	if err != nil || string(opened) != "the secret" {
		t.Errorf("%q, %v", opened, err)
	}
	var envelope []byte
	db.Scan(t, `select envelope from auth.sealed_values where id = $1`, []any{kept}, &envelope)
	if bytes.Contains(envelope, []byte("secret")) {
		t.Error("it lies in the open")
	}
	if _, err := secrets.Put(ctx, db.Single(), "test", "a", []byte("another")); err == nil {
		t.Error("a second value of one name was kept")
	}
	if _, err := secrets.Open(ctx, db.Single(), id.Sealed{1}); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("no such value: %v", err)
	}
}

// TestMovedEnvelopesDoNotOpen is somebody who can write the table, and puts one
// sealed value in the place of another.
func TestMovedEnvelopesDoNotOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, secrets := pgtest.New(t), pgtest.Secrets()
	put := func(purpose, subject string) id.Sealed {
		kept, err := secrets.Put(ctx, db.Single(), purpose, subject, []byte(purpose+subject))
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	mine, other, renamed, repurposed, control := put("test", "mine"), put("test", "other"), put("test", "x"), put("test", "y"), put("test", "z")
	db.Exec(t, `update auth.sealed_values a set envelope = b.envelope from auth.sealed_values b where a.id = $1 and b.id = $2`, mine, other)
	db.Exec(t, `update auth.sealed_values set subject = 'w' where id = $1`, renamed)
	db.Exec(t, `update auth.sealed_values set purpose = 'other' where id = $1`, repurposed)
	for name, kept := range map[string]id.Sealed{"swapped": mine, "renamed": renamed, "repurposed": repurposed} {
		if text, err := secrets.Open(ctx, db.Single(), kept); !errors.Is(err, keyring.ErrNotOpened) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := secrets.Open(ctx, db.Single(), control); err != nil {
		t.Errorf("control: %v", err)
	}
}

// TestEnsureAtOnce has fifty callers ask for a value that nobody has made yet.
func TestEnsureAtOnce(t *testing.T) {
	t.Parallel()
	db, secrets := pgtest.New(t), pgtest.Secrets()
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			value, err := secrets.Ensure(context.Background(), db.Single(), "test", "one", func() []byte { return []byte{byte(i)} })
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[string(value)]++
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Errorf("%d values", len(got))
	}
}

// slow is a database that has something happen once, between a row and its
// reader.
type slow struct {
	postgres.Querier

	meanwhile func()
}

func (s *slow) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return slowRow{s.Querier.QueryRow(ctx, sql, args...), s}
}

type slowRow struct {
	pgx.Row
	*slow
}

func (r slowRow) Scan(into ...any) error {
	err := r.Row.Scan(into...)
	if r.meanwhile != nil {
		meanwhile := r.meanwhile
		r.meanwhile = nil
		meanwhile()
	}
	return err
}

// TestReplaceWhatIsGone deletes a value just before another is put in its place.
func TestReplaceWhatIsGone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, secrets := pgtest.New(t), pgtest.Secrets()
	kept, err := secrets.Put(ctx, db.Single(), "test", "a", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	q := &slow{db.Single(), func() { db.Exec(t, `delete from auth.sealed_values where id = $1`, kept) }}
	if err := secrets.Replace(ctx, q, kept, []byte("y")); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("replaced: %v", err)
	}
	if text, err := secrets.Open(ctx, db.Single(), kept); !errors.Is(err, sealed.ErrNotFound) {
		t.Errorf("it is back: %q, %v", text, err)
	}
}
