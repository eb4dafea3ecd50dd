package ratelimit_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxbase/fluxbase/internal/pgtest"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/ratelimit"
	"github.com/fluxbase/fluxbase/internal/ratelimit/database"
	"github.com/fluxbase/fluxbase/internal/ratelimit/memory"
	"github.com/fluxbase/fluxbase/internal/ratelimit/redis"
	"github.com/fluxbase/fluxbase/internal/ratelimit/redistest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// kept is one place where counts are kept.
type kept struct {
	open   func() ratelimit.Store                        // as one more instance does
	future func(c ratelimit.Charge, ahead time.Duration) // has a charge used until then
	patent bool                                          // several instances see one another
}

// places are all stores, each with nothing in it.
func places(t *testing.T) map[string]kept {
	t.Helper()
	ctx := context.Background()
	db := pgtest.New(t)
	server := redistest.Start(t)
	clock := &clock{}
	one := memory.New(1000, clock.now)
	return map[string]kept{
		"memory": {
			open: func() ratelimit.Store { return one },
			future: func(c ratelimit.Charge, ahead time.Duration) {
				clock.move(ahead)
				_, _, _ = one.Spend(ctx, []ratelimit.Charge{c})
				clock.move(-ahead)
			},
		},
		"redis": {
			open: func() ratelimit.Store { return open(t, redis.Options{URL: server.URL()}) }, patent: true,
			future: func(c ratelimit.Charge, ahead time.Duration) {
				server.Do("SET", "test:"+c.Bucket.String()+":"+hex.EncodeToString(c.Key[:]), fmt.Sprint(time.Now().Add(ahead).UnixMicro()))
			},
		},
		"postgres": {
			open: func() ratelimit.Store { return &database.Store{DB: db.DB} }, patent: true,
			future: func(c ratelimit.Charge, ahead time.Duration) {
				db.Exec(t, `insert into auth.rate_limits values ($1, $2)`, append([]byte{byte(c.Bucket)}, c.Key[:]...), time.Now().Add(ahead).UnixMicro())
			},
		},
	}
}

// clock is a wall clock that can be set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

func open(t *testing.T, o redis.Options) *redis.Store {
	t.Helper()
	o.Prefix = "test"
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	s, err := redis.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func charge(b ratelimit.Bucket, key byte, limit int, window time.Duration) ratelimit.Charge {
	return ratelimit.Charge{Bucket: b, Key: ratelimit.Key{key}, Rate: ratelimit.Rate{Limit: limit, Window: window}}
}

// spend fails the test when a store does.
func spend(t *testing.T, s ratelimit.Store, charges ...ratelimit.Charge) (bool, ratelimit.Levels) {
	t.Helper()
	ok, levels, err := s.Spend(context.Background(), charges)
	if err != nil {
		t.Fatal(err)
	}
	return ok, levels
}

// TestStoresAgree holds every store against the same rules.
func TestStoresAgree(t *testing.T) {
	t.Parallel()
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := p.open()
			if ok, _ := spend(t, s); !ok {
				t.Error("nothing is refused")
			}

			// The whole limit at once, and no more; others have theirs.
			few := charge(ratelimit.Anonymous, 1, 7, time.Hour)
			for i := range 7 {
				if ok, levels := spend(t, s, few); !ok || few.Rate.Remaining(levels[0]) != 7-i {
					t.Errorf("request %d: %v %v", i, ok, levels)
				}
			}
			ok, levels := spend(t, s, few)
			if wait := few.Rate.Wait(levels[0]); ok || wait <= 0 || wait > few.Rate.Interval() || few.Rate.Remaining(levels[0]) != 0 {
				t.Errorf("the eighth of seven: %v, wait %v", ok, wait)
			}
			if ok, _ := spend(t, s, charge(ratelimit.Anonymous, 2, 7, time.Hour)); !ok {
				t.Error("somebody else is refused")
			}
			if ok, _ := spend(t, s, charge(ratelimit.SignIn, 1, 7, time.Hour)); !ok {
				t.Error("another bucket is refused")
			}

			// Refused by one bucket, charged to none, in whichever order.
			victim := charge(ratelimit.SignInAccount, 1, 5, time.Hour)
			for range 20 {
				if ok, _ := spend(t, s, few, victim); ok {
					t.Error("one of two buckets is full")
				}
				if ok, _ := spend(t, s, victim, few); ok {
					t.Error("one of two buckets is full")
				}
			}
			if _, levels := spend(t, s, victim); victim.Rate.Remaining(levels[0]) != 5 {
				t.Error("what was refused was charged")
			}
			fresh := charge(ratelimit.Anonymous, 3, 7, time.Hour)
			if ok, levels := spend(t, s, fresh, victim); !ok || levels[0] != 0 || victim.Rate.Remaining(levels[1]) != 4 {
				t.Errorf("control: two buckets with room: %v %v", ok, levels)
			}

			// It grows back.
			quick := charge(ratelimit.Mail, 1, 2, 200*time.Millisecond)
			spend(t, s, quick)
			spend(t, s, quick)
			eventually(t, func() bool { ok, _ := spend(t, s, quick); return ok })
		})
	}
}

