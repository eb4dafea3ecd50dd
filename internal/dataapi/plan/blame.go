package plan

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// mark says from where on a statement is about a column, or about none.
type mark struct {
	at     int
	column string
}

// mark makes what follows about a column of the level, or about none.
func (b *builder) mark(column string) {
	if column != "" {
		column = b.path + column
	}
	b.marks = append(b.marks, mark{b.sql.Len(), column})
}

func (b *builder) marked() string {
	if len(b.marks) == 0 {
		return ""
	}
	return b.marks[len(b.marks)-1].column
}

// Blame returns the column that an error of PostgreSQL is about: by its
// position in the statement, counted in characters from 1, or by the words that
// name a parameter. It returns "" where neither leads to one.
func (st *Statement) Blame(position int, context string) string {
	if _, rest, found := strings.Cut(context, "parameter $"); found {
		digits := strings.IndexFunc(rest+" ", func(r rune) bool { return r < '0' || r > '9' })
		if n, err := strconv.Atoi(rest[:digits]); err == nil && n >= 1 && n <= len(st.about) {
			return st.about[n-1]
		}
	}
	if position < 1 {
		return ""
	}
	at := 0
	for n := 1; n < position && at < len(st.SQL); n++ {
		_, size := utf8.DecodeRuneInString(st.SQL[at:])
		at += size
	}
	column := ""
	for _, m := range st.marks {
		if m.at > at {
			break
		}
		column = m.column
	}
	return column
}
