/** What the parts of the fake server share. */

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly search: URLSearchParams;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface Account {
  readonly id: string;
  email: string | null;
  password: string | null;
  verified: boolean;
  user_metadata: Record<string, unknown>;
  app_metadata: Record<string, unknown>;
  new_email?: string;
  banned_until?: string | null;
  readonly factors: FakeFactor[];
  recovery: string[];
  deleted?: boolean;
}

export interface FakeFactor {
  readonly id: string;
  readonly name: string | null;
  verified: boolean;
  lastCode?: string;
}

export interface ServerSession {
  readonly id: string;
  readonly account: Account;
  generation: number;
  rotatedAt: number;
  ended?: string;
  aal: "aal1" | "aal2";
}

/** What a route is given: the body has been checked to hold nothing but `allowed` members. */
export interface Asked {
  readonly seen: Seen;
  readonly body: Record<string, string | undefined>;
  readonly signal: AbortSignal | undefined;
}

export type Answering = Response | Promise<Response>;

/** A route anybody may call. */
export interface OpenRoute {
  readonly allowed: readonly string[];
  readonly answer: (asked: Asked) => Answering;
}

/** A route for the signed-in person. */
export interface OwnRoute {
  readonly allowed: readonly string[];
  readonly answer: (asked: Asked, session: ServerSession) => Answering;
}

export function problem(
  status: number,
  code: string,
  more: Record<string, unknown> = {},
  headers: HeadersInit = {},
): Response {
  const body = {
    type: "about:blank",
    title: "Problem",
    status,
    detail: `problem ${code}`,
    code,
    request_id: "req-1",
    ...more,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/problem+json", ...Object.fromEntries(new Headers(headers)) },
  });
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

export const nothing = () => new Response(null, { status: 204 });
