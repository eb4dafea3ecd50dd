package encryption_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/encryption"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/sealed"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// key is the material of a version, as every test has it. Version 1 is that of
// test databases.
func key(version uint32) []byte {
	if version == 1 {
		return pgtest.SecretKey()
	}
	sum := sha256.Sum256(fmt.Append(nil, "test key ", version))
	return sum[:]
}

func configured(versions ...uint32) []encryption.Configured {
	var keys []encryption.Configured
	for _, v := range versions {
		keys = append(keys, encryption.Configured{Version: v, Key: key(v), Place: fmt.Sprintf("the test, version %d", v)})
	}
	return keys
}

func service(db *pgtest.Database, active uint32, keys ...encryption.Configured) *encryption.Service {
	return &encryption.Service{
		DB: db, Configured: keys, Active: active, Provider: encryption.Local, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}
}

// open opens keys and keeps them open until the test ends.
func open(t *testing.T, s *encryption.Service) *encryption.Service {
	t.Helper()
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func wantRefused(t *testing.T, s *encryption.Service, words ...string) {
	t.Helper()
	err := s.Open(t.Context())
	if err == nil {
		s.Close(context.Background())
		t.Errorf("it opens, and should say %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func put(t *testing.T, db *pgtest.Database, s *encryption.Service, subject string) {
	t.Helper()
	values := &sealed.Service{Keys: s, Now: time.Now}
	if _, err := values.Put(t.Context(), db.Single(), "test", subject, []byte("the value of "+subject)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, db *pgtest.Database, s *encryption.Service, subject string) {
	t.Helper()
	values := &sealed.Service{Keys: s, Now: time.Now}
	got, err := values.Ensure(t.Context(), db.Single(), "test", subject, func() []byte { return []byte("it was gone") })
	if err != nil || string(got) != "the value of "+subject {
		t.Errorf("%s: %q, %v", subject, got, err)
	}
}

func versionOf(t *testing.T, db *pgtest.Database, subject string) (version uint32) {
	t.Helper()
	db.Scan(t, `select key_version from auth.sealed_values where purpose = 'test' and subject = $1`, []any{subject}, &version)
	return version
}

func TestOneKeyIsActiveByItself(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `delete from auth.sealed_values`)
	db.Exec(t, `delete from auth.encryption_keys`)
	s := open(t, service(db, 0, configured(3)...))
	if s.ActiveVersion() != 3 {
		t.Errorf("version %d is active", s.ActiveVersion())
	}
	put(t, db, s, "a")
	get(t, db, s, "a")
	if v := versionOf(t, db, "a"); v != 3 {
		t.Errorf("sealed under %d", v)
	}
	var material []byte
	db.Scan(t, `select convert_to(k::text, 'utf8') from auth.encryption_keys k`, nil, &material)
	if bytes.Contains(material, []byte(fmt.Sprintf("%x", key(3)))) {
		t.Error("the database holds the configured key")
	}
}

// A database from before keys were known takes the key that opens its values,
// and no other.
func TestKeyProvesItselfOnValues(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	put(t, db, open(t, service(db, 0, configured(1)...)), "a")
	db.Exec(t, `delete from auth.encryption_keys`)
	wrong := encryption.Configured{Version: 1, Key: key(9), Place: "FLUXBASE_SECRET_KEY"}
	wantRefused(t, service(db, 0, wrong), "version 1", "FLUXBASE_SECRET_KEY", "3 sealed values")
	get(t, db, open(t, service(db, 0, configured(1)...)), "a")
}

func TestWrongAndMissingKeysAreRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 0, configured(1)...))
	put(t, db, s, "a")
	put(t, db, s, "b")
	wrong := encryption.Configured{Version: 1, Key: key(9), Place: "fluxbase.yaml:7"}
	wantRefused(t, service(db, 0, wrong), "version 1", "fluxbase.yaml:7", "4 sealed values need it", "nothing has been changed")
	wantRefused(t, service(db, 2, configured(2)...), "version 1 is missing", "4 sealed values need it", "FLUXBASE_SECRET_KEY")
	wantRefused(t, service(db, 0), "version 1 is missing")
	wantRefused(t, service(db, 5, configured(1)...), "active_key_version is 5")
	get(t, db, open(t, service(db, 0, configured(1)...)), "a")
	var known int
	db.Scan(t, `select count(*) from auth.encryption_keys`, nil, &known)
	if known != 1 {
		t.Errorf("%d keys are known: a refused start left something behind", known)
	}
}

