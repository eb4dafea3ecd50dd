package catalog

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/fluxbase/fluxbase/internal/postgres"
)

// read builds a snapshot from what one transaction sees.
func read(ctx context.Context, q postgres.Querier, schemas []string) (*Snapshot, error) {
	var b builder
	var err error
	if b.records, err = selectTables(ctx, q, schemas); err != nil {
		return nil, err
	}
	columnTypes, err := selectColumns(ctx, q, schemas, b.records)
	if err != nil {
		return nil, err
	}
	functions, signatures, err := selectFunctions(ctx, q, schemas)
	if err != nil {
		return nil, err
	}
	types, err := readTypes(ctx, q, schemas, b.records, columnTypes, signatures)
	if err != nil {
		return nil, err
	}
	for oid, of := range columnTypes {
		for i, typ := range of {
			t := types.of(typ)
			b.records[oid].Columns[i].Info, b.records[oid].Columns[i].Type = t, t.SQL
		}
	}
	for _, oid := range types.own {
		b.types = append(b.types, types.of(oid))
	}
	for _, s := range signatures {
		s.resolve(types)
		b.functions = append(b.functions, s.Function)
	}
	if b.keys, err = selectKeys(ctx, q); err != nil {
		return nil, err
	}
	if b.foreign, err = selectForeignKeys(ctx, q); err != nil {
		return nil, err
	}
	if b.views, err = selectViews(ctx, q); err != nil {
		return nil, err
	}
	if err := selectComments(ctx, q, b.records, functions); err != nil {
		return nil, err
	}
	snapshot := b.build()
	snapshot.geoJSON, err = selectGeoJSON(ctx, q)
	return snapshot, err
}

// readTypes looks up what columns, arguments and results are of, and the types
// of the schemas.
func readTypes(ctx context.Context, q postgres.Querier, schemas []string, records map[uint32]*record, columns map[uint32][]uint32, signatures []*signature) (typeMap, error) {
	types := typeMap{byOID: map[uint32]*Type{}, columns: map[uint32][]Column{}}
	var err error
	if types.own, err = selectOwnTypes(ctx, q, schemas); err != nil {
		return types, err
	}
	seen := map[uint32]bool{}
	var wanted []uint32
	want := func(oids ...uint32) {
		for _, oid := range oids {
			if !seen[oid] {
				seen[oid] = true
				wanted = append(wanted, oid)
			}
		}
	}
	for _, of := range columns {
		want(of...)
	}
	for _, s := range signatures {
		want(s.types...)
		want(s.result)
	}
	want(types.own...)
	if err := types.load(ctx, q, wanted); err != nil {
		return types, err
	}
	var rows []uint32
	row := func(oid uint32) {
		if relation := types.of(oid).relation; relation != 0 && records[relation] == nil && !slices.Contains(rows, relation) {
			rows = append(rows, relation)
		}
	}
	for _, s := range signatures {
		row(s.result)
	}
	for _, oid := range types.own {
		row(oid)
	}
	return types, types.loadRows(ctx, q, rows)
}

const selectSchemasSQL = `
select n.nspname from pg_catalog.pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by n.nspname`

func selectSchemas(ctx context.Context, q postgres.Querier) ([]string, error) {
	rows, err := q.Query(ctx, selectSchemasSQL)
	if err != nil {
		return nil, postgres.Fault(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, postgres.Fault(err)
}

func begin(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, "set transaction isolation level repeatable read, read only")
	return postgres.Fault(err)
}
