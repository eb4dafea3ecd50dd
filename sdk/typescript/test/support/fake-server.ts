/**
 * A server for tests that need no other: sessions with generations and a grace, and scripted failures. Mail, accounts
 * and operators have files of their own.
 */

import { FakeAccounts } from "./fake-account.js";
import { adminAnswer } from "./fake-admin.js";
import { FakeMail } from "./fake-mail.js";
import {
  type Account,
  type Asked,
  json,
  nothing,
  type OpenRoute,
  type OwnRoute,
  problem,
  type Seen,
  type ServerSession,
} from "./fake-types.js";

export type { Mail } from "./fake-mail.js";
export { type Account, json, problem, type Seen } from "./fake-types.js";

/** What to do instead of the ordinary answer: a response, or an error to throw. */
export type Script = (seen: Seen) => Response | Error | undefined;

export const GRACE_MS = 10_000;

function jwt(claims: Record<string, unknown>): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encode({ alg: "none" })}.${encode(claims)}.sig`;
}

export class FakeServer {
  readonly seen: Seen[] = [];
  readonly sessions = new Map<string, ServerSession>();
  readonly accounts: Account[] = [];
  readonly mail = new FakeMail(this);
  readonly mfa = new FakeAccounts(this);
  script: Script = () => undefined;
  expiresIn = 900;
  /** Whether addresses must be confirmed. */
  confirm = false;
  /** Seconds by which this server's clock is ahead of the client's. */
  skew = 0;
  /** Milliseconds until each answer. */
  delay: () => number = () => 0;
  /** What tables and functions answer. */
  tables: (seen: Seen) => Response = () => json(200, []);
  #serial = 0;
  readonly #open: Record<string, OpenRoute> = { ...this.#openRoutes(), ...this.mail.routes, ...this.mfa.open };
  readonly #own: Record<string, OwnRoute> = { ...this.#ownRoutes(), ...this.mfa.own };

  get url(): string {
    return "http://fake.test";
  }

  requests(path: string): Seen[] {
    return this.seen.filter((request) => request.path === `/api/v1/auth${path}`);
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(String(input));
    const seen: Seen = {
      method: init?.method ?? "GET",
      path: url.pathname,
      search: url.searchParams,
      headers: new Headers(init?.headers),
      body: typeof init?.body === "string" ? JSON.parse(init.body) : undefined,
    };
    this.seen.push(seen);
    const answer = this.script(seen) ?? (await this.#answer(seen, init?.signal ?? undefined));
    const wait = this.delay();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    init?.signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer;
  };

  account(email: string): Account | undefined {
    return this.accounts.find((one) => one.email === email && !one.deleted);
  }

  add(parts: Partial<Account>): Account {
    const id = `user-${++this.#serial}`;
    const fresh = { email: null, password: null, verified: false, user_metadata: {}, app_metadata: {}, recovery: [] };
    const account: Account = { id, factors: [], ...fresh, ...parts };
    this.accounts.push(account);
    return account;
  }

  /** The answer to a first factor that was right. */
  enter(account: Account): unknown {
    return account.factors.some(({ verified }) => verified) ? this.mfa.secondStep(account) : this.begin(account);
  }

  begin(account: Account, aal: ServerSession["aal"] = "aal1"): unknown {
    const id = `session-${++this.#serial}`;
    const session: ServerSession = { id, account, generation: 1, rotatedAt: Date.now(), aal };
    this.sessions.set(session.id, session);
    return { user: this.user(account), session: this.#tokens(session) };
  }

  rotate(session: ServerSession): unknown {
    session.generation += 1;
    session.rotatedAt = Date.now();
    return { user: this.user(session.account), session: this.#tokens(session) };
  }

  /** The session as it is, with fresh tokens of the same generation. */
  current(session: ServerSession): { readonly user: unknown; readonly session: unknown } {
    return { user: this.user(session.account), session: this.#tokens(session) };
  }

  /** Whose access token a request has been sent with. */
  session(seen: Seen): ServerSession | undefined {
    return this.#bearer(seen)?.session;
  }

  #bearer(seen: Seen): { readonly session: ServerSession; readonly exp: number } | undefined {
    const payload = seen.headers.get("authorization")?.split(".")[1];
    if (payload === undefined) return undefined;
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { session_id: string; exp: number };
    const session = this.sessions.get(claims.session_id);
    return session === undefined ? undefined : { session, exp: claims.exp };
  }

  end(sessionId: string, reason: string): void {
    const session = this.sessions.get(sessionId);
    if (session) session.ended = reason;
  }

  alive(account: Account): ServerSession[] {
    return [...this.sessions.values()].filter((one) => one.account === account && !one.ended);
  }

  /** Ends all sessions of an account but one; says how many. */
  endAll(account: Account, reason: string, but?: ServerSession): number {
    const ending = this.alive(account).filter((one) => one !== but);
    for (const session of ending) session.ended = reason;
    return ending.length;
  }

  user(account: Account): unknown {
    const { id, email, user_metadata, app_metadata, new_email, banned_until } = account;
    return {
      id,
      email,
      email_verified: account.verified,
      role: email === null ? "anonymous" : "authenticated",
      user_metadata: { ...user_metadata },
      app_metadata: { ...app_metadata },
      is_anonymous: email === null,
      mfa_enabled: account.factors.some(({ verified }) => verified),
      ...(new_email === undefined ? {} : { new_email }),
      ...(banned_until === undefined ? {} : { banned_until }),
    };
  }

  #answer(seen: Seen, signal: AbortSignal | undefined): Response | Promise<Response> {
    if (seen.path.startsWith("/api/v1/tables/") || seen.path.startsWith("/api/v1/rpc/")) return this.tables(seen);
    if (seen.path.startsWith("/api/v1/admin/")) return adminAnswer(this, seen);
    const route = `${seen.method} ${seen.path.replace("/api/v1/auth", "")}`;
    const asked: Asked = { seen, signal, body: (seen.body ?? {}) as Asked["body"] };
    const open = this.#open[route];
    const own = this.#own[route] ?? this.#own[route.replace(/\/[^/]+$/, "/:id")];
    const unknown = Object.keys(asked.body).filter((name) => !(open ?? own)?.allowed.includes(name));
    if ((open ?? own) !== undefined && unknown.length > 0) {
      return problem(400, "validation_failed", {
        errors: unknown.map((name) => ({ pointer: `/${name}`, detail: "?" })),
      });
    }
    const found = this.#bearer(seen);
    const session = found?.session;
    // A token that is no good is refused wherever it is sent.
    if (session?.ended) return problem(401, "session_ended", { reason: session.ended });
    if (found !== undefined && found.exp <= Date.now() / 1000 + this.skew) return problem(401, "token_expired");
    if (open !== undefined) return open.answer(asked);
    if (session === undefined) return problem(401, "not_authenticated");
    return own?.answer(asked, session) ?? problem(404, "not_found");
  }

  #openRoutes(): Record<string, OpenRoute> {
    return {
      "POST /signup": {
        allowed: ["email", "password", "data", "redirect_to"],
        answer: ({ seen, body }) => {
          const { data = {} } = seen.body as { data?: Record<string, unknown> };
          const email = body["email"] ?? "";
          const made = { email, password: body["password"] ?? "", verified: !this.confirm, user_metadata: { ...data } };
          const account = this.add(made);
          if (!this.confirm) return json(201, this.begin(account));
          return json(201, { user: null, session: null, flow_id: this.mail.send(email, "signup").flow });
        },
      },
      "POST /signin": {
        allowed: ["email", "password"],
        answer: ({ body }) => {
          const account = this.account(body["email"] ?? "");
          if (account === undefined || account.password !== body["password"])
            return problem(401, "invalid_credentials");
          if (this.confirm && !account.verified) return problem(403, "email_not_confirmed");
          return json(200, this.enter(account));
        },
      },
      "POST /anonymous": {
        allowed: ["data"],
        answer: ({ seen }) => {
          const { data = {} } = (seen.body ?? {}) as { data?: Record<string, unknown> };
          return json(201, this.begin(this.add({ user_metadata: { ...data } })));
        },
      },
      "POST /refresh": { allowed: ["refresh_token"], answer: ({ body }) => this.#refresh(body["refresh_token"] ?? "") },
    };
  }

  #ownRoutes(): Record<string, OwnRoute> {
    return {
      "GET /user": { allowed: [], answer: (_, { account }) => json(200, this.user(account)) },
      "PATCH /user": {
        allowed: ["data"],
        answer: ({ seen }, { account }) => {
          Object.assign(account.user_metadata, (seen.body as { data: object }).data);
          return json(200, this.user(account));
        },
      },
      "POST /signout": {
        allowed: ["scope"],
        answer: ({ body }, session) => {
          const { scope } = body;
          if (scope !== "others") session.ended = "signed_out";
          if (scope !== "local") this.endAll(session.account, "signed_out", session);
          return nothing();
        },
      },
      "GET /sessions": { allowed: [], answer: ({ seen }, session) => this.#page(session, seen.search.get("cursor")) },
      "DELETE /sessions": {
        allowed: [],
        answer: (_, session) => {
          this.endAll(session.account, "signed_out", session);
          return nothing();
        },
      },
      "DELETE /sessions/:id": {
        allowed: [],
        answer: ({ seen }) => {
          this.end(seen.path.split("/").pop() ?? "", "signed_out");
          return nothing();
        },
      },
    };
  }

  #refresh(token: string): Response {
    const [, id, generation] = token.split(":");
    const session = this.sessions.get(id ?? "");
    if (!session) return problem(401, "refresh_token_invalid");
    if (session.ended) return problem(401, "session_ended", { reason: session.ended });
    const presented = Number(generation);
    if (presented === session.generation) return json(200, this.rotate(session));
    if (presented !== session.generation - 1 || Date.now() - session.rotatedAt > GRACE_MS) {
      session.ended = "reuse_detected";
      return problem(401, "session_ended", { reason: "reuse_detected" });
    }
    return json(200, { user: this.user(session.account), session: this.#tokens(session) });
  }

  #tokens(session: ServerSession): unknown {
    const now = Math.floor(Date.now() / 1000) + this.skew;
    const exp = now + this.expiresIn;
    const { id, account, aal } = session;
    const amr = aal === "aal2" ? ["pwd", "otp"] : ["pwd"];
    return {
      id,
      access_token: jwt({ session_id: id, exp, sub: account.id, jti: ++this.#serial, aal, amr }),
      token_type: "bearer",
      expires_in: this.expiresIn,
      expires_at: exp,
      refresh_token: `fb_refresh:${id}:${session.generation}`,
    };
  }

  /** One session a page, to exercise the cursor. */
  #page(current: ServerSession, cursor: string | null): Response {
    const alive = this.alive(current.account);
    const at = Number(cursor ?? 0);
    const items = alive.slice(at, at + 1).map((session) => ({ id: session.id, current: session === current }));
    return json(200, { items, next_cursor: at + 1 < alive.length ? String(at + 1) : null });
  }
}
