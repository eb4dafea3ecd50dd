package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// initdb makes the cluster under another name and renames it when it is
// complete: a half-made one is never taken for data. The name is new each
// time, for what an initdb that was killed has left may still be running.
func (s *site) initdb(ctx context.Context, flush bool) error {
	leftovers, err := filepath.Glob(s.path("data.new-*"))
	if err != nil {
		return fmt.Errorf("find what an interrupted initdb left: %w", err)
	}
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			s.log.DebugContext(ctx, "remove what an interrupted initdb left", "error", err)
		}
	}
	locale := "C"
	if runtime.GOOS == "linux" {
		locale = "C.UTF-8" // sorts like C, and knows the letters beyond ASCII
	}
	dir, err := s.initdbAs(ctx, locale, flush)
	if err != nil && locale != "C" && strings.Contains(err.Error(), "invalid locale name") {
		dir, err = s.initdbAs(ctx, "C", flush)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(dir, s.data()); err != nil {
		return fmt.Errorf("put the new cluster in place: %w", err)
	}
	s.log.InfoContext(ctx, "made an embedded postgres", "data", s.data(), "version", s.server.version)
	return syncDir(s.home)
}

// initdbAs runs the program of that name in a new folder, which it removes if
// that fails.
func (s *site) initdbAs(ctx context.Context, locale string, flush bool) (dir string, err error) {
	if dir, err = os.MkdirTemp(s.home, "data.new-"); err != nil {
		return "", fmt.Errorf("make a folder for the cluster: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	if err = s.account.give(dir); err != nil {
		return "", fmt.Errorf("hand the cluster to its account: %w", err)
	}
	args := []string{
		"--pgdata", dir, "--username", superuser, "--pwfile", s.path("password"),
		"--auth-local", "scram-sha-256", "--auth-host", "scram-sha-256",
		"--encoding", "UTF8", "--locale-provider", "libc", "--locale", locale,
		"--data-checksums", "--no-instructions",
	}
	if !flush {
		args = append(args, "--no-sync")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(s.server.bin, "initdb"), args...) //nolint:gosec // a program that was probed
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.home, environment(), time.Second
	cmd.SysProcAttr = childAttr(s.account, syscall.SIGKILL)
	defer holdThread()()
	if err = cmd.Run(); err == nil {
		return dir, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return "", fmt.Errorf("run initdb: %w: %s", err, lastLines(output.Bytes()))
}

// adopt gives data that came from elsewhere, a copy made by root, to the
// account.
func (s *site) adopt() error {
	info, err := os.Lstat(s.data())
	if err != nil {
		return fmt.Errorf("find the cluster: %w", err)
	}
	if uid, _ := ownerOf(info); s.account == nil || uid == s.account.uid {
		return nil
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", s.data())
	}
	if err := errors.Join(s.account.giveTree(s.data()), os.Chmod(s.data(), 0o700)); err != nil { //nolint:gosec // a folder
		return fmt.Errorf("hand the cluster to its account: %w", err)
	}
	return nil
}

// password is the superuser's, 128 random bits made on first use.
func (s *site) password() (string, error) {
	text, err := os.ReadFile(s.path("password"))
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the superuser's password: %w", err)
	}
	if major, _ := majorOf(s.data()); major != 0 {
		return "", fmt.Errorf("the superuser's password is missing: restore %s", s.path("password"))
	}
	secret := rand.Text()
	give := func(from, to string) error {
		return errors.Join(s.account.give(from), os.Rename(from, to))
	}
	if err := replaceFile(s.path("password"), secret+"\n", give); err != nil {
		return "", fmt.Errorf("keep the superuser's password: %w", err)
	}
	return secret, nil
}

// replaceFile writes a file that only its owner can read and puts it in place,
// by os.Rename or os.Link, once it is on the disk.
func replaceFile(name, content string, place func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return place(f.Name(), name)
}
