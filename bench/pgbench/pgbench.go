// Package pgbench runs PostgreSQL's own load generator and reads its report.
//
// A run begins with one second that is not counted: connecting, preparing and
// filling the caches of new connections is not what a floor is about.
package pgbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// warmup is how long a run goes on before it counts, in seconds.
const warmup = 1

// ErrMissing means that there is no pgbench on this machine.
var ErrMissing = errors.New("pgbench is not in PATH and not in /usr/lib/postgresql/*/bin; " +
	"it comes with PostgreSQL (Debian: apt-get install postgresql)")

// Find returns the path of the newest pgbench in the distributions' folders, or
// that of PATH. Beside PostgreSQL of an older version it works just as well.
func Find() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil {
		return "", fmt.Errorf("looking for pgbench: %w", err)
	}
	slices.SortFunc(found, func(a, b string) int { return major(b) - major(a) })
	if len(found) > 0 {
		return found[0], nil
	}
	path, err := exec.LookPath("pgbench")
	if err != nil {
		return "", ErrMissing
	}
	return path, nil
}

// major is the version in /usr/lib/postgresql/15/bin/pgbench.
func major(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// Target is a database and who to be there.
type Target struct {
	Host     string // a name, an address, or the folder of a unix socket
	Port     string
	Database string
	User     string
	Password string
}

// Run is one run of a script. Every statement is prepared (-M prepared).
type Run struct {
	Program   string
	Target    Target
	Script    string
	Variables map[string]string // values of :name in the script, as text
	Clients   int
	Seconds   int // that count, after one that does not
}

// Do runs pgbench and returns what it reports. It ends with ctx.
func (r *Run) Do(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Seconds+warmup)*time.Second+time.Minute)
	defer cancel()
	script, err := os.CreateTemp("", "bench-*.sql")
	if err != nil {
		return Report{}, fmt.Errorf("writing a script for pgbench: %w", err)
	}
	defer func() { _ = os.Remove(script.Name()) }()
	_, err = script.WriteString(r.Script)
	if err := errors.Join(err, script.Close()); err != nil {
		return Report{}, fmt.Errorf("writing a script for pgbench: %w", err)
	}
	cmd := exec.CommandContext(ctx, r.Program, r.arguments(script.Name())...) //nolint:gosec // found by Find
	cmd.Env = append(os.Environ(), "PGPASSWORD="+r.Target.Password, "PGOPTIONS=", "LC_ALL=C")
	var out, progress bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &progress
	if err := cmd.Run(); err != nil {
		return Report{}, fmt.Errorf("running pgbench: %w: %s", err, firstLines(progress.String()))
	}
	report, err := Parse(out.String(), progress.String())
	if err != nil {
		return Report{}, fmt.Errorf("reading the report of pgbench: %w: %s", err, firstLines(progress.String()))
	}
	return report, nil
}

func (r *Run) arguments(script string) []string {
	args := []string{
		"--no-vacuum", "--protocol=prepared", "--file=" + script,
		"--client=" + strconv.Itoa(r.Clients), "--jobs=" + strconv.Itoa(min(2, r.Clients)),
		"--time=" + strconv.Itoa(r.Seconds+warmup), "--progress=" + strconv.Itoa(warmup),
		"--host=" + r.Target.Host, "--port=" + r.Target.Port, "--username=" + r.Target.User,
	}
	for name, value := range r.Variables {
		args = append(args, "--define="+name+"="+value)
	}
	return append(args, r.Target.Database)
}

func firstLines(s string) string {
	lines := strings.SplitN(s, "\n", 5)
	return strings.Join(lines[:min(4, len(lines))], "; ")
}
