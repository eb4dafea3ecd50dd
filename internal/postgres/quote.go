package postgres

import "strings"

// Quote writes the parts of a name as one SQL identifier, each in quotes: it can
// be nothing but a name, whatever is in it. NUL, which PostgreSQL has in no name
// and which would end the statement, is left out. Nothing else in the program
// quotes names.
func Quote(names ...string) string {
	var s strings.Builder
	for i, name := range names {
		if i > 0 {
			s.WriteByte('.')
		}
		s.WriteByte('"')
		_, _ = quotes.WriteString(&s, name) // which never fails
		s.WriteByte('"')
	}
	return s.String()
}

var quotes = strings.NewReplacer(`"`, `""`, "\x00", "")
