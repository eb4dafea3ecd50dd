/** The way to the routes of operators. */

import type { Gateway } from "../core/gateway.js";
import type { Call } from "../core/http.js";

const BASE = "/api/v1/admin";
const TIMEOUT_MS = 30_000;

/** Sends a call to a route of operators, as whoever the client is, and returns the body of a success. */
export type Send = (method: Call["method"], path: string, body?: unknown, query?: string) => Promise<unknown>;

export function sendBy(gateway: Gateway): Send {
  return (method, path, body, query) =>
    gateway.request({ family: "auth", method, path: `${BASE}${path}`, query, body, timeoutMs: TIMEOUT_MS });
}

/** What is given of a filter, as a query. Objects are sent as JSON. */
export function queryOf(filter: object): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined || value === null) continue;
    words.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return words.toString();
}
