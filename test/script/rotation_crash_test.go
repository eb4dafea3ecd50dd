package script_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/id"
	"github.com/fluxbase/fluxbase/internal/postgres"
)

// seed puts n values of a purpose, and returns what is in each.
func (m *member) seed(t *testing.T, purpose string, n int) ([]id.Sealed, []string) {
	t.Helper()
	ids, texts := make([]id.Sealed, n), make([]string, n)
	err := m.db.InTx(t.Context(), func(q postgres.Querier) (err error) {
		for i := range n {
			texts[i] = fmt.Sprintf("%s %d: %s", purpose, i, strings.Repeat("x", i%97))
			if ids[i], err = m.values.Put(t.Context(), q, purpose, strconv.Itoa(i), []byte(texts[i])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, texts
}

// setting is a number of the environment, for longer runs.
func setting(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// TestKilledReEncryption kills a re-encryption at random points until 200 kills
// have met it at work, and then a rollback: the command mostly, PostgreSQL
// under it now and then, and both at once. What has lost its database goes on
// by itself, and the same command goes on at once where a killed one was. At
// the end every value is there as it was put in. Somebody reads all the time.
func TestKilledReEncryption(t *testing.T) {
	t.Parallel()
	const values = 10_000
	kills := setting("FLUXBASE_TEST_KILLS", 200)
	c := newCluster(t, nil)
	versions := make([]uint32, 150)
	for i := range versions {
		versions[i] = uint32(i + 1)
	}
	m := c.join(versions...)
	ids, texts := m.seed(t, "test", values)
	reading, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() { m.readAll(reading, c, ids, texts) })

	s := &siege{cluster: c, environ: c.environ(versions...), limit: time.Now().Add(15 * time.Minute)}
	from := 0
	for s.met < kills {
		from++
		if err := m.keys.Activate(t.Context(), uint32(from+1)); err != nil {
			t.Fatal(err)
		}
		s.until(kills, "re-encrypt", "--from-version", strconv.Itoa(from), "--to-version", strconv.Itoa(from+1))
		if n := c.count(`select count(*) from auth.sealed_values where key_version = ` + strconv.Itoa(from)); n != 0 {
			t.Errorf("a run from version %d succeeded and left %d values", from, n)
		}
	}
	m.check(t, ids, texts, uint32(from+1))
	s.until(kills+kills/20, "rollback", "--to-version", "1", "--reason", "the test")
	stop()
	reader.Wait()
	t.Logf("%d kills at work, %d of PostgreSQL, %d of that alone, %d kills before or after, %d runs",
		s.met, c.crashes.Load()/2, s.alone, s.missed, from+1)
	m.check(t, ids, texts, 1)
	if n := c.count(`select count(*) from auth.encryption_runs where state <> 'succeeded' or total <> scanned
		or scanned <> re_encrypted + already + failed or scanned <> ` + strconv.Itoa(values)); n != 0 {
		t.Errorf("%d runs did not count every value once: %s", n, c.ask(`select kind, from_version, to_version, state, attempts, total, scanned, re_encrypted, already, failed from auth.encryption_runs order by created_at`))
	}
	r := c.begin(s.environ, "secrets", "audit", "--key-version", strconv.Itoa(from+1))
	if want := fmt.Sprintf("No secrets found encrypted with key version %d\n", from+1); !r.over(time.Minute) || r.output.String() != want {
		t.Errorf("audit: %s", r.output.String())
	}
}

// siege is a command that is killed over and over.
type siege struct {
	*cluster

	environ []string
	limit   time.Time // of it all
	met     int       // kills that met it at work
	missed  int       // that came too early or too late
	alone   int       // kills of PostgreSQL, and not of the command
}

// until attacks a command until it succeeds, or so many kills have met one: then
// it is left alone.
func (s *siege) until(kills int, args ...string) {
	s.t.Helper()
	for s.met < kills {
		if s.attack(args...) {
			return
		}
		if time.Now().After(s.limit) {
			s.t.Fatalf("%d kills: something waits", s.met)
		}
	}
	s.succeeds(s.start(args...))
}

func (s *siege) start(args ...string) *command {
	s.t.Helper()
	return s.begin(s.environ, append(append([]string{"secrets"}, args...), "--batch-size", "5", "--concurrency", "2")...)
}

func (s *siege) succeeds(r *command) {
	s.t.Helper()
	if !r.over(time.Minute) || r.err != nil {
		s.t.Fatalf("%v: %s\n%s", r.err, r.output.String(), s.ask(`table auth.encryption_runs`))
	}
}

// attack begins a command and kills it soon, or PostgreSQL, or both. It returns
// true when the command has succeeded nevertheless.
func (s *siege) attack(args ...string) bool {
	s.t.Helper()
	const state = `select coalesce(sum(attempts), 0) || ' ' || count(*) filter (where finished_at is null) from auth.encryption_runs`
	before, _, _ := strings.Cut(s.ask(state), " ")
	r := s.start(args...)
	if r.over(time.Duration(rand.IntN(200)) * time.Millisecond) {
		s.succeeds(r)
		return true
	}
	attempts, open, _ := strings.Cut(s.ask(state), " ")
	if attempts == before || open != "1" {
		s.missed++
		r.kill()
		return false
	}
	s.met++
	switch s.met % 20 {
	case 0: // both
		r.kill()
		s.crash()
	case 10:
		s.alone++
		s.crash()
		s.succeeds(r)
		return true
	default:
		r.kill()
	}
	return false
}

// readAll reads random values until ctx is done.
func (m *member) readAll(ctx context.Context, c *cluster, ids []id.Sealed, texts []string) {
	for ctx.Err() == nil {
		i, crashes := rand.IntN(len(ids)), c.crashes.Load()
		text, err := m.values.Open(context.WithoutCancel(ctx), m.db.Single(), ids[i])
		switch {
		case err == nil && string(text) != texts[i]:
			c.t.Errorf("value %d is %q", i, text)
		case errors.Is(err, postgres.ErrUnavailable) && (crashes%2 == 1 || c.crashes.Load() != crashes):
		case err != nil:
			c.t.Errorf("reading value %d: %v", i, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// check reads every value. There are as many as there should be, all of them
// under one version.
func (m *member) check(t *testing.T, ids []id.Sealed, texts []string, version uint32) {
	t.Helper()
	for i, value := range ids {
		if text, err := m.values.Open(t.Context(), m.db.Single(), value); err != nil || string(text) != texts[i] {
			t.Errorf("value %d is %q, %v", i, text, err)
		}
	}
	var there, moved int
	err := m.db.Single().QueryRow(t.Context(), `
		select count(*), count(*) filter (where key_version = $1) from auth.sealed_values where purpose in ('test', 'first', 'second')`, version).Scan(&there, &moved)
	if err != nil || there != len(ids) || moved != len(ids) {
		t.Errorf("%d values, of which %d are under version %d, and there should be %d: %v", there, moved, version, len(ids), err)
	}
}
