/** Values, column names and lists in the words of PostgREST's query grammar. Pure. */

import { usageError } from "../core/errors.js";

const RESERVED = new Set([
  "select",
  "order",
  "limit",
  "offset",
  "columns",
  "on_conflict",
  "and",
  "or",
  "not.and",
  "not.or",
]);

/** The text of one value. Throws `invalid_query` for what has no meaning in a filter. */
export function literal(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
    case "boolean":
      return String(value);
    case "object":
      if (value === null) break;
      if (value instanceof Date) return value.toISOString();
      if (Array.isArray(value)) throw usageError("A list is compared with in(), not as one value", "invalid_query");
      return JSON.stringify(value);
    default:
  }
  throw usageError(`A filter cannot compare with ${String(value)}; use is(column, null)`, "invalid_query");
}

/** A list for `in`: `("a","b\"c",3)`. Texts are always quoted, so that none is taken for grammar. */
export function list(values: readonly unknown[]): string {
  const items = values.map((value) => {
    const text = literal(value);
    const bare = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
    return bare ? text : `"${text.replace(/[\\"]/g, "\\$&")}"`;
  });
  return `(${items.join(",")})`;
}

/** The name of a filter parameter. A column that is called like a keyword of the grammar is quoted. */
export function parameter(column: string): string {
  if (column === "") throw usageError("A filter needs a column", "invalid_query");
  return RESERVED.has(column) ? `"${column}"` : column;
}

/** A column list without the white space around names; inside double quotes nothing changes. */
export function columns(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, quoted: string | undefined) => quoted ?? "");
}
