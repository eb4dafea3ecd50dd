/**
 * One HTTP exchange with the server: headers, body, time limit, JSON. Knows nothing about sessions; who the request is
 * sent as is an argument.
 */

import type { Answer, Family } from "./answer.js";
import { NetworkError, usageError } from "./errors.js";

/** A request, before it is dressed with headers. */
export interface Call {
  readonly family: Family;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the server's URL, starting with `/`. */
  readonly path: string;
  /** Query string without the question mark. */
  readonly query?: string | undefined;
  /** Sent as JSON when not undefined. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the attempt is given up with a {@link NetworkError}; no limit when undefined. */
  readonly timeoutMs?: number | undefined;
}

/** What {@link Http} needs to know. */
export interface HttpOptions {
  /** Origin and path prefix of the server, without a trailing slash. */
  readonly url: string;
  readonly clientKey?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
  readonly clientInfo: string;
}

/** Cookies would be a second credential beside the bearer token. Runtimes without cookies may not know the option. */
const CREDENTIALS: RequestInit = typeof document === "undefined" ? {} : { credentials: "omit" };
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Sends calls. Safe for concurrent use. */
export class Http {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * Sends one call, as `bearer` (null: as nobody), and reads the whole answer. Any status is an answer.
   * Throws {@link NetworkError} when there is none, and `invalid_body` when the body cannot be written as JSON.
   */
  async send(call: Call, bearer: string | null): Promise<Answer> {
    const body = encodeBody(call.body);
    const url = `${this.#options.url}${call.path}${call.query ? `?${call.query}` : ""}`;
    const limit = new Limit(call.signal, call.timeoutMs);
    try {
      const response = await this.#options.fetch(url, {
        method: call.method,
        headers: this.#headers(call, bearer, body !== undefined),
        ...(body === undefined ? {} : { body }),
        signal: limit.signal,
        // The API never redirects. Following one could carry a refresh token in a body to another origin.
        redirect: "manual",
        ...CREDENTIALS,
      });
      if (response.type === "opaqueredirect" || REDIRECTS.has(response.status)) {
        throw new NetworkError("The server redirected the request elsewhere; check the client's url");
      }
      const text = await response.text();
      return {
        status: response.status,
        statusText: response.statusText,
        headers: response.headers,
        text,
        body: decodeBody(text),
      };
    } catch (thrown) {
      throw limit.explain(thrown);
    } finally {
      limit.clear();
    }
  }

  #headers(call: Call, bearer: string | null, hasBody: boolean): Headers {
    const { clientKey, clientInfo, headers } = this.#options;
    const all = new Headers(headers);
    all.set("Accept", "application/json");
    for (const [name, value] of Object.entries(call.headers ?? {})) all.set(name, value);
    if (hasBody) all.set("Content-Type", "application/json");
    if (clientKey !== undefined) all.set("apikey", clientKey);
    if (bearer !== null) all.set("Authorization", `Bearer ${bearer}`);
    all.set("X-Client-Info", clientInfo);
    return all;
  }
}

/** The caller's signal and a time limit, joined (AbortSignal.any is younger than the browsers we support). */
class Limit {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #timedOut = false;
  readonly #onAbort = () => this.#controller.abort();

  constructor(outer: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#outer = outer;
    if (outer?.aborted) this.#controller.abort();
    outer?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#timedOut = true;
        this.#controller.abort();
      }, timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * The error for what fetch threw. The text of a foreign error is dropped: some runtimes quote the header they could
   * not send, token and all.
   */
  explain(thrown: unknown): Error {
    if (thrown instanceof NetworkError) return thrown;
    if (this.#outer?.aborted) return new NetworkError("The request was aborted", "aborted");
    if (this.#timedOut) return new NetworkError("The server did not answer in time");
    const cause = thrown instanceof Error ? (thrown.cause as { code?: unknown } | undefined) : undefined;
    const code = typeof cause?.code === "string" && /^[A-Z0-9_]{2,40}$/.test(cause.code) ? ` (${cause.code})` : "";
    return new NetworkError(`The server could not be reached${code}`);
  }

  clear(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}

function encodeBody(body: unknown): string | undefined {
  if (body === undefined) return undefined;
  try {
    return JSON.stringify(body);
  } catch {
    throw usageError("The value cannot be written as JSON (a cycle, or a BigInt)", "invalid_body");
  }
}

function decodeBody(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
