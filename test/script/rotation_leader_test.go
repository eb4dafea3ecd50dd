package script_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// scheduled is the environment of a server that rotates on a schedule.
func scheduled(environ []string) []string {
	return append(environ, "FLUXBASE_SECURITY_ENCRYPTION_KEY_ROTATION_ENABLED=true", "FLUXBASE_SECURITY_ENCRYPTION_KEY_ROTATION_SCHEDULE=0 2 1 * *")
}

// due makes the scheduled rotation due, and tells every server to look.
func (c *cluster) due() {
	c.t.Helper()
	within(c.t, 20*time.Second, "there is a schedule", func() bool { return c.count(`select count(*) from auth.encryption_schedule`) == 1 })
	c.ask(`update auth.encryption_schedule set due_at = now() - interval '1 hour'`)
	c.wake()
}

// wake has every server look for something to do.
func (c *cluster) wake() {
	c.t.Helper()
	c.ask(`select pg_notify('fluxbase_encryption', '')`)
}

// gate stops whoever comes to a statement, in the middle of its transaction,
// for as long as the test keeps it shut.
type gate struct {
	c    *cluster
	conn *pgx.Conn
}

// shut makes a gate before a change of a table.
func (c *cluster) shut(does, table, when string) *gate {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	g := &gate{c, conn}
	g.do(`select pg_advisory_lock(1)`)
	g.do(`create or replace function public.gate() returns trigger language plpgsql as $$
		begin
			perform pg_advisory_xact_lock_shared(1);
			return new;
		end $$`)
	g.do(fmt.Sprintf(`create trigger gate before %s on %s for each row when (%s) execute function public.gate()`, does, table, when))
	return g
}

func (g *gate) do(statement string) {
	g.c.t.Helper()
	if _, err := g.conn.Exec(g.c.t.Context(), statement); err != nil {
		g.c.t.Fatalf("%s: %v", statement, err)
	}
}

// waiting is the backend that waits at the gate.
func (g *gate) waiting() (backend string) {
	g.c.t.Helper()
	within(g.c.t, 30*time.Second, "somebody comes to the gate", func() bool {
		backend = g.c.ask(`select pid from pg_locks where locktype = 'advisory' and classid = 0 and objid = 1 and not granted limit 1`)
		return backend != ""
	})
	return backend
}

// open lets everybody through, and takes the gate away.
func (g *gate) open(table string) {
	g.c.t.Helper()
	g.do(`select pg_advisory_unlock(1)`)
	g.c.ask(`drop trigger gate on ` + table)
}

// TestLeaderIsKilled kills the leader of a scheduled rotation at each of its
// steps. Another server ends the same rotation: with one new key, which is the
// active one, and with nothing left over. What the killed one had sent to
// PostgreSQL is lost in one case, and in the other is done after its death.
func TestLeaderIsKilled(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		t.Run(map[bool]string{false: "lost", true: "late"}[late], func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, map[string]string{"fsync": "off"})
			c.t = t
			environ := scheduled(c.environ(1))
			servers := []*process{c.serve("a", environ...), c.serve("b", environ...), c.serve("c", environ...)}
			m := c.join(1)
			ids, texts := m.seed(t, "test", 500)
			m.keys.Close(t.Context())
			for version, step := range []struct{ name, does, table, when string }{
				{"the key is made", "update", "auth.encryption_runs", "new.to_version is distinct from old.to_version"},
				{"the key becomes active", "update", "auth.encryption_keys", "new.state = 'active' and old.state = 'standby'"},
				{"values are moved", "update", "auth.sealed_values", "new.key_version > 1 and new.subject = '333'"},
				{"the run ends", "update", "auth.encryption_runs", "new.finished_at is not null"},
			} {
				version += 2
				g := c.shut(step.does, step.table, step.when)
				c.due()
				backend := g.waiting()
				leader, instance := c.leader(servers)
				leader.kill()
				forget := func() { c.ask(`delete from auth.instances where id = '` + instance + `'`) } // keys would wait for it for 15 s
				if late {
					forget()
				} else {
					c.ask(`select pg_terminate_backend(` + backend + `)`)
				}
				g.open(step.table)
				c.rotated(t, step.name, version)
				forget()
				begin(t, leader)
			}
			if err := m.keys.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.check(t, ids, texts, 5)
		})
	}
}

// leader is the server that is at the run, and what it is registered as.
func (c *cluster) leader(servers []*process) (p *process, instance string) {
	c.t.Helper()
	row := c.ask(`select i.id, i.name from auth.encryption_runs r join auth.instances i on i.id = r.runner where r.finished_at is null`)
	for _, p := range servers {
		if strings.HasSuffix(row, " "+strconv.Itoa(p.cmd.Process.Pid)) {
			instance, _, _ = strings.Cut(row, "\t")
			return p, instance
		}
	}
	c.t.Fatalf("%q is at it", row)
	return nil, ""
}

// rotated waits for the end of a rotation to a version, and looks whether it is
// the only one.
func (c *cluster) rotated(t *testing.T, name string, version int) {
	t.Helper()
	within(t, 40*time.Second, name+": the rotation is over", func() bool {
		c.wake()
		time.Sleep(100 * time.Millisecond)
		return c.count(`select count(*) from auth.encryption_runs where finished_at is null`) == 0
	})
	runs := c.ask(`select state, attempts, to_version, total = scanned, scanned = re_encrypted + already from auth.encryption_runs order by created_at desc`)
	if lines := strings.Split(runs, "\n"); len(lines) != version-1 || lines[0] != fmt.Sprintf("succeeded\t2\t%d\tt\tt", version) {
		t.Errorf("%s: the runs are\n%s", name, runs)
	}
	keys := c.ask(`select version, state from auth.encryption_keys order by version desc`)
	if lines := strings.Split(keys, "\n"); len(lines) != version || lines[0] != fmt.Sprintf("%d\tactive", version) || strings.Count(keys, "active") != 1 || strings.Contains(keys, "standby") {
		t.Errorf("%s: the keys are\n%s", name, keys)
	}
	if n := c.count(fmt.Sprintf(`select count(*) from auth.sealed_values where key_version <> %d`, version)); n != 0 {
		t.Errorf("%s: %d values are left", name, n)
	}
	records := c.ask(`select action, count(*) from auth.audit_log where action like 'encryption.%' and action <> 'encryption.key_destroyed' group by 1 order by 1`)
	if want := fmt.Sprintf("encryption.key_activated\t%d\nencryption.key_generated\t%[2]d\nencryption.run_finished\t%[2]d\nencryption.run_started\t%[2]d", version, version-1); records != want {
		t.Errorf("%s: the records are\n%s", name, records)
	}
}
