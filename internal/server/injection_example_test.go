package server_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fluxbase/fluxbase/internal/servertest"
)

// operation is what the description of the API says of a route.
type operation struct {
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Format     string
	Properties map[string]schema
	Required   []string
	Items      *schema
}

// UnmarshalJSON implements json.Unmarshaler: a schema may be true, which is
// anything.
func (s *schema) UnmarshalJSON(text []byte) error {
	if string(text) == "true" {
		return nil
	}
	type plain schema
	return json.Unmarshal(text, (*plain)(s), json.MatchCaseInsensitiveNames(true))
}

func described(t *testing.T, s *servertest.Server) map[string]map[string]operation {
	t.Helper()
	var doc struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]schema }
	}
	s.Do("GET", "/api/v1/openapi.json", "", "").JSON(t, &doc)
	for _, operations := range doc.Paths {
		for _, op := range operations {
			for media, content := range op.RequestBody.Content {
				content.Schema = content.Schema.resolved(doc.Components.Schemas)
				op.RequestBody.Content[media] = content
			}
		}
	}
	return doc.Paths
}

func (s schema) resolved(all map[string]schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = all[name]
	}
	properties := map[string]schema{}
	for name, p := range s.Properties {
		properties[name] = p.resolved(all)
	}
	s.Properties = properties
	if s.Items != nil {
		items := s.Items.resolved(all)
		s.Items = &items
	}
	return s
}

// example is a value of a schema, with which a handler goes as far as it can.
func (s schema) example(a *attack, name string, whole bool) any {
	kinds := fmt.Sprint(s.Type)
	switch {
	case len(s.Properties) > 0:
		o := map[string]any{}
		for member, p := range s.Properties {
			if whole || slices.Contains(s.Required, member) {
				o[member] = p.example(a, member, whole)
			}
		}
		return o
	case s.Items != nil:
		return []any{s.Items.example(a, name, whole)}
	case s.Format == "uuid":
		return a.person.ID
	case s.Format == "date-time":
		return "2026-01-01T00:00:00Z"
	case strings.Contains(kinds, "boolean"):
		return false
	case strings.Contains(kinds, "integer"), strings.Contains(kinds, "number"):
		return 1
	case strings.Contains(kinds, "string"):
		return cmp.Or(map[string]string{
			"email": fresh, "password": servertest.Password, "current_password": servertest.Password, "new_password": servertest.Password,
			"refresh_token": a.person.Refresh,
		}[name], "text")
	default:
		return map[string]any{"a": "b"}
	}
}
