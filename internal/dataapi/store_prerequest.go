package dataapi

import (
	"context"
	"fmt"
	"strings"

	"github.com/fluxbase/fluxbase/internal/postgres"
	"github.com/fluxbase/fluxbase/internal/principal"
)

const selectPreRequestSQL = `
select p.oid is not null,
	array(select a.name from unnest($3::text[]) as a(name)
		where p.oid is not null and not (has_schema_privilege(a.name, n.oid, 'usage') and has_function_privilege(a.name, p.oid, 'execute'))
		order by 1)
from (select) as one
left join (pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace)
	on n.nspname = $1 and p.proname = $2 and p.pronargs = p.pronargdefaults and p.prokind = 'f'
limit 1`

// CheckPreRequest returns an error if the function that is to run before each
// statement does not exist, or may not be called by all roles. Without one
// there is nothing to check.
func CheckPreRequest(ctx context.Context, q postgres.Querier, preRequest string) error {
	if preRequest == "" {
		return nil
	}
	schema, function, _ := strings.Cut(preRequest, ".")
	var exists bool
	var refused []string
	roles := []string{string(principal.Anonymous), string(principal.Authenticated), string(principal.Service)}
	switch err := q.QueryRow(ctx, selectPreRequestSQL, schema, function, roles).Scan(&exists, &refused); {
	case err != nil:
		return fmt.Errorf("looking for data.pre_request: %w", postgres.Fault(err))
	case !exists:
		return fmt.Errorf("data.pre_request: there is no function %s without arguments", preRequest)
	case len(refused) > 0:
		return fmt.Errorf("data.pre_request: %s may not call %s; grant them usage of its schema, and execute", strings.Join(refused, ", "), preRequest)
	}
	return nil
}
