//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Our process is killed: the server follows, and a start right away finds all
// that was committed.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	cmd, out := child(t, dir)
	url := said(t, out, "ready")
	ask(t, url, "create table kept as select 'row' as v")
	server := readPIDFile(filepath.Join(dir, "postgres", "data")).pid
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	began := time.Now()
	c := begin(t, dir, nil)
	t.Logf("started in %s beside the ending server %d", time.Since(began), server)
	if got := ask(t, c.AdminURL("postgres"), "select v from kept"); got != "row" || c.AdminURL("postgres") != url {
		t.Errorf("%s: row is %q; before: %s", c.AdminURL("postgres"), got, url)
	}
	end(t, c)

	cmd, out = child(t, dir)
	said(t, out, "ready")
	server = readPIDFile(filepath.Join(dir, "postgres", "data")).pid
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the server ends with its parent", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/exe", server))
		return err != nil
	})
}

// The server is killed while a backend computes, which does not notice: the
// next start has to end it before PostgreSQL accepts the data.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	c := begin(t, dir, map[string]string{"fsync": "on"})
	ask(t, c.AdminURL("postgres"), "create table kept as select 'row' as v")
	busy := connect(t, c.AdminURL("postgres"))
	defer func() { _ = busy.Close(context.Background()) }()
	backend := int(busy.PgConn().PID())
	ended := make(chan error, 1)
	go func() {
		ended <- busy.PgConn().Exec(context.Background(), "set statement_timeout = '20s'; do $$ begin loop end loop; end $$").Close()
	}()
	time.Sleep(50 * time.Millisecond)
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	data, err := os.Stat(c.data)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := processesOn(t.Context(), c.data, data); !slices.Contains(left, backend) {
		t.Fatalf("backend %d is not among the processes left: %v", backend, left)
	}
	c = begin(t, dir, nil)
	if <-ended == nil {
		t.Error("the busy backend finished")
	}
	if got := ask(t, c.AdminURL("postgres"), "select v from kept"); got != "row" {
		t.Errorf("row after the crash: %q", got)
	}
}

// Neither the end of the thread or context that started it, nor a Ctrl-C in
// the terminal, ends a server; and it inherits nothing of ours.
func TestServerIsApart(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	started := make(chan *Cluster)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		defer close(started)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := Start(ctx, Options{Dir: dir, Settings: map[string]string{"fsync": "off"}})
		if err != nil {
			t.Error(err)
			return
		}
		started <- c
	}()
	c := <-started
	if c == nil {
		t.FailNow()
	}
	defer end(t, c)
	<-started
	runtime.GC()
	time.Sleep(50 * time.Millisecond)
	env := ask(t, c.AdminURL("postgres"), "create table env (line text)", "copy env from program 'env'",
		"select string_agg(line, e'\n') from env")
	if !strings.Contains(env, "TZ=UTC") || strings.Contains(env, secretVar) {
		t.Errorf("environment of the server:\n%s", env)
	}
	if group, err := syscall.Getpgid(c.cmd.Process.Pid); err != nil || group != c.cmd.Process.Pid {
		t.Errorf("process group is %d, %v", group, err)
	}
}

// A server on our data that nobody manages is ended, not collided with.
func TestOrphanedServer(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	c := begin(t, dir, nil)
	end(t, c)
	o := silent()
	o.Dir = dir
	s, err := thisHost().settle(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command(program(s.server.bin, "postgres"), arguments(c.data, "", c.port, nil)...)
	orphan.Dir, orphan.SysProcAttr = "/", childAttr(s.account, syscall.SIGKILL)
	release := holdThread()
	defer release()
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	within(t, 10*time.Second, "the orphan is ready", func() bool { return readPIDFile(c.data).status == "ready" })
	begin(t, dir, nil)
	if err := <-ended; err != nil {
		t.Errorf("the orphan did not end in order: %v", err)
	}
}

// A pid file outlives a power cut, and its number may be another program's.
func TestStalePIDFile(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	c := begin(t, dir, nil)
	end(t, c)
	a, err := thisHost().account(c.data)
	if err != nil {
		t.Fatal(err)
	}
	bystander := exec.Command("sleep", "60")
	bystander.Dir, bystander.SysProcAttr = "/", childAttr(a, syscall.SIGKILL)
	release := holdThread()
	defer release()
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Wait() }()
	defer func() { _ = bystander.Process.Kill() }()
	file := filepath.Join(c.data, "postmaster.pid")
	text := fmt.Sprintf("%d\n%s\n1700000000\n%d\n%s\n127.0.0.1\n1 1\nready   \n", bystander.Process.Pid, c.data, c.Port(), c.socket)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	begin(t, dir, nil)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the stale file held the start up for %s", took)
	}
	if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the bystander was harmed: %v", err)
	}
}

// initdb is killed with us: what it left is not taken for a cluster.
func TestInterruptedInitdb(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	partial := filepath.Join(dir, "postgres", "data.new-*")
	cmd, _ := child(t, dir)
	within(t, 10*time.Second, "initdb is under way", func() bool {
		found, _ := filepath.Glob(filepath.Join(partial, "base"))
		return len(found) > 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := os.Stat(filepath.Join(dir, "postgres", "data")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a half-made cluster has the name of a whole one: %v", err)
	}
	c := begin(t, dir, nil)
	ask(t, c.AdminURL("postgres"), "create table works ()")
	end(t, c)
	begin(t, dir, nil)
	if left, _ := filepath.Glob(partial); len(left) > 1 {
		t.Errorf("left over: %v", left)
	}
}
