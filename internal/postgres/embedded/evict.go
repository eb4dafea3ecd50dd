package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// evictSteps bound what a server left by a killed process may take to end: its
// fast shutdown is usually under way already.
var evictSteps = []step{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 7 * time.Second}, {syscall.SIGKILL, 3 * time.Second}}

// evict ends the PostgreSQL processes that run on the cluster without us, and
// clears away the marks of dead ones: the number in a stale postmaster.pid may
// by now be that of any program, and PostgreSQL would not start beside it.
func (s *site) evict(ctx context.Context) error {
	info, err := os.Stat(s.data())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	for _, st := range evictSteps {
		strays, certain := processesOn(ctx, s.data(), info)
		if len(strays) == 0 {
			if !certain {
				return nil // then PostgreSQL judges its own marks
			}
			return s.clearMarks()
		}
		s.log.WarnContext(ctx, "ending a postgres that was left behind", "pids", strays, "signal", st.signal.String())
		s.signalStrays(ctx, info, strays, st.signal)
		if err := s.awaitGone(ctx, info, st.wait); err != nil {
			return err
		}
	}
	strays, _ := processesOn(ctx, s.data(), info)
	if len(strays) > 0 {
		return fmt.Errorf("end the PostgreSQL left in %s: processes %v do not end", s.data(), strays)
	}
	return s.clearMarks()
}

// signalStrays asks the postmaster to end its family. Without one, each
// process is told to end at once: nobody will coordinate a shutdown.
func (s *site) signalStrays(ctx context.Context, info fs.FileInfo, strays []int, sig syscall.Signal) {
	switch leader := readPIDFile(s.data()).pid; {
	case sig == syscall.SIGKILL:
	case slices.Contains(strays, leader):
		strays = []int{leader}
	default:
		sig = syscall.SIGQUIT
	}
	for _, pid := range strays {
		p, err := os.FindProcess(pid) // on Linux a handle, which a reused number cannot deceive
		if err != nil {
			continue
		}
		if left, _ := processesOn(ctx, s.data(), info); slices.Contains(left, pid) {
			if err := send(ctx, p, s.server.bin, sig); err != nil {
				s.log.DebugContext(ctx, "signal a postgres that was left behind", "pid", pid, "error", err)
			}
		}
		_ = p.Release()
	}
}

// awaitGone waits until no process is left, for at most that long; the only
// error is the end of ctx.
func (s *site) awaitGone(ctx context.Context, info fs.FileInfo, atMost time.Duration) error {
	limit := time.NewTimer(atMost)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the PostgreSQL that was left behind: %w", context.Cause(ctx))
		case <-limit.C:
			return nil
		case <-tick.C:
		}
		if strays, _ := processesOn(ctx, s.data(), info); len(strays) == 0 {
			return nil
		}
	}
}

func (s *site) clearMarks() error {
	err := os.Remove(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a stale pid file: %w", err)
	}
	return nil
}

// pidFile is what a postmaster says of itself in its data directory.
type pidFile struct {
	status string // "ready" once it accepts connections
	pid    int
}

func readPIDFile(data string) pidFile {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid")) //nolint:gosec // a file of ours
	if err != nil {
		return pidFile{}
	}
	lines := strings.Split(string(text), "\n")
	var p pidFile
	p.pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	if len(lines) > 7 {
		p.status = strings.TrimSpace(lines[7])
	}
	return p
}
