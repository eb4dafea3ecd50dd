package rest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
)

// preferences are what Prefer (RFC 7240) may ask for here.
type preferences struct {
	returning   plan.Returning
	count       dataapi.Counting
	strict      bool
	maxAffected *int64
	resolution  dataapi.Resolution
	rollback    bool
	missing     bool // what rows lack is its default
	timezone    string
	isolation   postgres.Isolation

	given map[string]string // name to the words that were understood
}

var returnings = map[string]plan.Returning{"minimal": plan.Nothing, "headers-only": plan.Keys, "representation": plan.Rows}

var isolations = map[string]postgres.Isolation{
	"read-committed": postgres.ReadCommitted, "repeatable-read": postgres.RepeatableRead, "serializable": postgres.Serializable,
}

var resolutions = map[string]dataapi.Resolution{"merge-duplicates": dataapi.Merge, "ignore-duplicates": dataapi.Ignore}

// prefer reads the field Prefer. What is not understood is ignored, as the
// standard asks, unless the caller wants it strict. The first of two stands.
func (s *API) prefer(ctx context.Context, r *http.Request, caller *principal.Principal) (preferences, error) {
	p := preferences{given: map[string]string{}, rollback: s.Rollback}
	var unknown []string
	for _, field := range r.Header.Values("Prefer") {
		for words := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(words), "=")
			if p.given[name] != "" || name == "" {
				continue
			}
			understood, err := s.preference(ctx, caller, &p, name, value)
			switch {
			case err != nil:
				return p, err
			case !understood:
				unknown = append(unknown, name)
			case name == "count": // says what is done
				p.given[name] = "count=" + string(p.count)
			default:
				p.given[name] = strings.TrimSpace(words)
			}
		}
	}
	if !p.strict {
		delete(p.given, "max-affected")
		p.maxAffected = nil
		return p, nil
	}
	if len(unknown) > 0 {
		return p, dataapi.Detailed(fault.Invalid, "PGRST122", "Invalid preferences given with handling=strict",
			"Not understood: "+printable(strings.Join(unknown, ", ")))
	}
	return p, nil
}

// preference takes one preference, if it is understood.
func (s *API) preference(ctx context.Context, caller *principal.Principal, p *preferences, name, value string) (understood bool, err error) {
	switch name {
	case "return":
		p.returning, understood = returnings[value]
	case "count":
		if understood = value == string(dataapi.Exact) || value == string(dataapi.Planned) || value == string(dataapi.Estimated); understood {
			p.count = dataapi.CountingFor(caller, dataapi.Counting(value))
		}
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
	case "isolation":
		if s.IsolationOverride {
			p.isolation, understood = isolations[value]
		}
	case "timezone":
		if understood, err = s.KnowsTimezone(ctx, caller, value); understood {
			p.timezone = value
		}
	case "max-affected":
		n, err := strconv.ParseUint(value, 10, 62)
		limit := int64(n)
		p.maxAffected, understood = &limit, err == nil
	}
	return understood, err
}

// printable is a text of a request for an answer.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "?")
	return s[:min(len(s), 200)]
}

// counted says how many rows a write was about, if that was asked for: exactly,
// for nothing has to be guessed. Those of an update are numbered, as PostgREST
// has it.
func (p *preferences) counted(h http.Header, method string, count int64) {
	if p.count == "" {
		return
	}
	p.given["count"] = "count=" + string(dataapi.Exact)
	if method == http.MethodPatch && count > 0 {
		h["Content-Range"] = []string{fmt.Sprintf("0-%d/%d", count-1, count)}
		return
	}
	h["Content-Range"] = []string{fmt.Sprintf("*/%d", count)}
}

// applied says which preferences were honoured. A count that may be a guess is
// exact for people: what the planner guesses is drawn from all rows, also from
// those that policies hide from the caller.
func (p *preferences) applied(h http.Header, method string) {
	names := []string{"return", "count", "tx", "isolation", "handling", "timezone", "max-affected"}
	switch method {
	case http.MethodGet, http.MethodHead:
		names = []string{"count", "isolation", "handling", "timezone"}
	case http.MethodPost:
		names = []string{"resolution", "missing", "return", "count", "tx", "isolation", "handling", "timezone"}
	case http.MethodPut:
		names = []string{"return", "count", "tx", "isolation", "handling", "timezone"}
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

// terms are what a request asks of its transaction.
func (s *API) terms(c *web.Call, r *http.Request, p preferences, m media, path string) dataapi.Terms {
	t := dataapi.Terms{Principal: c.Principal, Rollback: p.rollback, Isolation: p.isolation, Timezone: p.timezone, Explain: m.explain}
	if s.PreRequest != "" || strings.HasPrefix(path, "/rpc/") {
		t.Seen = dataapi.Seen{Method: r.Method, Path: path, Headers: seenHeaders(r.Header)}
	}
	return t
}

// seenHeaders are the fields of a request for functions to see, by names in
// lower case. Credentials are not among them.
func seenHeaders(h http.Header) string {
	fields := make(map[string]string, len(h))
	for name, values := range h {
		switch name {
		case "Authorization", "Apikey", "X-Api-Key", "Cookie", "Proxy-Authorization":
		default:
			fields[strings.ToLower(name)] = strings.ReplaceAll(strings.ToValidUTF8(strings.Join(values, ", "), "?"), "\x00", "?")
		}
	}
	text, err := json.Marshal(fields, json.Deterministic(true))
	if err != nil {
		return "{}" // which texts cannot lead to
	}
	return string(text)
}
