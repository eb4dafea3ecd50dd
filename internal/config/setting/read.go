package setting

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// FromDefault is the source of a value that nobody has set.
const FromDefault = "default"

// Sources is where Read reads from.
type Sources struct {
	File         string            // path of the YAML file; empty for none
	FileRequired bool              // whether a missing File is an error rather than an empty one
	Environ      []string          // NAME=value, as os.Environ returns; of two with one name the first counts
	Flags        map[string]string // key path -> text; over everything else
	Defaults     map[string]string // key path -> text; instead of the default in the struct tag
}

// Level is the precedence of an assignment.
type Level int

const (
	levelDefault  Level = iota
	levelFallback       // variables of other programs
	levelFile
	levelEnv
	levelFlag
)

// Assignment is one value that one source gives to one field.
type Assignment struct {
	Field *Field
	Name  string // the key or variable as it was written
	Place string
	Level Level

	keys  []string // the spellings of the key that it can be meant as
	value reflect.Value
}

// Value returns the value, of the type of the field, or of its form.
func (a Assignment) Value() any { return a.value.Interface() }

// Reading is what all sources say, and what is wrong with it.
type Reading struct {
	Given    []Assignment       // in rising precedence
	Problems []Problem          // in the order of defaults, file, environment, flags
	Unfit    map[string]Problem // what is wrong with a variable of another program, by key; counts if the key is needed

	schema  *Schema
	environ map[string]string
}

// Read reads all sources, and checks the form and the limits of each value.
func (s *Schema) Read(src Sources) *Reading {
	r := &Reading{schema: s, environ: environMap(src.Environ), Unfit: map[string]Problem{}}
	for _, f := range s.fields {
		if f.Default != "" && src.Defaults[f.Key] == "" {
			r.text(f, f.Key, f.Default, levelDefault, FromDefault)
		}
	}
	r.texts(src.Defaults, levelDefault, FromDefault)
	r.fallbacks()
	r.file(src.File, src.FileRequired)
	r.variables()
	r.texts(src.Flags, levelFlag, "flag")
	r.conflicts()
	return r
}

// Fill puts the values into the struct that a points to, but those of a form,
// and returns where each came from, by key. What is not there is a default.
func (r *Reading) Fill(a any) map[string]string {
	sources := map[string]string{}
	root := reflect.ValueOf(a).Elem()
	for _, a := range r.Given {
		if a.Field.kind == kindForm {
			continue
		}
		root.FieldByIndex(a.Field.index).Set(a.value)
		sources[a.Field.Key] = a.Place
	}
	return sources
}

// texts takes key paths with their text, from flags or from the caller.
func (r *Reading) texts(given map[string]string, at Level, place string) {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if f := r.schema.byKey[key]; f != nil {
			r.text(f, key, given[key], at, place)
			continue
		}
		r.unknown(place, key)
	}
}

func (r *Reading) text(f *Field, key, text string, at Level, place string) {
	r.take(Assignment{Field: f, keys: []string{key}, Name: key, Place: place, Level: at}, text)
}

// take keeps what text says as the value of a, or the reasons why it cannot.
func (r *Reading) take(a Assignment, text string) {
	if a.Field.kind == kindForm {
		value, problems := a.Field.form().Parse(text, a.Place)
		r.keep(a, value, problems)
		return
	}
	value, err := a.Field.parse(text)
	a.value = value
	r.assign(a, err)
}

// keep keeps what is sound of a value of a form.
func (r *Reading) keep(a Assignment, value any, problems []Problem) {
	r.Problems = append(r.Problems, problems...)
	a.value = reflect.ValueOf(value)
	r.Given = append(r.Given, a)
}

// assign keeps a, or the reason why it cannot be kept.
func (r *Reading) assign(a Assignment, err error) {
	if err != nil {
		r.Refuse(a.Place, a.keys[0], err.Error())
		return
	}
	r.Given = append(r.Given, a)
}

// Refuse adds a problem.
func (r *Reading) Refuse(place, key, detail string) {
	r.Problems = append(r.Problems, Problem{Place: place, Key: key, Detail: detail})
}

func (r *Reading) unknown(place, key string) {
	r.Refuse(place, key, Unknown("key", Nearest(key, r.schema.names())))
}

// names returns every key path, spelling and section, for suggestions.
func (s *Schema) names() []string {
	var names []string
	for _, f := range s.fields {
		names = append(append(names, f.Key), f.Aliases...)
	}
	for _, section := range s.sections {
		names = append(names, section.Key)
	}
	return names
}

// conflicts refuses a setting that the file and the environment give different
// values under different names: neither name has precedence over the other.
func (r *Reading) conflicts() {
	for i, a := range r.Given {
		for _, b := range r.Given[i+1:] {
			if a.contradicts(b) {
				r.Refuse(a.Place, a.Name, "and "+b.Name+" ("+b.Place+") are two names of one setting and differ; keep one of them")
			}
		}
	}
}

func (a Assignment) contradicts(b Assignment) bool {
	named := func(a Assignment) bool { return a.Level == levelFile || a.Level == levelEnv }
	if a.Field != b.Field || a.Field.kind == kindForm || !named(a) || !named(b) {
		return false
	}
	shared := slices.ContainsFunc(a.keys, func(key string) bool { return slices.Contains(b.keys, key) })
	if a.Level != b.Level && shared {
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
