//go:build unix && !linux

package embedded

import (
	"context"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// childAttr makes a child run as the account and out of reach of a terminal's
// Ctrl-C. Nothing ends it when this process is killed: the next start does.
func childAttr(a *account, _ syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = a.credential()
	}
	return attr
}

func holdThread() (release func()) { return func() {} }

// processesOn finds the postmaster that was started on the data directory, by
// its command line. Processes that outlived their postmaster are not seen;
// PostgreSQL itself refuses to start beside those.
func processesOn(ctx context.Context, data string, _ fs.FileInfo) (pids []int, certain bool) {
	out, err := exec.CommandContext(ctx, "ps", "-axwwo", "pid=,command=").Output()
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(out)) {
		number, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(number)
		if err == nil && strings.Contains(command, "postgres -D "+data+" ") {
			pids = append(pids, pid)
		}
	}
	return pids, true
}
