package embedded

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// childAttr makes a child run as the account, out of reach of a terminal's
// Ctrl-C, and get the signal when the thread that started it ends; see
// holdThread.
func childAttr(a *account, atParentsDeath syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: atParentsDeath}
	if a != nil {
		attr.Credential = a.credential()
	}
	return attr
}

// holdThread keeps the calling goroutine's thread until release: Linux takes
// the death of the thread for that of the parent.
func holdThread() (release func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// processesOn finds the PostgreSQL processes on a data directory, of which
// info is the os.FileInfo: each works in that directory. Processes of other
// users hide that from an ordinary one, but they cannot use its data either.
func processesOn(_ context.Context, _ string, info fs.FileInfo) (pids []int, certain bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		name := strings.TrimSuffix(filepath.Base(exe), " (deleted)")
		if err != nil || name != "postgres" && name != "postmaster" {
			continue
		}
		if cwd, err := os.Stat(filepath.Join("/proc", entry.Name(), "cwd")); err == nil && os.SameFile(cwd, info) {
			pids = append(pids, pid)
		}
	}
	return pids, true
}
