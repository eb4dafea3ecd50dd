package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A key can come from several places: secret_key (version 1), the list
// security.encryption.keys, and a variable for each version. Of one version the
// place of the highest precedence counts, and two of one precedence must agree.

// numbered is FLUXBASE_SECRET_KEY_2 and the like, with or without _FILE.
var numbered = regexp.MustCompile(`^FLUXBASE_SECRET_KEY_([0-9]+)(_FILE)?$`)

// keyVariable takes a variable for the key of one version, and reports whether
// it was one.
func (l *loader) keyVariable(name string) bool {
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	version, err := parseVersion(m[1])
	if err != nil {
		l.problem("environment", name, "names no version of a key: they count from 1, as in FLUXBASE_SECRET_KEY_1")
		return true
	}
	key, text, base := versioned(version), l.environ[name], strings.TrimSuffix(name, "_FILE")
	if m[2] != "" {
		if _, both := l.environ[base]; both {
			l.problem("env "+name, key, "is also set by "+base+"; keep one of them")
			return true
		}
		text, err = readNamedFile(text)
	}
	if err == nil {
		err = checkMaterial(text)
	}
	l.assign(assignment{
		field: l.schema.byKey[keysPath], keys: []string{key}, name: name, place: "env " + name, level: levelEnv,
		value: reflect.ValueOf([]EncryptionKey{{Version: version, Material: Secret(text), Place: "env " + name}}),
	}, err)
	return true
}

// versioned names one element of security.encryption.keys.
func versioned(version uint32) string { return fmt.Sprintf("%s[version %d]", keysPath, version) }

// keyList takes the list from the file.
func (d document) keyList(a assignment, n *yaml.Node) {
	r := keyReader{environ: d.environ, place: d.at}
	r.list(n)
	d.keep(a, &r)
}

// keyText takes the list from a variable, a flag or the caller.
func (l *loader) keyText(a assignment, text string) {
	r := keyReader{place: func(int) string { return a.place }}
	r.text(text)
	l.keep(a, &r)
}

func (l *loader) keep(a assignment, r *keyReader) {
	l.problems = append(l.problems, r.problems...)
	a.value = reflect.ValueOf(r.keys)
	l.given = append(l.given, a)
}

// claim is one key that one place gives to one version.
type claim struct {
	EncryptionKey
	level  level
	name   string // of the key or variable, for messages
	inList bool   // whether it stands in security.encryption.keys rather than in secret_key
}

// claims returns them in rising precedence. Of secret_key only the value in
// effect makes one; an empty one takes back what a lower place said.
func (l *loader) claims() []claim {
	var claims []claim
	for _, a := range l.given {
		switch {
		case a.field.kind == kindKeys:
			keys, _ := a.value.Interface().([]EncryptionKey)
			for _, k := range keys {
				name := versioned(k.Version)
				if strings.HasPrefix(a.name, envPrefix) {
					name = a.name
				}
				claims = append(claims, claim{k, a.level, name, true})
			}
		case a.field.key == "secret_key":
			claims = slices.DeleteFunc(claims, func(c claim) bool { return !c.inList })
			if text, _ := a.value.Interface().(Secret); text != "" {
				claims = append(claims, claim{EncryptionKey{1, text, a.place}, a.level, a.name, false})
			}
		}
	}
	return claims
}

// keyConflicts refuses two different keys of one version where neither place
// has precedence over the other.
func (l *loader) keyConflicts() {
	claims := l.claims()
	for i, a := range claims {
		for _, b := range claims[i+1:] {
			if a.Version == b.Version && a.level == b.level && !sameKey(a.EncryptionKey, b.EncryptionKey) {
				l.problem(a.Place, a.name, fmt.Sprintf("and %s (%s) are different keys of version %d; keep one of them", b.name, b.Place, a.Version))
			}
		}
	}
}

// settleKeys leaves each version the key of the highest precedence.
func (l *loader) settleKeys(c *Config) {
	claims := l.claims()
	highest := map[uint32]level{}
	for _, k := range claims {
		highest[k.Version] = max(highest[k.Version], k.level)
	}
	var keys []EncryptionKey
	for _, k := range claims {
		switch again := slices.ContainsFunc(keys, func(o EncryptionKey) bool { return o.Version == k.Version }); {
		case k.level == highest[k.Version] && k.inList && !again:
			keys = append(keys, k.EncryptionKey)
		case k.level < highest[k.Version] && !k.inList:
			c.SecretKeyText = ""
			delete(c.sources, "secret_key")
		}
	}
	slices.SortFunc(keys, func(a, b EncryptionKey) int { return cmp.Compare(a.Version, b.Version) })
	c.Security.Encryption.Keys = keys
	var places []string
	for _, k := range keys {
		if !slices.Contains(places, k.Place) {
			places = append(places, k.Place)
		}
	}
	if len(places) > 0 {
		c.sources[keysPath] = strings.Join(places, ", ")
	}
}
