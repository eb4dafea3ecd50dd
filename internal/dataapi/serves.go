package dataapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
	"github.com/fluxbase/fluxbase/internal/dataapi/plan"
	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// schema returns the schema that a request is about: the default one for "".
func (s *Service) schema(name string) (string, error) {
	switch {
	case name == "":
		return s.Schemas[0], nil
	case slices.Contains(s.Schemas, name):
		return name, nil
	default:
		return "", Detailed(fault.NotAcceptable, "PGRST106", "Invalid schema",
			"Only these schemas are exposed: "+strings.Join(s.Schemas, ", "))
	}
}

// serves refuses a table that is missing or, to people, unguarded. The two
// answers differ in development only.
func (s *Service) serves(p *principal.Principal, table *catalog.Table, schema, name string) error {
	if table != nil && s.guarded(p, table, schema, name) {
		return nil
	}
	f := Fault(fault.NotFound, "PGRST205", fmt.Sprintf("Could not find the table %s.%s", schema, name))
	if near := s.Catalog.NearTable(schema, name, s.answer(p, plan.Answer{}).Serves); near != "" {
		f.SQL.Hint = "Perhaps you meant the table " + schema + "." + near
	}
	if s.Development && table != nil {
		f.SQL.Hint = "It exists, but Row-Level Security does not guard it. Run: alter table " +
			postgres.Quote(table.Schema, name) + " enable row level security; and add policies. " +
			"A view needs: with (security_invoker = true), over guarded tables. " +
			"Or list it in data.allow_without_rls."
	}
	return f
}

// guarded says that somebody may be served a table.
func (s *Service) guarded(p *principal.Principal, table *catalog.Table, schema, name string) bool {
	return table.Protected || p.Role == principal.Service ||
		schema == s.Schemas[0] && s.AllowWithoutRLS[name] || s.AllowWithoutRLS[schema+"."+name]
}
