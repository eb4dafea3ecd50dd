package rest

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/fluxbase/fluxbase/internal/dataapi"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
)

// media is a media type that rows can be sent as.
type media struct {
	name     string
	single   bool // one row, and not in an array
	stripped bool // without members that are null
	csv      bool
	geo      bool   // a FeatureCollection of GeoJSON (RFC 7946), where PostGIS is
	explain  string // options of EXPLAIN, to send the plan instead; "" for the rows
}

// medias are the types by what Accept may call them.
var medias = map[string]media{
	"*/*":                          {name: "application/json"},
	"application/*":                {name: "application/json"},
	"application/json":             {name: "application/json"},
	"application/vnd.pgrst.array":  {name: "application/vnd.pgrst.array+json"},
	"application/vnd.pgrst.object": {name: "application/vnd.pgrst.object+json", single: true},
	"application/geo":              {name: "application/geo+json", geo: true},
	"text/csv":                     {name: "text/csv", csv: true},
	"text/*":                       {name: "text/csv", csv: true},
}

// accept chooses what the caller likes best of what there is; the first of two
// that are liked equally.
func (s *API) accept(r *http.Request) (media, error) {
	fields := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(fields) == "" {
		return medias["*/*"], nil
	}
	var best media
	liked := 0.0
	for part := range strings.SplitSeq(fields, ",") {
		name, params, err := mime.ParseMediaType(noOptions.ReplaceAllString(part, ""))
		if err != nil {
			continue
		}
		m, ok := medias[strings.TrimSuffix(name, "+json")]
		if format, plan := strings.CutPrefix(name, planMedia); plan && s.PlanEnabled {
			m, ok = explained(format, params)
		}
		if !ok || m.geo && s.Catalog.GeoJSON() == "" {
			continue
		}
		weight := 1.0
		if q, given := params["q"]; given {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		if m.explain == "" && params["nulls"] == "stripped" && !m.geo && strings.HasSuffix(m.name, "+json") {
			m.stripped = true
			m.name += ";nulls=stripped"
		}
		if weight > liked {
			best, liked = m, weight
		}
	}
	if liked == 0 {
		return best, dataapi.Fault(fault.NotAcceptable, "PGRST107",
			"None of the media types in Accept can be answered with; application/json, application/vnd.pgrst.object+json and text/csv can")
	}
	return best, nil
}

// shape is how PostgreSQL writes a media type.
func (s *API) shape(m media) plan.Answer {
	a := plan.Answer{CSV: m.csv, Stripped: m.stripped}
	if m.geo {
		a.GeoJSON = s.Catalog.GeoJSON()
	}
	return a
}

// window reads the field Range where its unit is items. A range that is not
// understood is ignored, as RFC 9110 asks.
func window(r *http.Request) (*dataapi.Window, error) {
	if unit := r.Header.Get("Range-Unit"); unit != "" && unit != "items" {
		return nil, nil //nolint:nilnil // no window is no error
	}
	first, last, found := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "items="), "-")
	if !found {
		return nil, nil //nolint:nilnil // no window is no error
	}
	var w dataapi.Window
	n, err := strconv.ParseUint(first, 10, 62)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // not a range of items
	}
	w.First = int64(n)
	if last != "" {
		if n, err = strconv.ParseUint(last, 10, 62); err != nil {
			return nil, nil //nolint:nilerr,nilnil // not a range of items
		}
		end := int64(n)
		w.Last = &end
		if end < w.First {
			return nil, dataapi.Detailed(fault.OutOfRange, "PGRST103", "Requested range not satisfiable",
				"The lower boundary must be lower than or equal to the upper boundary in the Range header.")
		}
	}
	return &w, nil
}

// beyond is an error, with how many rows there are where a page was asked for
// that is beyond them.
func beyond(w http.ResponseWriter, r dataapi.Result, err error) error {
	if r.Total != nil {
		w.Header()["Content-Range"] = []string{contentRange(dataapi.Result{Total: r.Total})}
	}
	return err
}

// contentRange names the first and last row of an answer, and how many there
// are if anybody has asked.
func contentRange(r dataapi.Result) string {
	rows, total := "*", "*"
	if r.Count > 0 {
		rows = fmt.Sprintf("%d-%d", r.Offset, r.Offset+r.Count-1)
	}
	if r.Total != nil {
		total = strconv.FormatInt(*r.Total, 10)
	}
	return rows + "/" + total
}
