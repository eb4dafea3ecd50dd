package problem

import (
	"slices"
	"strings"
	"sync"

	"github.com/fluxbase/fluxbase/internal/fault"
)

// Page is the path at which a server has the page of its errors. The type of a
// problem leads to the anchor of its code there.
const Page = "/docs/errors"

// Code is one code that a problem can have.
type Code struct {
	Code  string
	Kinds []fault.Kind // that it comes with; the status follows from each
	When  string       // it is answered
	Do    string       // what to do about it; "" where the answer itself says so
}

// Group is the codes of one part of the server.
type Group struct {
	Title string
	About string
	Codes []Code
}

// Groups returns every code that the server answers with, but for those that
// applications make up. Each is in one group, once.
func Groups() []Group {
	return []Group{requests, signIn, rows, dataAPI, sqlStates, operating}
}

// anyParameter stands for the codes that have the name of a parameter in them.
const anyParameter = "invalid_PARAMETER"

// anyState stands for SQLSTATEs that have no entry, nor their class.
const anyState = "other"

// classSuffix is what the entry of a class of SQLSTATEs ends with.
const classSuffix = "xxx"

var listed = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, g := range Groups() {
		for _, c := range g.Codes {
			all[c.Code] = true
		}
	}
	return all
})

// Entry returns the entry of the page that a code is found under, and whether
// there is one: its own, that of its class, or that of all like it. Codes that
// an application has made up have none.
func Entry(code string) (string, bool) {
	all := listed()
	switch {
	case all[code] && Code{Code: code}.Literal():
		return code, true
	case strings.HasPrefix(code, "invalid_"):
		return anyParameter, true
	case !isState(code):
		return "", false
	case all[code[:2]+classSuffix]:
		return code[:2] + classSuffix, true
	default:
		return anyState, true
	}
}

// isState says whether a code is an SQLSTATE that is PostgreSQL's: five digits and
// capitals, and not one by which an application chooses a status.
func isState(code string) bool {
	return len(code) == 5 && !strings.HasPrefix(code, "PT") && code != "PGRST" &&
		!strings.ContainsFunc(code, func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') })
}

// typeOf is the type of a problem: where its code is explained.
func typeOf(code string) string {
	if entry, ok := Entry(code); ok {
		return Page + "#" + entry
	}
	return "about:blank"
}

// Statuses are those that a code comes with, in rising order.
func (c Code) Statuses() []int {
	var all []int
	for _, k := range c.Kinds {
		all = append(all, Status(k))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Literal says whether the code is answered as it is, and does not stand for
// others like it.
func (c Code) Literal() bool {
	return c.Code != anyParameter && c.Code != anyState && !strings.HasSuffix(c.Code, classSuffix)
}

// Summary is the status, when the code is answered, and what to do.
func (c Code) Summary() string { return c.statuses() + ". " + c.When + " " + c.Advice() }

// Advice is what to do about a code.
func (c Code) Advice() string {
	switch {
	case c.Do != "":
		return c.Do
	case slices.Contains(c.Kinds, fault.NotFound):
		return "Look it up, and name one that there is."
	case slices.Contains(c.Kinds, fault.Invalid):
		return "Correct what `detail` and `errors` name, and send it again."
	default:
		return "See `detail`."
	}
}
