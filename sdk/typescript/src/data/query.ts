/** A query as data, and the call it becomes. Pure: building never fails, a mistake is kept until the query is run. */

import { type FluxbaseError, usageError } from "../core/errors.js";
import type { Call } from "../core/http.js";
import { columns as columnList } from "./literal.js";

/** How many rows the caller wants to see: all, exactly one, or at most one. */
export type Cardinality = "many" | "one" | "maybe";

/** A query under construction. Plain data; replaced, never changed. */
export interface Query {
  readonly table: string;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly filters: readonly (readonly [parameter: string, condition: string])[];
  readonly order: readonly string[];
  readonly select?: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly body?: unknown;
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

/** The call that a query becomes. */
export function toCall(query: Query): Call {
  const preference = query.returning ? "return=representation" : "return=minimal";
  return {
    family: "data",
    method: query.method,
    path: `/api/v1/tables/${encodeURIComponent(query.table)}`,
    query: parameters(query).toString(),
    body: evenRows(query.body),
    headers: query.method === "GET" ? undefined : { Prefer: preference },
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
  return search;
}

/** To see that there is more than one row, two are enough. */
function rowLimit(query: Query): number | undefined {
  if (query.cardinality === "many" || query.method !== "GET") return query.limit;
  return Math.min(query.limit ?? 2, 2);
}

/** The rows of one insert must have the same keys; where one lacks a key that another has, it gets a null. */
function evenRows(body: unknown): unknown {
  if (!Array.isArray(body)) return body;
  const rows = body as Record<string, unknown>[];
  const keys = new Set<string>();
  for (const row of rows) for (const [key, value] of Object.entries(row ?? {})) if (value !== undefined) keys.add(key);
  const isEven = (row: Record<string, unknown>) => [...keys].every((key) => row?.[key] !== undefined);
  if (rows.every(isEven)) return rows;
  return rows.map((row) => Object.fromEntries([...keys].map((key) => [key, row?.[key] ?? null])));
}

/** A whole number that is not negative, or the mistake to report. */
export function rowNumber(name: string, value: number): FluxbaseError | undefined {
  if (Number.isSafeInteger(value) && value >= 0) return undefined;
  return usageError(`${name} must be a whole number, 0 or more`, "invalid_query");
}
