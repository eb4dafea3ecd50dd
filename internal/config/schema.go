package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

const envPrefix = "FLUXBASE_"

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
	kindKeys
)

// field is one key of Config as its struct tags describe it.
type field struct {
	key      string   // path, dotted: auth.jwt.secret
	aliases  []string // other paths for the same setting
	env      []string // names in the environment; the first is the documented one
	kind     kind
	index    []int        // of reflect.Value.FieldByIndex on Config
	goType   reflect.Type // of the struct field
	def      string       // default, as text
	doc      string
	example  string
	secret   string // "" | all | password: what of the value is hidden
	enum     []string
	min, max string // limits as text, "" for none
	check    string // name of a rule in checks
	fallback string // a variable of other programs that counts when nothing else is said
}

// section is a nested struct.
type section struct{ key, doc string }

// variable is one name in the environment and the paths that yield it.
type variable struct {
	field *field
	keys  []string
}

// schema is everything that the tags of Config say.
type schema struct {
	fields    []*field // in the order of the structs
	sections  []section
	byKey     map[string]*field // aliases too
	bySection map[string]bool
	byEnv     map[string]*variable
}

// keys returns the schema of Config, made once.
var keys = sync.OnceValue(func() *schema {
	s := &schema{byKey: map[string]*field{}, bySection: map[string]bool{}, byEnv: map[string]*variable{}}
	s.walk(reflect.TypeFor[Config](), "", nil)
	for _, f := range s.fields {
		for _, key := range append([]string{f.key}, f.aliases...) {
			s.byKey[key] = f
			s.name(f, envName(key), key)
		}
	}
	return s
})

func (s *schema) walk(t reflect.Type, parent string, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		key, ok := sf.Tag.Lookup("key")
		if !ok {
			continue
		}
		key = join(parent, key)
		at := append(slices.Clone(index), i)
		if sf.Type.Kind() == reflect.Struct {
			s.sections = append(s.sections, section{key, sf.Tag.Get("doc")})
			s.bySection[key] = true
			s.walk(sf.Type, key, at)
			continue
		}
		s.field(sf, key, at)
	}
}

func (s *schema) field(sf reflect.StructField, key string, index []int) {
	tag := sf.Tag.Get
	f := &field{
		key: key, aliases: split(tag("alias"), ","), kind: kindOf(sf.Type), index: index, goType: sf.Type,
		def: tag("default"), doc: tag("doc"), example: tag("example"), secret: tag("secret"),
		enum: split(tag("enum"), "|"), min: tag("min"), max: tag("max"), check: tag("check"),
		fallback: tag("fallback"),
	}
	if special := tag("env"); special != "" {
		s.name(f, special, key)
	}
	s.fields = append(s.fields, f)
}

// name makes one more variable set f; the same name may come from two
// spellings of its path.
func (s *schema) name(f *field, env, key string) {
	if v := s.byEnv[env]; v != nil && v.field == f {
		v.keys = append(v.keys, key)
		return
	}
	s.byEnv[env] = &variable{f, []string{key}}
	f.env = append(f.env, env)
}

func kindOf(t reflect.Type) kind {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.TypeFor[Size]():
		return kindSize
	case reflect.TypeFor[[]string](), reflect.TypeFor[[]netip.Prefix]():
		return kindList
	case reflect.TypeFor[map[string]string]():
		return kindMap
	case reflect.TypeFor[[]EncryptionKey]():
		return kindKeys
	case reflect.TypeFor[int]():
		return kindInt
	case reflect.TypeFor[bool]():
		return kindBool
	}
	return kindText
}

// expected is describe as the end of a sentence.
func (f *field) expected() string {
	if len(f.enum) > 0 || f.kind == kindText || f.kind == kindBool {
		return f.describe()
	}
	return "a " + f.describe()
}

// describe says what a value of f looks like, for the reference page.
func (f *field) describe() string {
	if len(f.enum) > 0 {
		return "one of " + strings.Join(f.enum, ", ")
	}
	switch f.kind {
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
	case kindKeys:
		return "list of keys"
	case kindText:
		return "text"
	}
	return ""
}

// envName is the variable for a key path: auth.jwt.secret is FLUXBASE_AUTH_JWT_SECRET.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
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
