package encryption_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/keyring"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

func TestActiveVersionWaitsForEveryInstance(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	old := open(t, service(db, 0, configured(1)...))
	renewed := open(t, service(db, 2, configured(1, 2)...))
	put(t, db, renewed, "early")
	if v := versionOf(t, db, "early"); v != 1 || renewed.ActiveVersion() != 1 {
		t.Errorf("sealed under %d while another instance lacks version 2", v)
	}
	get(t, db, old, "early")
	if err := renewed.Activate(t.Context(), 2); !errors.Is(err, encryption.ErrNotHeld) || !strings.Contains(err.Error(), "process") {
		t.Errorf("activated by force: %v", err)
	}

	old.Close(t.Context())
	if err := renewed.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, db, renewed, "late")
	if v := versionOf(t, db, "late"); v != 2 {
		t.Errorf("sealed under %d", v)
	}
	get(t, db, renewed, "early")
	wantRefused(t, service(db, 0, configured(1)...), "version 2 is missing", "FLUXBASE_SECRET_KEY_2", "it is the active one")
}

// An instance that was killed holds nobody up for long.
func TestGoneInstancesDoNotCount(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	gone := open(t, service(db, 0, configured(1)...))
	db.Exec(t, `update auth.instances set seen_at = now() - interval '16 seconds' where id = $1`, gone.Instance())
	s := open(t, service(db, 2, configured(1, 2)...))
	if s.ActiveVersion() != 1 {
		t.Error("whoever has just come cannot know who is gone")
	}
	db.Exec(t, `update auth.instances set steady_since = now() - interval '16 seconds' where id = $1`, s.Instance())
	if err := s.Reload(t.Context()); err != nil || s.ActiveVersion() != 2 {
		t.Errorf("version %d, %v", s.ActiveVersion(), err)
	}
}

// After an outage of the database nobody has been seen, and nobody is gone.
func TestOutageMakesNobodyGone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	open(t, service(db, 0, configured(1)...))
	s := open(t, service(db, 2, configured(1, 2)...))
	db.Exec(t, `update auth.instances set seen_at = now() - interval '18 seconds', steady_since = now() - interval '1 hour'`)
	if err := s.Reload(t.Context()); err != nil || s.ActiveVersion() != 1 {
		t.Errorf("version %d, %v", s.ActiveVersion(), err)
	}
}

// Without Reload by notification, an instance still learns a version when it
// meets it.
func TestUnknownVersionIsLearntOnSight(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 0, configured(1)...))
	reader := open(t, service(db, 0, configured(1)...))
	if _, err := s.Generate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `update auth.instances set key_versions = '{1,2}'`)
	if err := s.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	put(t, db, s, "a")
	get(t, db, reader, "a")
}

// An instance that was left behind says so, where a load balancer asks.
func TestInstanceWithoutTheActiveKeyIsNotReady(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	behind := open(t, service(db, 0, configured(1)...))
	s := open(t, service(db, 0, configured(1, 2)...))
	if err := behind.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	db.Exec(t, `update auth.instances set key_versions = '{1,2}'`)
	if err := s.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := behind.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if behind.Ready(t.Context()) == nil || s.Ready(t.Context()) != nil {
		t.Errorf("%v, %v", behind.Ready(t.Context()), s.Ready(t.Context()))
	}
	put(t, db, s, "a")
	values := &sealed.Service{Keys: behind, Now: time.Now}
	_, err := values.Ensure(t.Context(), db.Single(), "test", "a", nil)
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("reading what it has no key for: %v", err)
	}
}
