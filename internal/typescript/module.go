package typescript

import (
	"slices"
	"strings"

	"github.com/fluxbase/fluxbase/internal/catalog"
)

const heading = `// The types of the database, as fluxbase-cli types generate writes them.
// Do not change this file: change the database, and write it anew.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

`

// helpers are the types by which a table is asked for by its name, or by its
// schema and its name: Tables<"todos">, Tables<{ schema: "shop" }, "orders">.
const helpers = `
type DefaultSchema = Database[DEFAULT]
type InSchema = { schema: keyof Database }
type Kind = "Tables" | "Views" | "Enums" | "CompositeTypes"
type Members<Where, Of extends Kind> = Where extends InSchema ? Database[Where["schema"]][Of] : DefaultSchema[Of]
type Relations<Where> = Members<Where, "Tables"> & Members<Where, "Views">
type Member<Where, Name, All> = Where extends InSchema
  ? Name extends keyof All ? All[Name] : never
  : Where extends keyof All ? All[Where] : never

/** A row as it is read: Tables<"name"> or Tables<{ schema: "schema" }, "name">. */
export type Tables<
  Where extends keyof Relations<unknown> | InSchema,
  Name extends Where extends InSchema ? keyof Relations<Where> : never = never,
> = Member<Where, Name, Relations<Where>> extends { Row: infer Row } ? Row : never

/** A row to insert. */
export type TablesInsert<
  Where extends keyof Members<unknown, "Tables"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "Tables"> : never = never,
> = Member<Where, Name, Members<Where, "Tables">> extends { Insert: infer Insert } ? Insert : never

/** What an update changes of a row. */
export type TablesUpdate<
  Where extends keyof Members<unknown, "Tables"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "Tables"> : never = never,
> = Member<Where, Name, Members<Where, "Tables">> extends { Update: infer Update } ? Update : never

/** The labels of an enum. */
export type Enums<
  Where extends keyof Members<unknown, "Enums"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "Enums"> : never = never,
> = Member<Where, Name, Members<Where, "Enums">>

/** The attributes of a composite type. */
export type CompositeTypes<
  Where extends keyof Members<unknown, "CompositeTypes"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "CompositeTypes"> : never = never,
> = Member<Where, Name, Members<Where, "CompositeTypes">>

`

// module is the module of some schemas.
type module struct {
	*catalog.Snapshot

	schemas []string
}

// Module returns the text of the module of a snapshot, for all its schemas or
// some. There is at least one, and the first is the default one of the helper
// types.
func Module(s *catalog.Snapshot, schemas []string) string {
	m := module{s, schemas}
	var types, constants []member
	for _, name := range slices.Sorted(slices.Values(schemas)) {
		types = append(types, member{key: property(name), value: m.schema(name)})
		constants = append(constants, member{key: constant(name), value: m.constants(name)})
	}
	var b strings.Builder
	b.WriteString(heading)
	b.WriteString("export type Database = " + strings.Join(object(types), "\n") + "\n")
	b.WriteString(strings.Replace(helpers, "DEFAULT", quote(schemas[0]), 1))
	b.WriteString("export const Constants = " + strings.Join(values(constants), "\n") + " as const\n")
	return b.String()
}

func (m module) schema(schema string) []string {
	var tables, views, enums, composites []member
	for _, t := range m.Tables() {
		switch {
		case t.Schema != schema:
		case t.View:
			views = append(views, m.table(t))
		default:
			tables = append(tables, m.table(t))
		}
	}
	for _, t := range m.Types() {
		switch {
		case t.Schema != schema:
		case t.IsEnum:
			enums = append(enums, member{key: property(t.Name), value: []string{union(t.Enum)}})
		default:
			composites = append(composites, member{key: property(t.Name), value: object(m.attributes(t.Columns))})
		}
	}
	return object([]member{
		{key: "Tables", value: object(tables)},
		{key: "Views", value: object(views)},
		{key: "Functions", value: object(m.functions(schema))},
		{key: "Enums", value: object(enums)},
		{key: "CompositeTypes", value: object(composites)},
	})
}

// constants returns the labels of the enums of a schema as values, for lists to
// choose from.
func (m module) constants(schema string) []string {
	var enums []member
	for _, t := range m.Types() {
		if t.Schema != schema || !t.IsEnum {
			continue
		}
		labels := make([]string, len(t.Enum))
		for i, label := range t.Enum {
			labels[i] = quote(label)
		}
		enums = append(enums, member{key: constant(t.Name), value: []string{"[" + strings.Join(labels, ", ") + "]"}})
	}
	return values([]member{{key: "Enums", value: values(enums)}})
}

func union(labels []string) string {
	if len(labels) == 0 {
		return "never"
	}
	quoted := make([]string, len(labels))
	for i, label := range labels {
		quoted[i] = quote(label)
	}
	return strings.Join(quoted, " | ")
}
