// Package redistest starts a real Redis for a test: on loopback, in a temporary
// folder, and no longer than the test lives.
package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a running Redis, which can be stopped, frozen and started again.
type Server struct {
	Address string // host:port

	tb     testing.TB
	dir    string
	args   []string
	pid    int
	stdin  io.Closer
	parent *exec.Cmd
}

// Start starts a Redis with settings: pairs of names and values. The test is
// skipped where there is none, which make test installs.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	dir := tb.TempDir()
	port := freePort(tb)
	s := &Server{tb: tb, dir: dir, Address: "127.0.0.1:" + port}
	s.args = []string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", filepath.Join(dir, "log")}
	for i := 0; i+1 < len(settings); i += 2 {
		s.args = append(s.args, "--"+settings[i], settings[i+1])
	}
	s.Run()
	tb.Cleanup(s.Kill)
	return s
}

// URL is where it is reached.
func (s *Server) URL() string { return "redis://" + s.Address }

// awaits is a shell that ends Redis when this process does, however that ends.
const awaits = `"$@" & pid=$!; echo $pid; cat >/dev/null; kill -9 $pid 2>/dev/null`

// Run starts Redis again after Kill, on the same port and with nothing in it.
func (s *Server) Run() {
	s.tb.Helper()
	program, environ := find(s.tb, s.dir)
	s.parent = exec.CommandContext(context.Background(), "sh", append([]string{"-c", awaits, "sh", program}, s.args...)...) //nolint:gosec // a test's own
	s.parent.Env = append(os.Environ(), environ...)
	stdin, err := s.parent.StdinPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	s.stdin = stdin
	stdout, err := s.parent.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.parent.Start(); err != nil {
		s.tb.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		s.pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		s.tb.Fatalf("starting Redis: %v", err)
	}
	for range 200 {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Address); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	s.tb.Fatalf("Redis does not answer after 5 s:\n%s", log)
}

// Kill ends Redis at once; what it had counted is lost.
func (s *Server) Kill() {
	if s.parent == nil {
		return
	}
	_ = syscall.Kill(s.pid, syscall.SIGKILL)
	_ = s.stdin.Close()
	_ = s.parent.Wait()
	s.parent = nil
}

// Freeze has Redis take connections and answer nothing, until Thaw.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.tb.Helper()
	if err := syscall.Kill(s.pid, signal); err != nil {
		s.tb.Fatal(err)
	}
}

// Do sends one command, as redis-cli would, and returns the first of the answer
// up to 64 KiB.
func (s *Server) Do(words ...string) string {
	s.tb.Helper()
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", s.Address)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(conn, command.String()); err != nil {
		s.tb.Fatal(err)
	}
	answer := make([]byte, 64<<10)
	n, err := conn.Read(answer)
	if err != nil && !errors.Is(err, io.EOF) {
		s.tb.Fatal(err)
	}
	return string(answer[:n])
}

// find returns a program of the name redis-server, by which it knows that it is
// to serve. Debian has the same program as redis-check-rdb in redis-tools, which
// brings no service along.
func find(tb testing.TB, dir string) (program string, environ []string) {
	tb.Helper()
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path, nil
	}
	unpacked := filepath.Join(root(), ".cache", "redis")
	path, err := exec.LookPath("redis-check-rdb")
	if err != nil {
		path = filepath.Join(unpacked, "usr", "bin", "redis-check-rdb")
		libraries, _ := filepath.Glob(filepath.Join(unpacked, "usr", "lib", "*"))
		more, _ := filepath.Glob(filepath.Join(unpacked, "lib", "*"))
		libraries = append(libraries, more...)
		environ = []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}
	}
	if _, err := os.Stat(path); err != nil {
		tb.Skip("no Redis on this machine: scripts/need-redis installs it, as make test does")
	}
	program = filepath.Join(dir, "redis-server")
	if err := os.Symlink(path, program); err != nil && !errors.Is(err, os.ErrExist) {
		tb.Fatal(err)
	}
	return program, environ
}

func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	return port
}