// A key that is known is held against the database even while nothing is
// sealed under it.
func TestWrongKeyWithoutValuesIsRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	first := open(t, service(db, 2, configured(1, 2)...))
	first.Close(t.Context())
	wrong := encryption.Configured{Version: 2, Key: key(9), Place: "x"}
	wantRefused(t, service(db, 2, configured(1)[0], wrong), "version 2", "0 sealed values")
}

// A key that was mistyped, and never used, does not keep the right one out.
func TestUnusedKeyIsReplaced(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	mistyped := encryption.Configured{Version: 2, Key: key(9), Place: "x"}
	holder := open(t, service(db, 1, configured(1)[0], mistyped))
	wantRefused(t, service(db, 1, configured(1, 2)...), "version 2", "not the key that this database knows")
	holder.Close(t.Context())
	if s := open(t, service(db, 2, configured(1, 2)...)); s.ActiveVersion() != 2 {
		t.Errorf("version %d", s.ActiveVersion())
	}
	var replaced int
	db.Scan(t, `select count(*) from auth.audit_log where action = 'encryption.key_replaced'`, nil, &replaced)
	if replaced != 1 {
		t.Errorf("%d audit records", replaced)
	}
}

// A program that only uses keys brings none in and makes none active, whatever
// its configuration says, and still finds a wrong one.
func TestReaderChangesNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	before := tables(t, db)
	reader := service(db, 2, configured(1, 2)...)
	reader.Reader = true
	if err := reader.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reader.ActiveVersion() != 1 || tables(t, db) != before {
		t.Errorf("version %d; %s", reader.ActiveVersion(), tables(t, db))
	}
	put(t, db, reader, "a")
	get(t, db, reader, "a")
	wrong := service(db, 0, encryption.Configured{Version: 1, Key: key(9), Place: "x"})
	wrong.Reader = true
	wantRefused(t, wrong, "version 1", "not the key")
	db.Exec(t, `delete from auth.encryption_keys`)
	empty := service(db, 0, configured(1)...)
	empty.Reader = true
	wantRefused(t, empty, "start the server first")
}

func tables(t *testing.T, db *pgtest.Database) (text string) {
	t.Helper()
	db.Scan(t, `select coalesce((select string_agg(k::text, ';') from auth.encryption_keys k), '') || coalesce((select string_agg(i::text, ';') from auth.instances i), '')`, nil, &text)
	return text
}

// The active version goes back by a rollback and in no other way.
func TestActivateDoesNotGoBack(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	open(t, service(db, 3, configured(1, 3)...)).Close(t.Context())
	s := open(t, service(db, 2, configured(1, 2, 3)...))
	if err := s.Activate(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "rollback") || s.ActiveVersion() != 3 {
		t.Errorf("version %d, %v", s.ActiveVersion(), err)
	}
	open(t, service(db, 4, configured(1, 2, 3, 4)...)).Close(t.Context())
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		_, err := s.RollBack(t.Context(), q, 4, "forward")
		return err
	})
	if err == nil {
		t.Error("a rollback went forward")
	}
}

// The version only moves forward by configuration.
func TestConfigurationDoesNotGoBack(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	open(t, service(db, 2, configured(1, 2)...)).Close(t.Context())
	if s := open(t, service(db, 1, configured(1, 2)...)); s.ActiveVersion() != 2 {
		t.Errorf("version %d", s.ActiveVersion())
	}
}

