package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

const selectTypesSQL = `
select t.oid, n.nspname, t.typname, quote_ident(n.nspname) || '.' || quote_ident(t.typname), format_type(t.oid, null),
	case when t.typtype = 'd' then t.typbasetype else 0 end, t.typcategory = 'A', case when t.typcategory = 'A' then t.typelem else 0 end,
	t.typrelid, t.typtype = 'e', t.typnotnull, t.typdefaultbin is not null,
	array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = t.oid order by e.enumsortorder)
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.oid = any($1::oid[])`

// typeMap holds the types that something refers to, and those of the schemas.
type typeMap struct {
	byOID   map[uint32]*Type
	own     []uint32            // the enums and composite types of the schemas
	columns map[uint32][]Column // of composite types that are no table's, by relation
}

func (m typeMap) of(oid uint32) *Type {
	if t := m.byOID[oid]; t != nil {
		return t
	}
	return &Type{Schema: "pg_catalog", Name: "text", SQL: "pg_catalog.text", Label: "text", Base: "pg_catalog.text"} // it went while we were reading
}

const selectOwnTypesSQL = `
select t.oid
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace left join pg_catalog.pg_class c on c.oid = t.typrelid
where n.nspname = any($1) and (t.typtype = 'e' or c.relkind = 'c')
order by n.nspname, t.typname`

func selectOwnTypes(ctx context.Context, q postgres.Querier, schemas []string) ([]uint32, error) {
	rows, err := q.Query(ctx, selectOwnTypesSQL, schemas)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	types, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	return types, postgres.Fault(err)
}

// load reads the types that are wanted and not there yet, with what lies
// beneath domains and in arrays.
func (m typeMap) load(ctx context.Context, q postgres.Querier, wanted []uint32) error {
	bases, elements := map[uint32]uint32{}, map[uint32]uint32{}
	for len(wanted) > 0 {
		rows, err := q.Query(ctx, selectTypesSQL, wanted)
		if err != nil {
			return postgres.Fault(err)
		}
		wanted = nil
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			var oid, base, element uint32
			t := &Type{}
			err := row.Scan(&oid, &t.Schema, &t.Name, &t.SQL, &t.Label, &base, &t.Array, &element, &t.relation, &t.IsEnum, &t.NotNull, &t.Default, &t.Enum)
			t.Base, t.Row = t.SQL, t.relation != 0
			m.byOID[oid] = t
			for from, to := range map[uint32]map[uint32]uint32{base: bases, element: elements} {
				if from == 0 {
					continue
				}
				to[oid] = from
				if m.byOID[from] == nil {
					wanted = append(wanted, from)
				}
			}
			return struct{}{}, err
		})
		if err != nil {
			return postgres.Fault(err)
		}
	}
	for oid, element := range elements {
		m.byOID[oid].Element = m.of(element)
	}
	for oid, base := range bases {
		m.domain(m.byOID[oid], base, bases)
	}
	return nil
}

// domain gives a domain what lies beneath it: the base, through other domains.
func (m typeMap) domain(t *Type, base uint32, bases map[uint32]uint32) {
	for bases[base] != 0 {
		over := m.of(base)
		t.NotNull, t.Default = t.NotNull || over.NotNull, t.Default || over.Default
		base = bases[base]
	}
	b := m.of(base)
	t.Base, t.Enum, t.Array, t.Row, t.relation = b.SQL, b.Enum, b.Array, b.Row, b.relation
	t.IsEnum, t.Beneath = b.IsEnum, b
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
	for _, t := range m.byOID {
		t.Columns = m.columns[t.relation]
	}
	return nil
}
