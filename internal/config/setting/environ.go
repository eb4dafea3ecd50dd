package setting

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

// variables takes every variable that begins with the prefix.
func (r *Reading) variables() {
	o := r.schema.options
	for _, name := range slices.Sorted(maps.Keys(r.environ)) {
		if !strings.HasPrefix(name, o.Prefix) || slices.Contains(o.Foreign, name) {
			continue
		}
		if v := r.schema.byEnv[name]; v != nil {
			r.take(v.assignment(name), r.environ[name])
			continue
		}
		base, isFile := strings.CutSuffix(name, "_FILE")
		if v := r.schema.byEnv[base]; isFile && v != nil {
			r.variableFile(v, base, name)
			continue
		}
		if o.Variable == nil || !o.Variable(r, name) {
			r.unknownVariable(name)
		}
	}
}

// fallbacks takes the variables that other programs use for the same thing.
// They may be meant for those alone, so a wrong one is no problem yet.
func (r *Reading) fallbacks() {
	for _, f := range r.schema.fields {
		text := r.environ[f.fallback]
		if f.fallback == "" || text == "" {
			continue
		}
		place := "env " + f.fallback
		value, err := f.parse(text)
		if err != nil {
			r.Unfit[f.Key] = Problem{Place: place, Key: f.Key, Detail: err.Error()}
			continue
		}
		r.assign(Assignment{Field: f, keys: []string{f.Key}, Name: f.fallback, Place: place, Level: levelFallback, value: value}, nil)
	}
}

// Lookup returns what a variable of the environment says, and whether it is
// there.
func (r *Reading) Lookup(name string) (text string, ok bool) {
	text, ok = r.environ[name]
	return text, ok
}

// Take keeps the value of a form that a variable gives to a key.
func (r *Reading) Take(key, variable string, value any) {
	a := Assignment{Field: r.schema.byKey[key], keys: []string{key}, Name: variable, Place: "env " + variable, Level: levelEnv}
	r.keep(a, value, nil)
}

// variableFile takes NAME_FILE: the value is what the file says.
func (r *Reading) variableFile(v *variable, base, name string) {
	if _, both := r.environ[base]; both {
		r.Refuse("env "+name, v.keys[0], "is also set by "+base+"; keep one of them")
		return
	}
	text, err := ReadNamedFile(r.environ[name])
	if err != nil {
		r.Refuse("env "+name, v.keys[0], err.Error())
		return
	}
	r.take(v.assignment(name), text)
}

func (r *Reading) unknownVariable(name string) {
	prefix := r.schema.options.Prefix
	if service := strings.TrimSuffix(prefix, "_"); serviceLink.MatchString(strings.TrimPrefix(name, service)) {
		r.Refuse("environment", name, Unknown("variable", "")+" (Kubernetes makes such names for a service named "+strings.ToLower(service)+
			"; set enableServiceLinks: false in the pod)")
		return
	}
	base, isFile := strings.CutSuffix(name, "_FILE")
	var names []string // without what all have in common, which brings nothing nearer
	for _, known := range slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(r.schema.byEnv)), r.schema.options.Foreign))) {
		names = append(names, strings.TrimPrefix(known, prefix))
	}
	near := Nearest(strings.TrimPrefix(base, prefix), names)
	if near != "" {
		near = prefix + near
	}
	if near != "" && isFile {
		near += "_FILE"
	}
	r.Refuse("environment", name, Unknown("variable", near))
}

// serviceLink is how Kubernetes names the address of a service in every pod,
// after the name of the service.
var serviceLink = regexp.MustCompile(`^_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_.*)?)$`)

// ReadNamedFile returns what a file says without the line break at its end.
func ReadNamedFile(path string) (string, error) {
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

func (v *variable) assignment(name string) Assignment {
	return Assignment{Field: v.field, keys: v.keys, Name: name, Place: "env " + name, Level: levelEnv}
}
