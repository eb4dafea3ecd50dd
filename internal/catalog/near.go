package catalog

import "github.com/fluxbase/fluxbase/internal/near"

// near returns the function of a schema whose name is nearest to another.
func (s *Snapshot) near(schema, name string) string {
	var names []string
	for key := range s.functions {
		if key[0] == schema {
			names = append(names, key[1])
		}
	}
	return nearest(name, names)
}

// NearTable returns the table of a schema whose name is nearest to another, of
// those that are to be known; "" if none is near.
func (s *Service) NearTable(schema, name string, known func(*Table) bool) string {
	var names []string
	for key, t := range s.Snapshot().tables {
		if key[0] == schema && known(t) {
			names = append(names, key[1])
		}
	}
	return nearest(name, names)
}

// NearRelation returns the name of the related table, or of the function that
// makes related rows, that is nearest to another. Relations that are not to be
// known do not count.
func (t *Table) NearRelation(name string, known func(*Relation) bool) string {
	var names []string
	for _, r := range t.Relations {
		switch {
		case !known(r):
		case r.Function != nil:
			names = append(names, r.Function.Name)
		default:
			names = append(names, r.Table.Name)
		}
	}
	return nearest(name, names)
}

// nearest returns the name that is at most a third of another's letters away,
// the first in the alphabet of several.
func nearest(name string, names []string) string {
	if len(name) > maxName {
		return ""
	}
	best, distance := "", len(name)/3+1
	for _, candidate := range names {
		d := near.Edits(name, candidate)
		if d < distance || d == distance && best != "" && candidate < best {
			best, distance = candidate, d
		}
	}
	return best
}

const maxName = 63 // bytes of a name in PostgreSQL
