package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const selectTypesSQL = `
select t.oid, quote_ident(n.nspname) || '.' || quote_ident(t.typname), format_type(t.oid, null),
	case when t.typtype = 'd' then t.typbasetype else 0 end, t.typcategory = 'A', t.typrelid,
	array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = t.oid order by e.enumsortorder)
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.oid = any($1::oid[])`

// typeMap holds the types that something refers to.
type typeMap struct {
	byOID   map[uint32]*Type
	columns map[uint32][]Column // of composite types that are no table's, by relation
}

func (m typeMap) of(oid uint32) *Type {
	if t := m.byOID[oid]; t != nil {
		return t
	}
	return &Type{SQL: "pg_catalog.text", Label: "text", Base: "pg_catalog.text"} // it went while we were reading
}

// load reads the types that are wanted and not there yet, with what lies
// beneath domains.
func (m typeMap) load(ctx context.Context, q postgres.Querier, wanted []uint32) error {
	bases := map[uint32]uint32{}
	for len(wanted) > 0 {
		rows, err := q.Query(ctx, selectTypesSQL, wanted)
		if err != nil {
			return postgres.Fault(err)
		}
		wanted = nil
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			var oid, base uint32
			t := &Type{}
			err := row.Scan(&oid, &t.SQL, &t.Label, &base, &t.Array, &t.relation, &t.Enum)
			t.Base, t.Row = t.SQL, t.relation != 0
			m.byOID[oid] = t
			if base != 0 {
				bases[oid] = base
				if m.byOID[base] == nil {
					wanted = append(wanted, base)
				}
			}
			return struct{}{}, err
		})
		if err != nil {
			return postgres.Fault(err)
		}
	}
	for oid, base := range bases {
		for bases[base] != 0 {
			base = bases[base]
		}
		t, b := m.byOID[oid], m.of(base)
		t.Base, t.Enum, t.Array, t.Row, t.relation = b.SQL, b.Enum, b.Array, b.Row, b.relation
	}
	return nil
}

const selectRowTypesSQL = `
select a.attrelid, a.attname, a.atttypid
from pg_catalog.pg_attribute a
where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum`

// loadRows reads the columns of composite types.
func (m typeMap) loadRows(ctx context.Context, q postgres.Querier, relations []uint32) error {
	rows, err := q.Query(ctx, selectRowTypesSQL, relations)
	if err != nil {
		return postgres.Fault(err)
	}
	type attribute struct {
		relation, typ uint32
		name          string
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (attribute, error) {
		var a attribute
		err := row.Scan(&a.relation, &a.name, &a.typ)
		return a, err
	})
	if err != nil {
		return postgres.Fault(err)
	}
	var wanted []uint32
	for _, a := range found {
		if m.byOID[a.typ] == nil {
			wanted = append(wanted, a.typ)
		}
	}
	if err := m.load(ctx, q, wanted); err != nil {
		return err
	}
	for _, a := range found {
		t := m.of(a.typ)
		m.columns[a.relation] = append(m.columns[a.relation], Column{Name: a.name, Type: t.SQL, Info: t, Nullable: true})
	}
	return nil
}
