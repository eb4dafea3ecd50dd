/** From an unsuccessful answer (RFC 9457 problem document) to a typed error. */

import type { Answer, Family } from "./answer.js";
import { AuthError, DataError, type FieldError, type FluxbaseError } from "./errors.js";

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function fieldErrors(value: unknown): readonly FieldError[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const fields: FieldError[] = [];
  for (const item of value as unknown[]) {
    const { pointer, detail } = (item ?? {}) as Record<string, unknown>;
    if (typeof pointer === "string") fields.push({ pointer, detail: text(detail) ?? "" });
  }
  return fields.length > 0 ? fields : undefined;
}

/**
 * `Retry-After` in seconds, from its two forms (seconds, or an HTTP date). Undefined when absent, unreadable or past.
 */
export function retryAfterSeconds(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const trimmed = header.trim();
  if (/^\d+$/.test(trimmed)) return Number(trimmed);
  const at = Date.parse(trimmed);
  if (Number.isNaN(at) || at <= nowMs) return undefined;
  return Math.ceil((at - nowMs) / 1000);
}

/** The typed error for an answer whose status is not a success. Never quotes a body that is not a problem document. */
export function problemError(answer: Answer, family: Family): FluxbaseError {
  const body = typeof answer.body === "object" && answer.body !== null ? (answer.body as Record<string, unknown>) : {};
  const code = text(body["code"]) ?? `http_${answer.status}`;
  const message =
    (family === "data" ? text(body["message"]) : undefined) ??
    text(body["detail"]) ??
    text(body["message"]) ??
    text(body["title"]) ??
    `The server answered ${answer.status}${answer.statusText ? ` ${answer.statusText}` : ""}`;
  const init = {
    status: answer.status,
    code,
    requestId: text(body["request_id"]) ?? text(answer.headers.get("x-request-id")),
    details: text(body["details"]),
    hint: text(body["hint"]),
    fields: fieldErrors(body["errors"]),
    reason: text(body["reason"]),
    retryAfter: retryAfterSeconds(answer.headers.get("retry-after"), Date.now()),
  };
  return family === "auth" ? new AuthError(message, init) : new DataError(message, init);
}