func TestGeneratedKeys(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 0, configured(1)...))
	other := open(t, service(db, 0, configured(1)...))
	version, err := s.Generate(t.Context(), nil)
	if err != nil || version != 2 {
		t.Fatalf("%d, %v", version, err)
	}
	if err := s.Activate(t.Context(), 2); !errors.Is(err, encryption.ErrNotHeld) {
		t.Errorf("activated before the other instance holds it: %v", err)
	}
	if err := other.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	put(t, db, s, "a")
	get(t, db, other, "a")
	put(t, db, other, "b") // has not heard: the database tells it
	if a, b := versionOf(t, db, "a"), versionOf(t, db, "b"); a != 2 || b != 2 {
		t.Errorf("sealed under %d and %d", a, b)
	}
	get(t, db, open(t, service(db, 0, configured(1)...)), "b")
	taken := encryption.Configured{Version: 2, Key: key(2), Place: "fluxbase.yaml:9"}
	wantRefused(t, service(db, 0, configured(1)[0], taken), "version 2", "taken", "version 3")
	wantRefused(t, service(db, 0, configured(5)...), "version 2 is missing", "wrapped by local under 1", "1 is missing")
}

func TestRollBack(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 3, configured(1, 2, 3)...))
	roll := func(to uint32) error {
		return db.InTx(t.Context(), func(q postgres.Querier) error {
			_, err := s.RollBack(t.Context(), q, to, "for the test")
			return err
		})
	}
	if err := roll(2); err == nil || !strings.Contains(err.Error(), "standby") {
		t.Errorf("back to a version that has never been active: %v", err)
	}
	if err := roll(1); err != nil {
		t.Fatal(err)
	}
	put(t, db, s, "a")
	if v := versionOf(t, db, "a"); v != 1 {
		t.Errorf("sealed under %d", v)
	}
	again := open(t, service(db, 3, configured(1, 2, 3)...))
	if again.ActiveVersion() != 1 {
		t.Errorf("the configuration brought version %d back", again.ActiveVersion())
	}
	if err := s.Activate(t.Context(), 3); err == nil {
		t.Error("a version that was rolled back is active")
	}
	if version, err := s.Generate(t.Context(), nil); err != nil || version != 4 {
		t.Errorf("%d, %v", version, err)
	}
}

func TestRetire(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := open(t, service(db, 0, configured(1)...))
	for v := uint32(2); v <= 5; v++ {
		if _, err := s.Generate(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Activate(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		put(t, db, s, fmt.Sprint("under ", v))
	}
	retire := func(keep int) []uint32 {
		var gone []uint32
		err := db.InTx(t.Context(), func(q postgres.Querier) (err error) {
			gone, err = s.Retire(t.Context(), q, keep)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	if gone := retire(0); len(gone) != 0 {
		t.Errorf("destroyed %v, under which something is sealed", gone)
	}
	db.Exec(t, `delete from auth.sealed_values where purpose = 'test' and key_version < 5`)
	if gone := retire(2); len(gone) != 1 || gone[0] != 2 {
		t.Errorf("destroyed %v, and should keep 4 and 3", gone)
	}
	var left int
	db.Scan(t, `select count(*) from auth.encryption_keys where wrapped is not null`, nil, &left)
	if left != 3 {
		t.Errorf("%d wrapped keys are left", left)
	}
	get(t, db, open(t, service(db, 0, configured(1)...)), "under 5")
}

// TestOpeningAtOnce has many programs open an empty database.
func TestOpeningAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `delete from auth.sealed_values`)
	db.Exec(t, `delete from auth.encryption_keys`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := service(db, 0, configured(1, 2)...)
			if err := s.Open(context.Background()); err != nil {
				t.Error(err)
				return
			}
			if s.ActiveVersion() != 2 {
				t.Errorf("version %d", s.ActiveVersion())
			}
			s.Close(context.Background())
		})
	}
	wg.Wait()
}
