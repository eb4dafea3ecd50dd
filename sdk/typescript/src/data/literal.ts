/** Values, column names and lists in the words of PostgREST's query grammar. Pure. */

import { usageError } from "../core/errors.js";

const RESERVED = new Set(["select", "order", "limit", "offset", "columns", "on_conflict", "and", "or"]);

/** A text in double quotes, in which a backslash makes the next character plain. */
export function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}

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

/** One of several values: texts are always quoted, so that none is taken for grammar. */
function member(value: unknown): string {
  const text = literal(value);
  const bare = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
  return bare ? text : quoted(text);
}

/** A list for `in`: `("a","b\"c",3)`. */
export function list(values: readonly unknown[]): string {
  return `(${values.map(member).join(",")})`;
}

/** An array as PostgreSQL writes it: `{"a","b\"c",3,NULL,{4}}`. */
export function array(values: readonly unknown[]): string {
  const items = values.map((value) => {
    if (value === null) return "NULL";
    return Array.isArray(value) ? array(value) : member(value);
  });
  return `{${items.join(",")}}`;
}

/** A value or an array of values. */
export function operand(value: unknown): string {
  return Array.isArray(value) ? array(value) : literal(value);
}

/** What stands behind an operator that the caller names. A text stays as it is. */
export function operandOf(operator: string, value: unknown): string {
  if (operator === "in" && Array.isArray(value)) return list(value);
  if (operator === "is" && value === null) return "null";
  return operand(value);
}

/** The name of a filter parameter. A column that is called like a keyword of the grammar is quoted. */
export function parameter(column: string): string {
  if (column === "") throw usageError("A filter needs a column", "invalid_query");
  const at = column.lastIndexOf(".") + 1;
  return RESERVED.has(column.slice(at)) ? `${column.slice(0, at)}"${column.slice(at)}"` : column;
}

/** A column list without the white space around names; inside double quotes nothing changes. */
export function columns(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, kept: string | undefined) => kept ?? "");
}
