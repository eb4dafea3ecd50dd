package rest

import (
	"mime"
	"regexp"
	"strings"
)

// planMedia begins the names of the media types of plans.
const planMedia = "application/vnd.pgrst.plan"

// noOptions is how clients write that they want none.
var noOptions = regexp.MustCompile(`;\s*options=\s*(;|$)`)

// explained is the media type of a plan: as text or as JSON, of an answer of
// another media type, with options of EXPLAIN.
func explained(format string, params map[string]string) (media, bool) {
	as := map[string]string{"": "text", "+text": "text", "+json": "json"}[format]
	wanted, nulls := "application/json", ""
	if params["for"] != "" {
		name, inner, err := mime.ParseMediaType(params["for"])
		if err != nil {
			return media{}, false
		}
		wanted, nulls = name, inner["nulls"]
	}
	m, ok := medias[strings.TrimSuffix(wanted, "+json")]
	if !ok || as == "" {
		return media{}, false
	}
	if nulls == "stripped" && !m.geo && strings.HasSuffix(m.name, "+json") {
		m.stripped, m.name = true, m.name+";nulls=stripped"
	}
	m.explain = "format " + as
	m.name = planMedia + "+" + as + `; for="` + m.name + `"`
	if params["options"] == "" {
		return m, true
	}
	for option := range strings.SplitSeq(params["options"], "|") {
		switch option {
		case "analyze", "verbose", "settings", "buffers", "wal":
			m.explain += ", " + option
		default:
			return media{}, false
		}
	}
	m.name += "; options=" + params["options"]
	return m, true
}