// TestClockThatRanAhead has a key used until next year, as a clock that is set
// back leaves it: one window is lost, and no more.
func TestClockThatRanAhead(t *testing.T) {
	t.Parallel()
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := p.open()
			c := charge(ratelimit.Anonymous, 9, 2, time.Second)
			p.future(c, 365*24*time.Hour)
			ok, levels := spend(t, s, c)
			if wait := c.Rate.Wait(levels[0]); ok || wait > time.Second {
				t.Errorf("%v, wait %v", ok, wait)
			}
			eventually(t, func() bool { ok, _ := spend(t, s, c); return ok })
		})
	}
}

// TestInstancesShareALimit has two of them admit 1,000 of 3,000 requests that
// come at once: 1,000 and what grows back meanwhile.
func TestInstancesShareALimit(t *testing.T) {
	t.Parallel()
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := charge(ratelimit.Anonymous, 1, 1000, time.Minute)
			instances := []ratelimit.Store{p.open(), p.open()}
			began := time.Now()
			admitted := together(t, 3000, func(i int) bool {
				ok, _ := spend(t, instances[i%2], c)
				return ok
			})
			back := int(time.Since(began)/c.Rate.Interval()) + 1
			if admitted < 1000 || admitted > 1000+back {
				t.Errorf("%d of 1000 were admitted, with %d that grew back", admitted, back)
			}
			t.Logf("%d admitted, at most %d grew back", admitted, back)
		})
	}
}

// TestNewKeysAreCountedToo has many come at once for a key that nobody has seen.
func TestNewKeysAreCountedToo(t *testing.T) {
	t.Parallel()
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instances := []ratelimit.Store{p.open(), p.open()}
			for key := range byte(10) {
				admitted := together(t, 40, func(i int) bool {
					ok, _ := spend(t, instances[i%2], charge(ratelimit.SignUp, key, 3, 24*time.Hour), charge(ratelimit.Mail, key, 100, 24*time.Hour))
					return ok
				})
				if admitted != 3 {
					t.Errorf("%d of 3", admitted)
				}
			}
		})
	}
}

// together runs f n times, 16 at a time, and counts how often it is true.
func together(t *testing.T, n int, f func(i int) bool) int {
	t.Helper()
	var next, admitted atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if f(int(i)) {
					admitted.Add(1)
				}
			}
		})
	}
	all.Wait()
	return int(admitted.Load())
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for range 500 {
		if f() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("not within 10 s")
}

// TestOldCountsAreRemoved leaves what still counts.
func TestOldCountsAreRemoved(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := &database.Store{DB: db.DB}
	for key := range byte(5) {
		spend(t, s, charge(ratelimit.Anonymous, key, 1000000, time.Second))
	}
	spend(t, s, charge(ratelimit.SignUp, 1, 1, time.Hour))
	left := 0
	eventually(t, func() bool {
		for more := true; more; {
			var err error
			if more, err = s.Clean(context.Background(), 2); err != nil {
				t.Fatal(err)
			}
		}
		db.Scan(t, `select count(*) from auth.rate_limits`, nil, &left)
		return left == 1
	})
	if ok, _ := spend(t, s, charge(ratelimit.SignUp, 1, 1, time.Hour)); ok {
		t.Error("what counts has been forgotten")
	}
	for _, role := range []string{"anonymous", "authenticated", "service_role"} {
		var may bool
		db.Scan(t, `select has_table_privilege($1, 'auth.rate_limits', 'select, insert, update, delete')
			or has_function_privilege($1, 'auth.charge_rate_limits(bytea[], bigint[], bigint[])', 'execute')`, []any{role}, &may)
		if may {
			t.Errorf("%s can reach the counts", role)
		}
	}
}

// TestRefusalsLeaveNothing has somebody who is over a limit name ever new
// mailboxes: nothing is kept of them, and what they wait for holds up nobody.
func TestRefusalsLeaveNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	s := &database.Store{DB: db}
	address := charge(ratelimit.Mail, 1, 1, time.Hour)
	if ok, _ := spend(t, s, address); !ok {
		t.Fatal("control: the first is refused")
	}
	for i := range byte(50) {
		if ok, levels := spend(t, s, address, charge(ratelimit.MailRecipient, i, 5, time.Hour)); ok || levels[0] == 0 || levels[1] != 0 {
			t.Errorf("%v %v", ok, levels)
		}
	}
	var rows int
	db.Scan(t, `select count(*) from auth.rate_limits`, nil, &rows)
	if rows != 1 {
		t.Errorf("%d rows", rows)
	}
	err := db.InTx(t.Context(), func(q postgres.Querier) error {
		if _, err := q.Exec(t.Context(), `select from auth.rate_limits for update`); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if ok, _, err := s.Spend(ctx, []ratelimit.Charge{address}); ok || err != nil { // in another transaction
			t.Errorf("admitted: %v, %v", ok, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
