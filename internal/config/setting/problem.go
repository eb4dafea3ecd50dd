package setting

import (
	"fmt"
	"strings"

	"github.com/fluxbase/fluxbase/internal/near"
)

// Problem is one thing that is wrong with the configuration. It names keys,
// variables, files and lines, never a value.
type Problem struct {
	Place  string // "FILE:LINE", "env NAME", "flag"; empty when it is in no particular place
	Key    string // key path as it was written; empty when the problem is with the whole place
	Detail string // what is wrong and what would be right, as the rest of a sentence about Key or Place
}

// String returns the problem as one line.
func (p Problem) String() string {
	switch {
	case p.Place == "":
		return p.Key + " " + p.Detail
	case p.Key == "":
		return p.Place + ": " + p.Detail
	}
	return p.Place + ": " + p.Key + " " + p.Detail
}

// Error is every problem found, in the order of defaults, file, environment,
// flags.
type Error struct {
	Problems []Problem
}

// Error returns one line for each problem.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "configuration has %d problems:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  - " + p.String())
	}
	return b.String()
}

// Nearest returns the candidate with the fewest edits from name; the first of
// several. Those that are far from it, by more than two fifths of its letters and
// more than two, are no help: then it returns "".
func Nearest(name string, candidates []string) string {
	best, least := "", max(2, 2*len(name)/5)+1
	for _, candidate := range candidates {
		if n := near.Edits(name, candidate); n < least {
			best, least = candidate, n
		}
	}
	return best
}

// Unknown says of a key or a variable that it is none, and which may have been
// meant, if any is near.
func Unknown(what, meant string) string {
	detail := "is not a known " + what
	if meant != "" {
		detail += "; the nearest is " + meant
	}
	return detail
}
