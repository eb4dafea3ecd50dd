package catalog

// near returns the function of a schema whose name is at most a third of its
// letters away, the first in the alphabet of several.
func (s *Snapshot) near(schema, name string) string {
	if len(name) > maxName {
		return ""
	}
	best, distance := "", len(name)/3+1
	for key := range s.functions {
		if key[0] != schema {
			continue
		}
		d := edits(name, key[1])
		if d < distance || d == distance && best != "" && key[1] < best {
			best, distance = key[1], d
		}
	}
	return best
}

const maxName = 63 // bytes of a name in PostgreSQL

// edits counts the bytes to insert, delete or replace to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
