// Package openapi describes the mounted routes as an OpenAPI 3.1 document and
// serves it, with a page to browse it.
//
// The document is made from the same route values that the server mounts and
// the same Go types that its handlers read and write, so it cannot lag behind.
package openapi

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/fluxbase/fluxbase/internal/principal"
	"github.com/fluxbase/fluxbase/internal/web"
	"github.com/fluxbase/fluxbase/internal/web/problem"
)

// Schemas says how types look in JSON that describe themselves poorly to
// reflection: an identifier, or a document that another type is the model of.
type Schemas map[reflect.Type]*jsonschema.Schema

// Text returns the schema of a string, with a format if it is not empty.
func Text(format string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Format: format}
}

// Object returns the schema of an object with any members.
func Object() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} }

// Describe returns the schema of a type.
func Describe[T any](types Schemas) (*jsonschema.Schema, error) {
	schema, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		return nil, fmt.Errorf("describing a type: %w", err)
	}
	return notNull(schema), nil
}

// notNull takes "null" from the types of arrays: an empty list is [] here.
func notNull(s *jsonschema.Schema) *jsonschema.Schema {
	if slices.Contains(s.Types, "array") {
		s.Type, s.Types = "array", nil
	}
	if s.Items != nil {
		notNull(s.Items)
	}
	for _, member := range s.Properties {
		notNull(member)
	}
	return s
}

// generator collects the components of one document.
type generator struct {
	types      Schemas
	components map[string]*jsonschema.Schema
}

type (
	object = map[string]any
	list   = []any
)

// Document returns the description of routes as JSON. Paths come in the order of
// the routes, in which the page shows them too.
func Document(routes []web.Route, version string, types Schemas) ([]byte, error) {
	g := &generator{types: types, components: map[string]*jsonschema.Schema{}}
	var paths ordered
	for _, r := range routes {
		if r.Hidden {
			continue
		}
		operation, err := g.operation(r)
		if err != nil {
			return nil, fmt.Errorf("describing %s %s: %w", r.Method, r.Path, err)
		}
		path, _ := paths.get(r.Path).(*ordered)
		if path == nil {
			path = &ordered{}
			paths.set(r.Path, path)
		}
		path.set(strings.ToLower(r.Method), operation)
	}
	if err := g.problems(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Fluxbase", "version": version,
			"description": "Sign-in, sessions, and data that only its owner can see.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": list{object{"url": "/"}},
		"tags":    tags(routes),
		"paths":   &paths,
		"components": object{
			"schemas": g.components,
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer", "description": "An access token, an API key, or a service key"},
				"apikey": object{"type": "apiKey", "in": "header", "name": "apikey", "description": "A client key; or an API key or a service key, when there is no bearer"},
			},
		},
	}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding the API description: %w", err)
	}
	return text, nil
}

// problems adds the document of an error, and the codes that it may have.
func (g *generator) problems() error {
	ref, err := g.ref(reflect.TypeFor[problem.Document]())
	if err != nil {
		return err
	}
	codes := &jsonschema.Schema{Type: "string", Description: "The codes of errors; " + problem.Page + " has them as a page."}
	for _, group := range problem.Groups() {
		for _, c := range group.Codes {
			if !c.Literal() {
				continue // it stands for others
			}
			code := any(c.Code)
			codes.OneOf = append(codes.OneOf, &jsonschema.Schema{Const: &code, Description: c.Summary()})
		}
	}
	g.components["problem.Code"] = codes
	document := g.components[strings.TrimPrefix(ref.Ref, "#/components/schemas/")]
	document.Properties["code"] = &jsonschema.Schema{
		Description: "One of the known codes; another SQLSTATE, or a code of the application's own, for requests for data; invalid_PARAMETER for a parameter.",
		AnyOf:       []*jsonschema.Schema{{Ref: "#/components/schemas/problem.Code"}, {Type: "string"}},
	}
	return nil
}

// tags lists the tags in the order in which routes first use them.
func tags(routes []web.Route) list {
	var names []string
	described := list{}
	for _, r := range routes {
		if !r.Hidden && !slices.Contains(names, r.Tag) {
			names = append(names, r.Tag)
			described = append(described, object{"name": r.Tag})
		}
	}
	return described
}

func (g *generator) operation(r web.Route) (object, error) {
	op := object{
		"tags": list{r.Tag}, "summary": r.Summary, "operationId": operationID(r),
		"description": "Access: " + r.Access.String() + "." + scopeOf(r),
		"security":    security(r.Access),
	}
	if len(r.Params) > 0 {
		op["parameters"] = parameters(r.Params)
	}
	if r.Body != nil {
		schema, err := g.ref(r.Body)
		if err != nil {
			return nil, err
		}
		op["requestBody"] = object{"required": !r.OptionalBody, "content": object{"application/json": object{"schema": schema}}}
	} else if r.Media != "" && (r.Method == http.MethodPost || r.Method == http.MethodPatch) {
		op["requestBody"] = object{"required": true, "content": object{r.Media: object{"schema": object{}}}}
	}
	success := object{"description": http.StatusText(max(r.Status, http.StatusOK))}
	switch {
	case r.Answer != nil:
		schema, err := g.ref(r.Answer)
		if err != nil {
			return nil, err
		}
		success["content"] = object{"application/json": object{"schema": schema}}
	case r.Media != "":
		success["content"] = object{r.Media: object{"schema": object{}}}
	}
	op["responses"] = object{
		strconv.Itoa(max(r.Status, http.StatusOK)): success,
		"default": object{
			"description": "A problem (RFC 9457)",
			"content":     object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/problem.Document"}}},
		},
	}
	return op, nil
}

// operationID is the method and the path in camel case: getAuthSessionsById.
func operationID(r web.Route) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(r.Method))
	for part := range strings.FieldsFuncSeq(strings.TrimPrefix(r.Path, "/api/v1"), func(c rune) bool {
		return c == '/' || c == '-' || c == '.' || c == '}'
	}) {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			part = "by" + strings.ToUpper(name[:1]) + name[1:]
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// scopeOf says what an API key of a user needs.
func scopeOf(r web.Route) string {
	switch {
	case r.Access == web.Service:
		return ""
	case r.Scope == "":
		return " API keys of users: not open to them."
	case r.Scope == principal.AnyScope:
		return " API keys of users: any."
	default:
		return " API keys of users: with the scope " + string(r.Scope) + "."
	}
}

func security(access web.Access) list {
	switch access {
	case web.SignedIn:
		return list{object{"bearer": list{}}}
	case web.Service:
		return list{object{"bearer": list{}}, object{"apikey": list{}}}
	default:
		return list{object{}, object{"bearer": list{}}, object{"apikey": list{}}}
	}
}

func parameters(params []web.Param) list {
	var described list
	for _, p := range params {
		described = append(described, object{
			"name": p.Name, "in": p.In, "required": p.In == "path", "description": p.Description,
			"schema": object{"type": "string"},
		})
	}
	return described
}

// ref adds the schema of a type to the components and returns a reference.
func (g *generator) ref(t reflect.Type) (*jsonschema.Schema, error) {
	if known, ok := g.types[t]; ok {
		return known, nil
	}
	name := strings.TrimPrefix(t.String(), "*")
	if _, ok := g.components[name]; !ok {
		schema, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: g.types})
		if err != nil {
			return nil, fmt.Errorf("describing %s: %w", name, err)
		}
		g.components[name] = notNull(schema)
	}
	return &jsonschema.Schema{Ref: "#/components/schemas/" + name}, nil
}
