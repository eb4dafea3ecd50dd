package script_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve runs "fluxbase serve" on the database until the test ends.
func (c *cluster) serve(name string, environ ...string) *process {
	c.t.Helper()
	p := &process{
		args: []string{"serve", "--address", "127.0.0.1:0"}, dir: c.options.Dir,
		log: filepath.Join(c.options.Dir, name+".log"), environ: environ,
	}
	c.t.Cleanup(p.remove)
	begin(c.t, p)
	return p
}

// outcome is what a command prints of a run with --json.
type outcome struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Attempts    int    `json:"attempts"`
	Total       int    `json:"total"`
	Scanned     int    `json:"scanned"`
	ReEncrypted int    `json:"re_encrypted"`
	Already     int    `json:"already_there"`
	Failed      int    `json:"failed"`
}

// result waits for the end of a command that prints a run.
func (r *command) result(t *testing.T) (out outcome) {
	t.Helper()
	if !r.over(time.Minute) {
		t.Fatal("the command does not end")
	}
	if err := json.Unmarshal(r.output.Bytes(), &out); err != nil || r.err != nil {
		t.Fatalf("%v, %v: %s", r.err, err, r.output.String())
	}
	return out
}

// complete says that the run has succeeded, and that its counts add up.
func (o outcome) complete() bool {
	return o.State == "succeeded" && o.Failed == 0 && o.Total == o.Scanned && o.Scanned == o.ReEncrypted+o.Already
}

// TestCommandsAtOnce runs one command several times at the same moment, and one
// that empties another version into the same one.
func TestCommandsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	m := c.join(1, 2, 3)
	ids, texts := m.seed(t, "first", 1500)
	if err := m.keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	moreIDs, moreTexts := m.seed(t, "second", 1000)
	if err := m.keys.Activate(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	m.keys.Close(t.Context())
	environ := c.environ(1, 2, 3)
	commands := map[int][]*command{}
	for range 3 {
		for _, from := range []int{1, 2} {
			commands[from] = append(commands[from], c.begin(environ, "secrets", "re-encrypt",
				"--from-version", strconv.Itoa(from), "--to-version", "3", "--batch-size", "2", "--json"))
		}
	}
	for from, same := range commands {
		for _, r := range same {
			got := r.result(t)
			if want := []int{0, 1500, 1000}[from]; got.ID != same[0].result(t).ID || got.Attempts != 1 || !got.complete() || got.ReEncrypted != want {
				t.Errorf("from version %d: %+v", from, got)
			}
		}
	}
	m.check(t, append(ids, moreIDs...), append(texts, moreTexts...), 3)
}

// runner waits until somebody is at the run that is open, and returns their
// process.
func (c *cluster) runner() int {
	c.t.Helper()
	pid := 0
	within(c.t, 20*time.Second, "somebody is at the run", func() bool {
		name := c.ask(`select i.name from auth.encryption_runs r join auth.instances i on i.id = r.runner
			where r.state = 'running' and exists (select from auth.sealed_values v where v.key_version = r.to_version)`)
		_, text, _ := strings.Cut(name, "process ")
		pid, _ = strconv.Atoi(text)
		return pid != 0
	})
	return pid
}

// TestCommandAndServer kills a command beside a server that has the same
// database open, and the server beside a command: the other one goes on.
func TestCommandAndServer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	environ := c.environ(1, 2, 3)
	server := c.serve("server", environ...)
	m := c.join(1, 2, 3)
	ids, texts := m.seed(t, "test", 3000)
	m.keys.Close(t.Context())

	if err := m.keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	command := c.begin(environ, "secrets", "re-encrypt", "--from-version", "1", "--to-version", "2", "--batch-size", "1", "--concurrency", "1")
	if pid := c.runner(); pid != command.cmd.Process.Pid {
		t.Logf("process %d is at it, and the command is %d", pid, command.cmd.Process.Pid) // the server was faster
	}
	command.kill()
	within(t, time.Minute, "the server ends the run", func() bool { return c.ask(`select state from auth.encryption_runs`) == "succeeded" })
	c.endedOnce(t, environ)

	if err := m.keys.Activate(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	a := do(t.Context(), "POST", server.ready.APIURL+"/api/v1/admin/keys/re-encrypt", c.serviceKey(environ),
		`{"from_version":2,"to_version":3,"batch_size":1,"concurrency":1}`)
	if a.status != http.StatusAccepted {
		t.Fatalf("%+v", a)
	}
	if pid := c.runner(); pid != server.cmd.Process.Pid {
		t.Fatalf("process %d is at it, and the server is %d", pid, server.cmd.Process.Pid)
	}
	command = c.begin(environ, "secrets", "re-encrypt", "--from-version", "2", "--to-version", "3")
	time.Sleep(200 * time.Millisecond)
	server.kill()
	began := time.Now()
	if !command.over(time.Minute) || command.err != nil || time.Since(began) > 14*time.Second {
		t.Errorf("%v after %s: %s", command.err, time.Since(began), command.output.String())
	}
	c.endedOnce(t, environ)
	m.check(t, ids, texts, 3)
}

