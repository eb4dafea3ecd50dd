package dataapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// preferences are what Prefer (RFC 7240) may ask for here.
type preferences struct {
	returning   plan.Returning
	count       bool
	strict      bool
	maxAffected *int64
	resolution  Resolution
	rollback    bool
	missing     bool // what rows lack is its default

	given map[string]string // name to the words that were understood
}

var returnings = map[string]plan.Returning{"minimal": plan.Nothing, "headers-only": plan.Keys, "representation": plan.Rows}

var resolutions = map[string]Resolution{"merge-duplicates": Merge, "ignore-duplicates": Ignore}

// prefer reads the field Prefer. What is not understood is ignored, as the
// standard asks, unless the caller wants it strict. The first of two stands.
func (s *Service) prefer(r *http.Request) (preferences, error) {
	p := preferences{given: map[string]string{}, rollback: s.Rollback}
	var unknown []string
	var maxAffected *int64
	for _, field := range r.Header.Values("Prefer") {
		for words := range strings.SplitSeq(field, ",") {
			words = strings.TrimSpace(words)
			name, value, _ := strings.Cut(words, "=")
			if p.given[name] != "" || words == "" {
				continue
			}
			var understood bool
			switch name {
			case "return":
				p.returning, understood = returnings[value]
			case "count":
				p.count = value == "exact" || value == "planned" || value == "estimated"
				understood, words = p.count, "count=exact" // see applied
			case "handling":
				p.strict = value == "strict"
				understood = p.strict || value == "lenient"
			case "resolution":
				p.resolution, understood = resolutions[value]
			case "missing":
				p.missing = value == "default"
				understood = p.missing || value == "null"
			case "tx":
				if understood = s.TxOverride && (value == "commit" || value == "rollback"); understood {
					p.rollback = value == "rollback"
				}
			case "max-affected":
				n, err := strconv.ParseUint(value, 10, 62)
				limit := int64(n)
				maxAffected, understood = &limit, err == nil
			}
			if understood {
				p.given[name] = words
			} else {
				unknown = append(unknown, name)
			}
		}
	}
	if !p.strict {
		delete(p.given, "max-affected")
		return p, nil
	}
	if p.given["max-affected"] != "" {
		p.maxAffected = maxAffected
	}
	if len(unknown) > 0 {
		return p, detailed(fault.Invalid, "PGRST122", "Invalid preferences given with handling=strict",
			"Not understood: "+printable(strings.Join(unknown, ", ")))
	}
	return p, nil
}

// printable is a text of a request for an answer.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "?")
	return s[:min(len(s), 200)]
}

// applied says which preferences were honoured. A count that may be a guess is
// exact here: what the planner guesses is drawn from all rows, also from those
// that policies hide from the caller.
func (p *preferences) applied(h http.Header, method string) {
	names := []string{"return", "tx", "handling", "max-affected"}
	switch method {
	case http.MethodGet, http.MethodHead:
		names = []string{"count", "handling"}
	case http.MethodPost:
		names = []string{"resolution", "missing", "return", "tx", "handling"}
	case http.MethodPut:
		names = []string{"return", "tx", "handling"}
	}
	var list []string
	for _, name := range names {
		switch words := p.given[name]; {
		case words != "":
			list = append(list, words)
		case name == "return":
			list = append(list, "return=minimal")
		}
	}
	if list != nil {
		h.Set("Preference-Applied", strings.Join(list, ", "))
	}
}
