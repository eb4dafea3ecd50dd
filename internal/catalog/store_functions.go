package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// selectFunctionsSQL leaves out what nobody could call: procedures, aggregates,
// window and trigger functions, and what takes or returns a pseudo-type. It
// leaves out the members of extensions too: they were made for SQL, and some of
// them, such as dblink, do more than whoever installed them meant to publish.
const selectFunctionsSQL = `
select p.oid, n.nspname, p.proname, coalesce(p.proallargtypes, p.proargtypes::oid[]), coalesce(p.proargmodes::text[], '{}'),
	coalesce(p.proargnames, '{}'), p.pronargdefaults::int4, p.prorettype, t.typname = 'void', p.proretset, p.prorows = 1,
	case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type t on t.oid = p.prorettype
where n.nspname = any($1) and p.prokind = 'f' and (t.typtype <> 'p' or t.typname in ('void', 'record'))
	and not exists (select from unnest(p.proargtypes::oid[]) a join pg_catalog.pg_type u on u.oid = a where u.typtype = 'p')
	and not exists (select from pg_catalog.pg_depend d
		where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by n.nspname, p.proname, p.oid`

// signature is a function whose types are still to be looked up.
type signature struct {
	*Function

	types    []uint32 // of all arguments
	modes    []string // of all arguments: empty if all go in
	names    []string // of all arguments: empty if none has a name
	defaults int      // how many of the last that go in may be left out
	result   uint32
	void     bool
}

func selectFunctions(ctx context.Context, q postgres.Querier, schemas []string) (map[uint32]*Function, []*signature, error) {
	rows, err := q.Query(ctx, selectFunctionsSQL, schemas)
	if err != nil {
		return nil, nil, postgres.Fault(err)
	}
	functions := map[uint32]*Function{}
	signatures, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*signature, error) {
		s := &signature{Function: &Function{}}
		var oid uint32
		err := row.Scan(&oid, &s.Schema, &s.Name, &s.types, &s.modes, &s.names, &s.defaults, &s.result, &s.void, &s.Set, &s.oneRow, &s.Volatility)
		functions[oid] = s.Function
		return s, err
	})
	return functions, signatures, postgres.Fault(err)
}

// resolve gives a function its arguments and its result.
func (s *signature) resolve(types typeMap) {
	for i, oid := range s.types {
		name, mode := "", "i"
		if i < len(s.names) {
			name = s.names[i]
		}
		if i < len(s.modes) {
			mode = s.modes[i]
		}
		t := types.of(oid)
		if mode == "i" || mode == "b" || mode == "v" {
			s.Arguments = append(s.Arguments, Argument{Name: name, Type: t, Variadic: mode == "v"})
		}
		if mode == "o" || mode == "b" || mode == "t" {
			s.columns = append(s.columns, Column{Name: name, Type: t.SQL, Info: t, Nullable: true})
		}
	}
	for i := max(0, len(s.Arguments)-s.defaults); i < len(s.Arguments); i++ {
		s.Arguments[i].Default = true
	}
	s.Type = types.of(s.result)
	switch {
	case s.void:
		s.Returns = Void
	case s.Type.Row:
		s.Returns, s.columns = Composite, types.columns[s.Type.relation]
	case len(s.columns) > 0: // one OUT argument makes a row, too
		s.Returns = Composite
	default:
		s.Returns = Scalar
	}
}

// selectGeoJSONSQL finds ST_AsGeoJSON of rows, which PostGIS has since 3.0.
const selectGeoJSONSQL = `
select coalesce((select quote_ident(n.nspname) || '.' || quote_ident(p.proname)
	from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
	where p.proname = 'st_asgeojson' and p.prokind = 'f' and p.proargtypes[0] = 'record'::regtype and p.pronargs - p.pronargdefaults = 1
	order by p.oid limit 1), '')`

func selectGeoJSON(ctx context.Context, q postgres.Querier) (string, error) {
	var function string
	err := q.QueryRow(ctx, selectGeoJSONSQL).Scan(&function)
	return function, postgres.Fault(err)
}