// endedOnce looks at the latest run, which one program has begun and another
// has ended.
func (c *cluster) endedOnce(t *testing.T, environ []string) {
	t.Helper()
	r := c.begin(environ, "secrets", "runs", "--json")
	if !r.over(time.Minute) || r.err != nil {
		t.Fatalf("%v: %s", r.err, r.output.String())
	}
	var runs struct {
		Items []outcome `json:"items"`
	}
	if err := json.Unmarshal(r.output.Bytes(), &runs); err != nil {
		t.Fatal(err)
	}
	if got := runs.Items[0]; !got.complete() || got.Total != c.count(`select count(*) from auth.sealed_values`) || got.Attempts > 2 {
		t.Errorf("%+v", got)
	}
}

// serviceKey makes a service key.
func (c *cluster) serviceKey(environ []string) string {
	c.t.Helper()
	r := c.begin(environ, "keys", "create", "--kind", "service", "--name", "test")
	if !r.over(time.Minute) || r.err != nil {
		c.t.Fatalf("%v: %s", r.err, r.output.String())
	}
	key, _, _ := strings.Cut(r.output.String(), "\n")
	return key
}

// TestCommandIsFrozen stops a command without ending it, so that another one
// takes over, and lets it go on then: it has lost the run, and follows it.
func TestCommandIsFrozen(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	m := c.join(1, 2)
	ids, texts := m.seed(t, "test", 3000)
	if err := m.keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	m.keys.Close(t.Context())
	environ := c.environ(1, 2)
	begin := func() *command {
		return c.begin(environ, "secrets", "re-encrypt", "--from-version", "1", "--to-version", "2", "--batch-size", "1", "--concurrency", "2", "--json")
	}
	signal := func(r *command, s syscall.Signal) {
		t.Helper()
		if err := r.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	frozen := begin()
	if pid := c.runner(); pid != frozen.cmd.Process.Pid {
		t.Fatalf("process %d is at it", pid)
	}
	signal(frozen, syscall.SIGSTOP)
	c.ask(`update auth.encryption_runs set seen_at = now() - interval '16 seconds'`)
	other := begin()
	within(t, 20*time.Second, "the other one is at it", func() bool { return c.runner() == other.cmd.Process.Pid })
	signal(frozen, syscall.SIGCONT)
	first, second := frozen.result(t), other.result(t)
	if first != second || !first.complete() || first.Total != 3000 || first.Attempts != 2 {
		t.Errorf("%+v, and %+v", first, second)
	}
	m.check(t, ids, texts, 2)
}

// TestCommandIsInterrupted ends a command as Ctrl-C does: it says how far it is,
// and nobody is at the run any more.
func TestCommandIsInterrupted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, map[string]string{"fsync": "off"})
	m := c.join(1, 2)
	ids, texts := m.seed(t, "test", 2000)
	if err := m.keys.Activate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	m.keys.Close(t.Context())
	args := []string{"secrets", "re-encrypt", "--from-version", "1", "--to-version", "2", "--batch-size", "1", "--concurrency", "1"}
	r := c.begin(c.environ(1, 2), args...)
	c.runner()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`interrupted after (\d+) of 2000 secrets; the same command goes on from there`)
	if !r.over(10*time.Second) || r.cmd.ProcessState.ExitCode() != 1 || !said.MatchString(r.output.String()) {
		t.Errorf("%v: %s", r.err, r.output.String())
	}
	if row := c.ask(`select state, runner is null, (select count(*) from auth.instances) from auth.encryption_runs`); row != "running\tt\t0" {
		t.Errorf("the run is left as %s", row)
	}
	if got := c.begin(c.environ(1, 2), append(args, "--json")...).result(t); !got.complete() || got.Total != 2000 || got.Already == 0 {
		t.Errorf("%+v", got)
	}
	m.check(t, ids, texts, 2)
}
