// Package setting fills a struct with settings from, in rising precedence,
// defaults, a YAML file, the environment and command-line flags, and remembers
// where each value came from.
//
// Struct tags say everything about a key: its name, default, limits, other
// spellings, whether it is secret, and its documentation. Read, Show and
// Reference look at them by reflection, so a key cannot exist without being
// documented or be documented without existing.
//
// No error repeats a value, since any value may be a secret. What the keys are,
// and what is accepted of them, is for whoever has the struct to say.
package setting

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Options are what tags cannot say.
type Options struct {
	Prefix  string                              // of variables, in capitals, with the underscore at its end
	Foreign []string                            // variables that begin so and belong to another program
	Rules   map[string]func(value any) error    // that a tag check can name; an error is the rest of a sentence about the key
	Shown   map[string]func(text string) string // what may be seen of a secret, by its tag; nothing for others
	Forms   map[reflect.Type]Form               // of fields whose values the package cannot read

	// Variable takes a variable that is no key's, and reports whether it was one.
	Variable func(r *Reading, name string) bool
}

// Form reads and shows values of a type that the package does not know. They
// are not put into the struct, but left to whoever knows how they go together.
type Form struct {
	Words   string   // that say what a value is, after a
	Example []string // lines of a file
	Read    func(n Node, place func(line int) string) (value any, problems []Problem)
	Parse   func(text string, place string) (value any, problems []Problem)
	Rows    func(value any) [][3]string // of name, value and source, without secrets
	Plain   func(value any) any         // for JSON, without secrets
}

// kind is how the value of a key is written.
type kind int

const (
	kindText kind = iota
	kindInt
	kindBool
	kindDuration
	kindSize
	kindList
	kindMap
	kindForm
)

// Field is one key as its struct tags describe it.
type Field struct {
	Key     string       // path, dotted: auth.jwt.secret
	Aliases []string     // other paths for the same setting
	Env     []string     // names in the environment; the first is the documented one
	Type    reflect.Type // of the struct field
	Default string       // as text
	Doc     string
	Secret  string // "" or what of the value is hidden: all, or a name of Options.Shown
	Check   string // name of a rule

	schema   *Schema
	kind     kind
	index    []int // of reflect.Value.FieldByIndex on the struct
	example  string
	enum     []string
	min, max string // limits as text, "" for none
	fallback string // a variable of other programs that counts when nothing else is said
}

// Section is a nested struct.
type Section struct{ Key, Doc string }

// variable is one name in the environment and the paths that yield it.
type variable struct {
	field *Field
	keys  []string
}

// Schema is everything that the tags of a struct say. It is not changed after
// New, and safe for concurrent use.
type Schema struct {
	options   Options
	fields    []*Field // in the order of the structs
	sections  []Section
	byKey     map[string]*Field // aliases too
	bySection map[string]bool
	byEnv     map[string]*variable
}

// New reads the tags of a struct type.
func New(t reflect.Type, o Options) *Schema {
	s := &Schema{options: o, byKey: map[string]*Field{}, bySection: map[string]bool{}, byEnv: map[string]*variable{}}
	s.walk(t, "", nil)
	for _, f := range s.fields {
		for _, key := range append([]string{f.Key}, f.Aliases...) {
			s.byKey[key] = f
			s.name(f, s.envName(key), key)
		}
	}
	return s
}

// Fields returns the keys, in the order of the structs. They are not to be
// changed.
func (s *Schema) Fields() []*Field { return s.fields }

// Sections returns the nested structs, in their order.
func (s *Schema) Sections() []Section { return s.sections }

// Field returns the key of a path or another spelling of it, or nil.
func (s *Schema) Field(key string) *Field { return s.byKey[key] }

func (s *Schema) walk(t reflect.Type, parent string, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		key, ok := sf.Tag.Lookup("key")
		if !ok {
			continue
		}
		key = join(parent, key)
		at := append(slices.Clone(index), i)
		if sf.Type.Kind() == reflect.Struct {
			s.sections = append(s.sections, Section{key, sf.Tag.Get("doc")})
			s.bySection[key] = true
			s.walk(sf.Type, key, at)
			continue
		}
		s.field(sf, key, at)
	}
}

func (s *Schema) field(sf reflect.StructField, key string, index []int) {
	tag := sf.Tag.Get
	f := &Field{
		Key: key, Aliases: split(tag("alias"), ","), Type: sf.Type, Default: tag("default"), Doc: tag("doc"),
		Secret: tag("secret"), Check: tag("check"),
		schema: s, kind: s.kindOf(sf.Type), index: index, example: tag("example"),
		enum: split(tag("enum"), "|"), min: tag("min"), max: tag("max"), fallback: tag("fallback"),
	}
	if special := tag("env"); special != "" {
		s.name(f, special, key)
	}
	s.fields = append(s.fields, f)
}

// name makes one more variable set f; the same name may come from two
// spellings of its path.
func (s *Schema) name(f *Field, env, key string) {
	if v := s.byEnv[env]; v != nil && v.field == f {
		v.keys = append(v.keys, key)
		return
	}
	s.byEnv[env] = &variable{f, []string{key}}
	f.Env = append(f.Env, env)
}

func (s *Schema) kindOf(t reflect.Type) kind {
	if _, ok := s.options.Forms[t]; ok {
		return kindForm
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.TypeFor[Size]():
		return kindSize
	case reflect.TypeFor[[]string](), reflect.TypeFor[[]netip.Prefix]():
		return kindList
	case reflect.TypeFor[map[string]string]():
		return kindMap
	case reflect.TypeFor[int]():
		return kindInt
	case reflect.TypeFor[bool]():
		return kindBool
	}
	return kindText
}

// form is how values of f are read and shown, for kindForm.
func (f *Field) form() Form { return f.schema.options.Forms[f.Type] }

// expected is describe as the end of a sentence.
func (f *Field) expected() string {
	if len(f.enum) > 0 {
		return f.describe()
	}
	if f.kind == kindForm {
		return "a " + f.describe()
	}
	return f.kind.expected()
}

// describe says what a value of f looks like, for the reference page.
func (f *Field) describe() string {
	if len(f.enum) > 0 {
		return "one of " + strings.Join(f.enum, ", ")
	}
	if f.kind == kindForm {
		return f.form().Words
	}
	return f.kind.describe()
}

func (k kind) expected() string {
	if k == kindText || k == kindBool {
		return k.describe()
	}
	return "a " + k.describe()
}

func (k kind) describe() string {
	switch k {
	case kindInt:
		return "whole number"
	case kindBool:
		return "true or false"
	case kindDuration:
		return "duration"
	case kindSize:
		return "size"
	case kindList:
		return "list"
	case kindMap:
		return "map"
	case kindText, kindForm:
	}
	return "text"
}

// envName is the variable for a key path: auth.jwt.secret is FLUXBASE_AUTH_JWT_SECRET.
func (s *Schema) envName(key string) string {
	return s.options.Prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func join(parent, key string) string {
	if parent == "" {
		return key
	}
	return parent + "." + key
}

func split(text, separator string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, separator)
}
