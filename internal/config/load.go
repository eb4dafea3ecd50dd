package config

import (
	"cmp"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// FileName is the file that is read from the working directory when there is
// one and no other is named.
const FileName = "fluxbase.yaml"

const fromDefault = "default"

// Sources is where Load reads from.
type Sources struct {
	File         string            // path of the YAML file; empty for none
	FileRequired bool              // whether a missing File is an error rather than an empty one
	Environ      []string          // NAME=value, as os.Environ returns; of two with one name the first counts
	Flags        map[string]string // key path -> text; over everything else
	Defaults     map[string]string // key path -> text; instead of the default in the struct tag
}

// Process returns the sources of the running process: its environment, and file
// if that is not empty (it must exist then), else FileName if it exists. It is
// the only function of the package that looks at the process.
func Process(file string) Sources {
	return Sources{File: cmp.Or(file, FileName), FileRequired: file != "", Environ: os.Environ()}
}

// level is the precedence of an assignment.
type level int

const (
	levelDefault  level = iota
	levelFallback       // variables of other programs
	levelFile
	levelEnv
	levelFlag
)

// assignment is one value that one source gives to one field.
type assignment struct {
	field *field
	keys  []string // the spellings of the key that it can be meant as
	name  string   // the key or variable as it was written
	place string
	level level
	value reflect.Value
}

// loader collects assignments and problems.
type loader struct {
	schema   *schema
	environ  map[string]string
	given    []assignment
	problems []Problem
	unfit    map[string]Problem // what is wrong with a variable of another program, by key; counts if the key is needed
}

// Load reads all sources and returns the configuration or an *Error with every
// problem in them. It checks the form and the limits of each value, and, when
// all are sound, whether they go together; what is unfit for the environment is
// for Validate.
func Load(src Sources) (*Config, error) {
	l := &loader{schema: keys(), environ: environMap(src.Environ), unfit: map[string]Problem{}}
	for _, f := range l.schema.fields {
		if f.def != "" && src.Defaults[f.key] == "" {
			l.text(f, f.key, f.def, levelDefault, fromDefault)
		}
	}
	l.texts(src.Defaults, levelDefault, fromDefault)
	l.fallbacks()
	l.file(src.File, src.FileRequired)
	l.variables()
	l.texts(src.Flags, levelFlag, "flag")
	l.conflicts()
	l.keyConflicts()
	var c *Config
	if len(l.problems) == 0 {
		c = l.build()
		l.together(c)
	}
	if len(l.problems) > 0 {
		return nil, &Error{Problems: l.problems}
	}
	return c, nil
}

// build applies the assignments; they were collected in rising precedence.
func (l *loader) build() *Config {
	c := &Config{sources: map[string]string{}}
	root := reflect.ValueOf(c).Elem()
	for _, a := range l.given {
		if a.field.kind == kindKeys {
			continue // these are put together by version
		}
		root.FieldByIndex(a.field.index).Set(a.value)
		c.sources[a.field.key] = a.place
	}
	l.settleKeys(c)
	return c
}

// texts takes key paths with their text, from flags or from the caller.
func (l *loader) texts(given map[string]string, at level, place string) {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if f := l.schema.byKey[key]; f != nil {
			l.text(f, key, given[key], at, place)
			continue
		}
		l.unknown(place, key)
	}
}

func (l *loader) text(f *field, key, text string, at level, place string) {
	l.take(assignment{field: f, keys: []string{key}, name: key, place: place, level: at}, text)
}

// take keeps what text says as the value of a, or the reasons why it cannot.
func (l *loader) take(a assignment, text string) {
	if a.field.kind == kindKeys {
		l.keyText(a, text)
		return
	}
	value, err := a.field.parse(text)
	a.value = value
	l.assign(a, err)
}

// assign keeps a, or the reason why it cannot be kept.
func (l *loader) assign(a assignment, err error) {
	if err != nil {
		l.problem(a.place, a.keys[0], err.Error())
		return
	}
	l.given = append(l.given, a)
}

func (l *loader) problem(place, key, detail string) {
	l.problems = append(l.problems, Problem{Place: place, Key: key, Detail: detail})
}

func (l *loader) unknown(place, key string) {
	l.problem(place, key, "is not a known key; the nearest is "+nearest(key, l.schema.names()))
}

// names returns every key path, spelling and section, for suggestions.
func (s *schema) names() []string {
	var names []string
	for _, f := range s.fields {
		names = append(append(names, f.key), f.aliases...)
	}
	for _, section := range s.sections {
		names = append(names, section.key)
	}
	return names
}

// conflicts refuses a setting that the file and the environment give different
// values under different names: neither name has precedence over the other.
func (l *loader) conflicts() {
	for i, a := range l.given {
		for _, b := range l.given[i+1:] {
			if a.contradicts(b) {
				l.problem(a.place, a.name, "and "+b.name+" ("+b.place+") are two names of one setting and differ; keep one of them")
			}
		}
	}
}

func (a assignment) contradicts(b assignment) bool {
	named := func(a assignment) bool { return a.level == levelFile || a.level == levelEnv }
	if a.field != b.field || a.field.kind == kindKeys || !named(a) || !named(b) {
		return false
	}
	shared := slices.ContainsFunc(a.keys, func(key string) bool { return slices.Contains(b.keys, key) })
	if a.level != b.level && shared {
		return false // the environment overrides the file, as it should
	}
	return !reflect.DeepEqual(a.value.Interface(), b.value.Interface())
}

func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if _, seen := m[name]; ok && !seen {
			m[name] = value
		}
	}
	return m
}
