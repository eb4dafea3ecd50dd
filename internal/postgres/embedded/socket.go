package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// socketDir makes the private folder of the unix socket: in the cluster's home
// or, if that path is too long for a socket, below the temporary folder. It is
// "" where there can be none.
func (s *site) socketDir(ctx context.Context) (string, error) {
	if runtime.GOOS == "windows" {
		return "", nil
	}
	run := s.path("run")
	if err := os.RemoveAll(run); err != nil { // with the socket of a killed server
		return "", fmt.Errorf("clear the socket's folder: %w", err)
	}
	if fitsSocket(run) {
		if err := s.makePrivate(run); err != nil {
			return "", fmt.Errorf("make the socket's folder: %w", err)
		}
		return run, nil
	}
	for _, temp := range slices.Compact([]string{filepath.Clean(os.TempDir()), "/tmp"}) {
		dir, err := s.tempSocketDir(ctx, temp)
		if err == nil {
			return dir, nil
		}
		s.log.DebugContext(ctx, "passed over a folder for the socket", "parent", temp, "error", err)
	}
	s.log.WarnContext(ctx, "embedded postgres has no unix socket: every path is too long", "home", s.home)
	return "", nil
}

// fitsSocket tells whether a socket in dir has a path that systems and
// connection strings, where a comma separates hosts, can carry.
func fitsSocket(dir string) bool {
	limit := 107 // bytes, without the final zero
	if runtime.GOOS != "linux" {
		limit = 103
	}
	return len(dir)+len("/.s.PGSQL.65535") <= limit && !strings.Contains(dir, ",")
}

// tempSocketDir has a name made from the home's, so that URLs stay the same;
// if somebody else took that name, a random one.
func (s *site) tempSocketDir(ctx context.Context, temp string) (string, error) {
	dir := filepath.Join(temp, "fluxbase-"+shortHash(s.home))
	if !filepath.IsAbs(dir) || !fitsSocket(dir+"-0000000000") {
		return "", errors.New("the path is too long")
	}
	err := s.makePrivate(dir)
	if errors.Is(err, fs.ErrExist) {
		err = s.reusePrivate(dir)
	}
	if err != nil {
		if dir, err = os.MkdirTemp(temp, filepath.Base(dir)+"-"); err != nil {
			return "", err
		}
		if err = s.account.give(dir); err != nil {
			return "", err
		}
	}
	if s.account == nil {
		return dir, nil
	}
	if err = s.server.startsIn(ctx, s.account, dir); err != nil {
		_ = os.Remove(dir)
	}
	return dir, err
}

// makePrivate makes a folder for the account alone; it must not exist.
func (s *site) makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return s.account.give(dir)
}

// reusePrivate clears a folder that a killed server left, after making sure
// that it is a private one of our account: anybody can make folders there.
func (s *site) reusePrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	want := os.Geteuid()
	if s.account != nil {
		want = s.account.uid
	}
	if uid, _ := ownerOf(info); !info.IsDir() || info.Mode().Perm() != 0o700 || uid != want {
		return fmt.Errorf("%s belongs to somebody else", dir)
	}
	stale, err := filepath.Glob(filepath.Join(dir, ".s.PGSQL.*"))
	for _, path := range stale {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
