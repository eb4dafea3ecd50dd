package rotation_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/leaktest"
	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/rotation"
)

// record keeps what a program logs.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) has(word string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.text.String(), word)
}

// listen has a program log into a record.
func listen(p *program) *record {
	r := &record{}
	p.Logger = slog.New(slog.NewTextHandler(leaktest.Tee(r), nil))
	return r
}

// until waits for what happens elsewhere.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

// fillUp has the disk of a database be full, as far as some values are
// concerned, until the function that it returns is called.
func fillUp(t *testing.T, db *pgtest.Database) (empty func()) {
	t.Helper()
	db.Exec(t, `create table public.full_disk as select true as full`)
	db.Exec(t, `create function public.fill_up() returns trigger language plpgsql as $$
		begin
			if exists (select from public.full_disk) then
				raise exception 'could not extend file: No space left on device' using errcode = '53100';
			end if;
			return new;
		end $$`)
	db.Exec(t, `create trigger fill_up before update on auth.sealed_values for each row when (new.purpose = 'test' and new.subject > '90') execute function public.fill_up()`)
	return func() { db.Exec(t, `delete from public.full_disk`) }
}

// TestDiskIsFullForAWhile fills the disk in the middle of a batch and empties it
// again: the run waits, and goes on.
func TestDiskIsFullForAWhile(t *testing.T) {
	t.Parallel()
	db := roomy(t)
	p := start(t, db, 0, 1, 2)
	p.put(100)
	if err := p.Keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	empty, log := fillUp(t, db), listen(p)
	ended := make(chan rotation.Run, 1)
	go func() {
		defer close(ended)
		ended <- p.do(p.reEncrypt(1, 2))
	}()
	until(t, "the run waits", func() bool { return log.has("No space left") && p.under(2) > 0 })
	p.check(100)
	if p.under(1) == 0 {
		t.Error("the disk was not full")
	}
	empty()
	if run := <-ended; counts(run) != "succeeded: 102 = 102 + 0 + 0" || run.Attempts != 1 {
		t.Errorf("%s in %d attempts", counts(run), run.Attempts)
	}
	p.check(100)
}

// TestDiskStaysFull keeps the disk full for longer than a run waits: it ends in
// such a way that it can go on, even where nobody could write that down, and
// everything can be read.
func TestDiskStaysFull(t *testing.T) {
	t.Parallel()
	for name, alsoRuns := range map[string]bool{"for values": false, "for runs too": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := roomy(t)
			p := start(t, db, 0, 1, 2)
			p.Patience = 500 * time.Millisecond
			p.put(100)
			if err := p.Keys.Activate(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			empty := fillUp(t, db)
			if alsoRuns {
				db.Exec(t, `create trigger fill_up before update on auth.encryption_runs for each row when (new.runner is null) execute function public.fill_up()`)
			}
			run, err := p.reEncrypt(1, 2)
			if err != nil {
				t.Fatal(err)
			}
			log := listen(p)
			left, err := p.Do(t.Context(), run.ID, func(rotation.Run) {})
			if err == nil || !strings.Contains(err.Error(), "No space left") || left.Over() || !log.has("re-encryption waits") {
				t.Errorf("%s, %v", counts(left), err)
			}
			kept, err := p.Get(t.Context(), run.ID)
			if err != nil || kept.Over() || alsoRuns == (kept.Error != nil) {
				t.Errorf("%+v, %v", kept, err)
			}
			p.check(100)
			moved := p.under(2)
			empty()
			again := p.do(p.reEncrypt(1, 2))
			if want := fmt.Sprintf("succeeded: 102 = %d + %d + 0", 102-moved, moved); again.ID != run.ID || counts(again) != want || moved == 0 || moved == 102 {
				t.Errorf("%s, and want %s", counts(again), want)
			}
			p.check(100)
		})
	}
}
