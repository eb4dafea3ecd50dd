package dataapi

import (
	"fmt"
	"strings"

	"github.com/fluxbase/fluxbase/internal/fault"
	"github.com/fluxbase/fluxbase/internal/principal"
)

// hinted says in development which table and which kind of policy a write was
// refused by, as far as PostgreSQL's words tell.
func (s *Service) hinted(err error, p *principal.Principal) error {
	f := fault.From(err)
	if !s.Development || f == nil || f.SQL == nil || f.SQL.State != "42501" {
		return err
	}
	hint := refusal(f.SQL.Message, p.Role)
	if hint == "" {
		return err
	}
	c, report := *f, *f.SQL
	report.Hint = strings.TrimSpace(report.Hint + " " + hint)
	c.SQL = &report
	return &c
}

func refusal(message string, role principal.Role) string {
	_, table, named := strings.Cut(message, ` for table "`)
	table = strings.TrimSuffix(table, `"`)
	what, guarded := strings.CutPrefix(message, "new row violates row-level security policy")
	const more = " See: fluxbase-cli rls explain --as USER \"...\""
	switch {
	case guarded && named && strings.HasPrefix(what, ` "`):
		return fmt.Sprintf("A restrictive policy of table %s does not let %s write this row.%s", table, role, more)
	case guarded && named && strings.HasPrefix(what, " (USING"):
		return fmt.Sprintf("No permissive policy of table %s lets %s change the row that is there (USING).%s", table, role, more)
	case guarded && named:
		return fmt.Sprintf("No permissive policy of table %s lets %s write this row (WITH CHECK).%s", table, role, more)
	}
	if table, denied := strings.CutPrefix(message, "permission denied for table "); denied {
		return fmt.Sprintf("No policy decided: the role %s has no grant on table %s that this needs.%s", role, table, more)
	}
	return ""
}
