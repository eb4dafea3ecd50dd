/** Runs a query and reads its answer. */

import type { Answer } from "../core/answer.js";
import { asFluxbaseError, DataError, type FluxbaseError } from "../core/errors.js";
import type { Gateway } from "../core/gateway.js";
import { problemError } from "../core/problem.js";
import { type Query, toCall } from "./query.js";

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
    const answer = await gateway.exchange(toCall(query));
    if (answer.status < 200 || answer.status > 299) return failed(problemError(answer, "data"), answer.statusText);
    return read(query, answer);
  } catch (thrown) {
    return failed(asFluxbaseError(thrown), "");
  }
}

function failed(error: FluxbaseError, statusText: string): Outcome {
  return { error, status: error.status, statusText };
}

function read(query: Query, answer: Answer): Outcome {
  const { status, statusText } = answer;
  const count = totalCount(answer.headers.get("content-range"));
  const wantsRows = query.method === "GET" || query.returning;
  if (!wantsRows) return { error: null, data: null, count, status, statusText };
  if (!Array.isArray(answer.body)) {
    return failed(
      new DataError("The server's answer is not a list of rows", { status, code: "invalid_response" }),
      statusText,
    );
  }
  const rows = answer.body as unknown[];
  if (query.cardinality === "many") return { error: null, data: rows, count, status, statusText };
  const [first] = rows;
  if (rows.length === 1) return { error: null, data: first, count, status, statusText };
  if (rows.length === 0 && query.cardinality === "maybe") return { error: null, data: null, count, status, statusText };
  return failed(notOneRow(rows.length, query.method === "GET"), "Not Acceptable");
}

/** The total after the slash of `Content-Range: 0-9/123`, null when it was not counted. */
function totalCount(contentRange: string | null): number | null {
  const total = contentRange?.split("/")[1];
  return total !== undefined && /^\d+$/.test(total) ? Number(total) : null;
}

function notOneRow(rows: number, isRead: boolean): DataError {
  return new DataError("Cannot coerce the result to a single JSON object", {
    status: 406,
    code: "PGRST116",
    details: `The result contains ${rows === 0 ? "0 rows" : isRead ? "more than 1 row" : `${rows} rows`}`,
    hint: isRead ? undefined : "The rows have been written; single() looks only at what was returned",
  });
}
