package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a Fluxbase under test, with a PostgreSQL of its own.
type server struct {
	cmd    *exec.Cmd
	exited chan error
	wall   time.Duration // from start to ready
	ready  readiness
}

// readiness is what the server prints when it answers.
type readiness struct {
	APIURL      string `json:"api_url"`
	ClientKey   string `json:"client_key"`
	ServiceKey  string `json:"service_key"`
	DatabaseURL string `json:"database_url"`
	ElapsedMS   int64  `json:"elapsed_ms"`
}

const (
	startLimit = time.Minute
	stopLimit  = 30 * time.Second
)

// startServer runs "fluxbase dev" in a folder and returns once it is ready.
// Its log, warnings and worse, goes to a file there. Settings are environment
// variables, and no others of Fluxbase's reach it.
func startServer(ctx context.Context, o *options, dir string, settings ...string) (*server, error) {
	program, err := filepath.Abs(o.server)
	if err != nil {
		return nil, fmt.Errorf("locating the server: %w", err)
	}
	args := []string{"dev", "--json", "--address", "127.0.0.1:0", "--data-dir", filepath.Join(dir, "data")}
	if o.postgres != "" {
		args = append(args, "--postgres", o.postgres)
	}
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a temporary folder of ours
	if err != nil {
		return nil, fmt.Errorf("opening the server's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	s := &server{exited: make(chan error, 1)}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // the program to measure
	s.cmd.Dir, s.cmd.Stderr = dir, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for bench, which stops it
	s.cmd.Env = append(environment(), "FLUXBASE_LOG_LEVEL=warn", "FLUXBASE_AUTH_JWT_EXPIRY=12h")
	s.cmd.Env = append(s.cmd.Env, settings...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	began := now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w (build it: go build -o bin/fluxbase ./cmd/fluxbase)", err)
	}
	line := make(chan []byte, 1)
	go func() {
		text, _ := bufio.NewReader(out).ReadBytes('\n')
		line <- text
		s.exited <- s.cmd.Wait()
	}()
	select {
	case text := <-line:
		s.wall = now().Sub(began)
		if err := json.Unmarshal(text, &s.ready); err != nil {
			return nil, errors.Join(errors.New("the server did not start: "+tail(log.Name())), s.stop())
		}
		return s, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.stop())
	case <-time.After(startLimit):
		return nil, errors.Join(fmt.Errorf("the server was not ready within %s: %s", startLimit, tail(log.Name())), s.stop())
	}
}

// environment is ours without what configures a Fluxbase.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "FLUXBASE_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// tail is the end of a log, for an error.
func tail(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // our own file
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-1000):]))
}

// stop asks the server to end and, if it does not, ends it.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil {
			return fmt.Errorf("the server ended badly: %w", err)
		}
		return nil
	case <-time.After(stopLimit):
		_ = s.cmd.Process.Kill()
		return errors.Join(fmt.Errorf("the server did not stop within %s", stopLimit), <-s.exited)
	}
}

// resident returns how much memory the server occupies, in MB: VmRSS, which
// counts the pages of its program file, and RssAnon, which does not.
func (s *server) resident() (total, anonymous float64, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, 0, fmt.Errorf("reading the server's memory: %w", err)
	}
	return kilobytes(text, "VmRSS:") / 1024, kilobytes(text, "RssAnon:") / 1024, nil
}

// kilobytes returns a field of /proc/PID/status, 0 if it is not there.
func kilobytes(status []byte, field string) float64 {
	for line := range strings.Lines(string(status)) {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == field {
			n, err := strconv.ParseFloat(words[1], 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
