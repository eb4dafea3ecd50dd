package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

const programSuffix = ".exe"

// environment is ours: programs do not run on Windows without much of it.
func environment() []string { return os.Environ() }

func childAttr(_ *account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func holdThread() (release func()) { return func() {} }

// send goes through pg_ctl, as Windows has no signals.
func send(ctx context.Context, p *os.Process, bin string, sig syscall.Signal) error {
	name := map[syscall.Signal]string{syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT"}[sig]
	if name == "" {
		return p.Kill()
	}
	return exec.CommandContext(ctx, program(bin, "pg_ctl"), "kill", name, strconv.Itoa(p.Pid)).Run() //nolint:gosec // a program that was probed
}

func ownerOf(fs.FileInfo) (uid, gid int) { return -1, -1 }

// processesOn cannot tell: PostgreSQL judges its own pid file.
func processesOn(context.Context, string, fs.FileInfo) (pids []int, certain bool) {
	return nil, false
}

// lock opens the file so that nobody else can open it for writing, until
// unlock or the process' end. The holder's number is in the file.
func lock(_ context.Context, path string) (unlock func(), err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ,
		nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	const sharingViolation = syscall.Errno(32)
	if errors.Is(err, sharingViolation) {
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("%w by process %s: stop it, or choose another data directory", ErrInUse, holder)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(handle), path)
	_, err = f.WriteString(strconv.Itoa(os.Getpid()))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func syncDir(string) error { return nil }
