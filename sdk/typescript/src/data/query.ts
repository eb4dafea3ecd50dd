/** A query as data, and the call it becomes. Pure: building never fails, a mistake is kept until the query is run. */

import { type FluxbaseError, usageError } from "../core/errors.js";
import type { Call } from "../core/http.js";
import { columns as columnList } from "./literal.js";
import type { Count } from "./types.js";

/** How many rows the caller wants to see: all, exactly one, or at most one. */
export type Cardinality = "many" | "one" | "maybe";

/** A query under construction. Plain data; replaced, never changed. */
export interface Query {
  readonly table: string;
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "DELETE";
  readonly filters: readonly (readonly [parameter: string, condition: string])[];
  readonly order: readonly string[];
  readonly select?: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly body?: unknown;
  readonly count?: Count;
  readonly returning: boolean;
  readonly cardinality: Cardinality;
  readonly signal?: AbortSignal;
  /** The first mistake made while building. */
  readonly mistake?: FluxbaseError;
}

/** The empty query on a table. */
export function emptyQuery(table: string): Query {
  return { table, method: "GET", filters: [], order: [], returning: false, cardinality: "many" };
}

const isRead = (query: Query) => query.method === "GET" || query.method === "HEAD";

/** The call that a query becomes. */
export function toCall(query: Query): Call {
  const preferences: string[] = [];
  if (query.returning) preferences.push("return=representation");
  else if (!isRead(query)) preferences.push("return=minimal");
  if (query.count !== undefined) preferences.push(`count=${query.count}`);
  return {
    family: "data",
    method: query.method,
    path: `/api/v1/tables/${encodeURIComponent(query.table)}`,
    query: parameters(query).toString(),
    body: query.body,
    headers: preferences.length > 0 ? { Prefer: preferences.join(",") } : undefined,
    signal: query.signal,
  };
}

function parameters(query: Query): URLSearchParams {
  const search = new URLSearchParams();
  if (query.select !== undefined) search.set("select", columnList(query.select));
  for (const [name, condition] of query.filters) search.append(name, condition);
  if (query.order.length > 0) search.set("order", query.order.join(","));
  const limit = rowLimit(query);
  if (limit !== undefined) search.set("limit", String(limit));
  if (query.offset !== undefined) search.set("offset", String(query.offset));
  const keys = unevenKeys(query.body);
  if (keys !== undefined) search.set("columns", keys.map((key) => `"${key.replace(/[\\"]/g, "\\$&")}"`).join(","));
  return search;
}

/** To see that there is more than one row, two are enough. */
function rowLimit(query: Query): number | undefined {
  if (query.cardinality === "many" || !isRead(query)) return query.limit;
  return Math.min(query.limit ?? 2, 2);
}

/** All keys of the rows if the rows differ in them (the server must be told), else undefined. */
function unevenKeys(body: unknown): string[] | undefined {
  if (!Array.isArray(body)) return undefined;
  const all = new Set<string>();
  for (const row of body as object[]) for (const key of Object.keys(row ?? {})) all.add(key);
  const even = (body as object[]).every((row) => Object.keys(row ?? {}).length === all.size);
  return even ? undefined : [...all];
}

/** A whole number that is not negative, or the mistake to report. */
export function rowNumber(name: string, value: number): FluxbaseError | undefined {
  if (Number.isSafeInteger(value) && value >= 0) return undefined;
  return usageError(`${name} must be a whole number, 0 or more`, "invalid_query");
}
