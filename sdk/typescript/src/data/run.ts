/** Runs a query and reads its answer. */

import type { Answer } from "../core/answer.js";
import { asFluxbaseError, DataError, type FluxbaseError } from "../core/errors.js";
import type { Gateway } from "../core/gateway.js";
import { problemError } from "../core/problem.js";
import { isCountedHere, isRead, type Query, toCall } from "./query.js";
import { persist } from "./retry.js";

/** What came of a query. */
export type Outcome =
  | {
      readonly error: null;
      readonly data: unknown;
      readonly count: number | null;
      readonly status: number;
      readonly statusText: string;
    }
  | { readonly error: FluxbaseError; readonly status: number; readonly statusText: string };

/** Runs a query. Never rejects. */
export async function run(gateway: Gateway, query: Query): Promise<Outcome> {
  if (query.mistake !== undefined) return failed(query.mistake, "");
  try {
    const exchange = gateway.exchange.bind(gateway);
    const call = toCall(query);
    const answer = await (isRead(query) && query.retry ? persist(exchange, call) : exchange(call));
    if (answer.status < 200 || answer.status > 299) return refused(query, answer);
    return read(query, answer);
  } catch (thrown) {
    return failed(asFluxbaseError(thrown), "");
  }
}

function failed(error: FluxbaseError, statusText: string): Outcome {
  return { error, status: error.status, statusText };
}

/** A write that may have one row or none is refused as one that must have one. */
function refused(query: Query, answer: Answer): Outcome {
  const error = problemError(answer, "data");
  const none = error.code === "PGRST116" && error.details?.startsWith("The result contains 0 rows");
  if (query.cardinality === "maybe" && none)
    return { error: null, data: null, count: 0, status: 200, statusText: "OK" };
  return failed(error, answer.statusText);
}

function read(query: Query, answer: Answer): Outcome {
  const { status, statusText } = answer;
  const count = totalCount(answer.headers.get("content-range"));
  const done = (data: unknown): Outcome => ({ error: null, data, count, status, statusText });
  const isWrite = query.target === "tables" && !isRead(query);
  if (query.method === "HEAD" || (isWrite && !query.returning)) return done(null);
  if (query.plan?.format === "text" || query.format === "text/csv") return done(answer.text);
  const { body } = answer;
  const isSet = query.target === "tables" && query.plan === undefined && query.format === undefined;
  if (isSet && (query.cardinality === "many" || isCountedHere(query)) && !Array.isArray(body)) {
    const problem = new DataError("The server's answer is not a list of rows", { status, code: "invalid_response" });
    return failed(problem, statusText);
  }
  if (!isCountedHere(query) || !Array.isArray(body)) return done(body ?? null);
  if (body.length > 1) return failed(severalRows(), "Not Acceptable");
  return done(body[0] ?? null);
}

/** The total after the slash of `Content-Range: 0-9/123`, null when it was not counted. */
function totalCount(contentRange: string | null): number | null {
  const total = contentRange?.split("/")[1];
  return total !== undefined && /^\d+$/.test(total) ? Number(total) : null;
}

function severalRows(): DataError {
  return new DataError("Cannot coerce the result to a single JSON object", {
    status: 406,
    code: "PGRST116",
    details: "The result contains more than 1 row",
  });
}
