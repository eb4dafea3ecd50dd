package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// maxFile bounds the configuration file and every file that a variable names.
const maxFile = 1 << 20

// The variables that begin like ours and belong to fluxbase-cli.
var foreign = []string{"FLUXBASE_URL", "FLUXBASE_SERVICE_KEY"}

// variables takes every variable that begins with FLUXBASE_.
func (l *loader) variables() {
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(foreign, name) {
			continue
		}
		if v := l.schema.byEnv[name]; v != nil {
			l.take(v.assignment(name), l.environ[name])
			continue
		}
		base, isFile := strings.CutSuffix(name, "_FILE")
		if v := l.schema.byEnv[base]; isFile && v != nil {
			l.variableFile(v, base, name)
			continue
		}
		if !l.keyVariable(name) {
			l.unknownVariable(name)
		}
	}
}

// fallbacks takes the variables that other programs use for the same thing.
// They may be meant for those alone, so a wrong one is no problem yet.
func (l *loader) fallbacks() {
	for _, f := range l.schema.fields {
		text := l.environ[f.fallback]
		if f.fallback == "" || text == "" {
			continue
		}
		place := "env " + f.fallback
		value, err := f.parse(text)
		if err != nil {
			l.unfit[f.key] = Problem{Place: place, Key: f.key, Detail: err.Error()}
			continue
		}
		l.assign(assignment{field: f, keys: []string{f.key}, name: f.fallback, place: place, level: levelFallback, value: value}, nil)
	}
}

// variableFile takes NAME_FILE: the value is what the file says.
func (l *loader) variableFile(v *variable, base, name string) {
	if _, both := l.environ[base]; both {
		l.problem("env "+name, v.keys[0], "is also set by "+base+"; keep one of them")
		return
	}
	text, err := readNamedFile(l.environ[name])
	if err != nil {
		l.problem("env "+name, v.keys[0], err.Error())
		return
	}
	l.take(v.assignment(name), text)
}

func (l *loader) unknownVariable(name string) {
	base, isFile := strings.CutSuffix(name, "_FILE")
	near := nearest(base, slices.Sorted(maps.Keys(l.schema.byEnv)))
	if isFile {
		near += "_FILE"
	}
	detail := "is not a known variable; the nearest is " + near
	if serviceLink.MatchString(name) {
		detail += " (Kubernetes makes such names for a service named fluxbase; set enableServiceLinks: false in the pod)"
	}
	l.problem("environment", name, detail)
}

// serviceLink is what Kubernetes names the address of a service in every pod.
var serviceLink = regexp.MustCompile(`^FLUXBASE_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.*)?)$`)

// readNamedFile returns what a file says without the line break at its end.
func readNamedFile(path string) (string, error) {
	text, err := readFile(path)
	if err != nil {
		return "", fmt.Errorf("names a file that %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// readFile reads a small file. Its error is the rest of a sentence about the
// file and does not repeat the path, which stood where a secret may be.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // naming files is what the operator's configuration is for
	if err != nil {
		return nil, unreadable(err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(text) > maxFile {
		return nil, errors.New("is larger than 1MiB")
	}
	return text, nil
}

// unreadableError is a failure to read a file without the path of it.
type unreadableError struct{ err error }

func (e unreadableError) Error() string { return "cannot be read: " + e.err.Error() }
func (e unreadableError) Unwrap() error { return e.err }

func unreadable(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return unreadableError{pathErr.Err}
	}
	return unreadableError{err}
}

func (v *variable) assignment(name string) assignment {
	return assignment{field: v.field, keys: v.keys, name: name, place: "env " + name, level: levelEnv}
}
