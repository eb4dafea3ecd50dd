/**
 * The errors of the SDK.
 *
 * Every failure a caller can see is a {@link FluxbaseError}. `code` is stable and meant for programs, `message` is
 * meant for people. No message, field or cause ever holds a token, a key or a password.
 *
 * A page may load the package twice (once as ESM, once as CJS). `instanceof` therefore compares a brand that both
 * copies share, so that an error thrown by one copy is recognised by the other.
 */

/** One complaint about the input: a JSON pointer (RFC 6901) into the body that was sent, and what is wrong there. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** Everything an error may carry besides its message. */
export interface ErrorInit {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Stable, machine-readable code, e.g. `invalid_credentials`, `PGRST116`, `23505`. */
  readonly code: string;
  /** The server's id of the request, for support and logs. */
  readonly requestId?: string | undefined;
  /** More about the cause (data routes only). */
  readonly details?: string | undefined;
  /** What to do about it (data routes only). */
  readonly hint?: string | undefined;
  /** Complaints about single fields of the input. */
  readonly fields?: readonly FieldError[] | undefined;
  /** Why a session ended, with code `session_ended`. */
  readonly reason?: string | undefined;
  /** Seconds to wait before trying again, from `Retry-After`. */
  readonly retryAfter?: number | undefined;
}

const BRAND = Symbol.for("fluxbase.error");

function branded(kind: string, candidate: unknown): boolean {
  if (typeof candidate !== "object" || candidate === null) return false;
  const brand: unknown = (candidate as Record<symbol, unknown>)[BRAND];
  return Array.isArray(brand) && brand.includes(kind);
}

/** `instanceof` for our own classes goes by brand; a subclass written by somebody else keeps the ordinary meaning. */
function isInstance(this: object, candidate: unknown): boolean {
  const kind: unknown = Object.hasOwn(this, BRAND) ? (this as Record<symbol, unknown>)[BRAND] : undefined;
  if (typeof kind === "string") return branded(kind, candidate);
  return Function.prototype[Symbol.hasInstance].call(this, candidate);
}

/** Any failure of the SDK or the server. Test for the subclasses, or for `code`. */
export class FluxbaseError extends Error {
  static readonly [BRAND]: string = "FluxbaseError";
  static override [Symbol.hasInstance](candidate: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the class that was asked, which may be a subclass
    return isInstance.call(this, candidate);
  }

  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Stable, machine-readable code. */
  readonly code: string;
  /** The server's id of the request, when it answered. */
  readonly requestId?: string;
  /** More about the cause (data routes only). */
  readonly details?: string;
  /** What to do about it (data routes only). */
  readonly hint?: string;
  /** Complaints about single fields of the input. */
  readonly fields?: readonly FieldError[];
  /** Why a session ended (`signed_out`, `expired`, `idle`, `password_changed`, `reuse_detected`, ...). */
  readonly reason?: string;
  /** Seconds to wait before trying again. */
  readonly retryAfter?: number;

  constructor(message: string, init: ErrorInit) {
    super(message);
    this.name = "FluxbaseError";
    this.status = init.status;
    this.code = init.code;
    if (init.requestId !== undefined) this.requestId = init.requestId;
    if (init.details !== undefined) this.details = init.details;
    if (init.hint !== undefined) this.hint = init.hint;
    if (init.fields !== undefined) this.fields = init.fields;
    if (init.reason !== undefined) this.reason = init.reason;
    if (init.retryAfter !== undefined) this.retryAfter = init.retryAfter;
    Object.defineProperty(this, BRAND, { value: this.kinds(), enumerable: false });
  }

  /** The brands this error answers to; the most general first. */
  protected kinds(): string[] {
    return ["FluxbaseError"];
  }
}

/** A failure of an `/auth` route or of the session itself. */
export class AuthError extends FluxbaseError {
  static override readonly [BRAND]: string = "AuthError";
  constructor(message: string, init: ErrorInit) {
    super(message, init);
    this.name = "AuthError";
  }
  protected override kinds(): string[] {
    return [...super.kinds(), "AuthError"];
  }
}

/** A failure of a data route; `code` is PostgREST's (`PGRST116`), PostgreSQL's (`23505`) or Fluxbase's own. */
export class DataError extends FluxbaseError {
  static override readonly [BRAND]: string = "DataError";
  constructor(message: string, init: ErrorInit) {
    super(message, init);
    this.name = "DataError";
  }
  protected override kinds(): string[] {
    return [...super.kinds(), "DataError"];
  }
}

/**
 * There was no answer: unreachable, timed out, dropped half-way (code `network_error`), or given up by the caller's
 * own signal (code `aborted`). The server may or may not have acted. Status is 0.
 */
export class NetworkError extends FluxbaseError {
  static override readonly [BRAND]: string = "NetworkError";
  constructor(message: string, code: "network_error" | "aborted" = "network_error") {
    super(message, { status: 0, code });
    this.name = "NetworkError";
  }
  protected override kinds(): string[] {
    return [...super.kinds(), "NetworkError"];
  }
}

/** Whatever was thrown, as a {@link FluxbaseError}. A foreign error keeps only its name: its text may hold secrets. */
export function asFluxbaseError(thrown: unknown): FluxbaseError {
  if (thrown instanceof FluxbaseError) return thrown;
  const name = thrown instanceof Error ? thrown.name : typeof thrown;
  return new FluxbaseError(`Unexpected failure in the client (${name})`, { status: 0, code: "unexpected_failure" });
}

/** A mistake in how the client was called; `code` is `invalid_options`, `invalid_query` or `invalid_body`. */
export function usageError(message: string, code: "invalid_options" | "invalid_query" | "invalid_body"): FluxbaseError {
  return new FluxbaseError(message, { status: 0, code });
}

/** Nobody is signed in, and the call needs somebody who is. */
export function sessionMissing(): AuthError {
  return new AuthError("Nobody is signed in", { status: 400, code: "session_missing" });
}

/** A link that opened the page is somebody else's than who is signed in here. */
export function sessionConflict(): AuthError {
  return new AuthError("Somebody else is signed in here; sign out first", { status: 409, code: "session_conflict" });
}

/** The call needs something that an earlier step would have left in this client. */
export function stepMissing(code: "mfa_token_missing" | "recovery_token_missing"): AuthError {
  const what = code === "mfa_token_missing" ? "No sign-in waits for a second factor" : "No reset link was opened here";
  return new AuthError(what, { status: 400, code });
}
