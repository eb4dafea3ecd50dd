package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/config/setting"
)

// A key can come from several places: secret_key (version 1), the list
// security.encryption.keys, and a variable for each version. Of one version the
// place of the highest precedence counts, and two of one precedence must agree.

// numbered is FLUXBASE_SECRET_KEY_2 and the like, with or without _FILE.
var numbered = regexp.MustCompile(`^FLUXBASE_SECRET_KEY_([0-9]+)(_FILE)?$`)

// keyVariable takes a variable for the key of one version, and reports whether
// it was one.
func keyVariable(r *setting.Reading, name string) bool {
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	version, err := parseVersion(m[1])
	if err != nil {
		r.Refuse("environment", name, "names no version of a key: they count from 1, as in FLUXBASE_SECRET_KEY_1")
		return true
	}
	key, base, place := versioned(version), strings.TrimSuffix(name, "_FILE"), "env "+name
	text, _ := r.Lookup(name)
	if m[2] != "" {
		if _, both := r.Lookup(base); both {
			r.Refuse(place, key, "is also set by "+base+"; keep one of them")
			return true
		}
		text, err = setting.ReadNamedFile(text)
	}
	if err == nil {
		err = checkMaterial(text)
	}
	if err != nil {
		r.Refuse(place, key, err.Error())
		return true
	}
	r.Take(keysPath, name, []EncryptionKey{{Version: version, Material: Secret(text), Place: place}})
	return true
}

// versioned names one element of security.encryption.keys.
func versioned(version uint32) string { return fmt.Sprintf("%s[version %d]", keysPath, version) }

// claim is one key that one place gives to one version.
type claim struct {
	EncryptionKey
	level  setting.Level
	name   string // of the key or variable, for messages
	inList bool   // whether it stands in security.encryption.keys rather than in secret_key
}

// claimsOf returns them in rising precedence. Of secret_key only the value in
// effect makes one; an empty one takes back what a lower place said.
func claimsOf(r *setting.Reading) []claim {
	var claims []claim
	for _, a := range r.Given {
		switch a.Field.Key {
		case keysPath:
			keys, _ := a.Value().([]EncryptionKey)
			for _, k := range keys {
				name := versioned(k.Version)
				if strings.HasPrefix(a.Name, envPrefix) {
					name = a.Name
				}
				claims = append(claims, claim{k, a.Level, name, true})
			}
		case "secret_key":
			claims = slices.DeleteFunc(claims, func(c claim) bool { return !c.inList })
			if text, _ := a.Value().(Secret); text != "" {
				claims = append(claims, claim{EncryptionKey{1, text, a.Place}, a.Level, a.Name, false})
			}
		}
	}
	return claims
}

// keyConflicts refuses two different keys of one version where neither place
// has precedence over the other.
func keyConflicts(r *setting.Reading) {
	claims := claimsOf(r)
	for i, a := range claims {
		for _, b := range claims[i+1:] {
			if a.Version == b.Version && a.level == b.level && !sameKey(a.EncryptionKey, b.EncryptionKey) {
				r.Refuse(a.Place, a.name, fmt.Sprintf("and %s (%s) are different keys of version %d; keep one of them", b.name, b.Place, a.Version))
			}
		}
	}
}

// settleKeys leaves each version the key of the highest precedence.
func (c *Config) settleKeys(r *setting.Reading) {
	claims := claimsOf(r)
	highest := map[uint32]setting.Level{}
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
