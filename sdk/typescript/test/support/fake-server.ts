/** A server of a hundred lines for unit tests: sessions with generations and a grace, and scripted failures. */

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly search: URLSearchParams;
  readonly headers: Headers;
  readonly body: unknown;
}

interface Account {
  id: string;
  email: string;
  password: string;
  user_metadata: Record<string, unknown>;
}

interface ServerSession {
  id: string;
  account: Account;
  generation: number;
  rotatedAt: number;
  ended?: string;
}

/** What to do instead of the ordinary answer: a response, or an error to throw. */
export type Script = (seen: Seen) => Response | Error | undefined;

export const GRACE_MS = 10_000;

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

function jwt(claims: Record<string, unknown>): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encode({ alg: "none" })}.${encode(claims)}.sig`;
}

export class FakeServer {
  readonly seen: Seen[] = [];
  readonly sessions = new Map<string, ServerSession>();
  readonly #accounts = new Map<string, Account>();
  script: Script = () => undefined;
  expiresIn = 900;
  /** Seconds by which this server's clock is ahead of the client's. */
  skew = 0;
  /** Milliseconds until each answer. */
  delay: () => number = () => 0;
  tables: (seen: Seen) => Response = () => json(200, []);
  #serial = 0;

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
    const scripted = this.script(seen);
    const answer = scripted ?? this.#answer(seen);
    const wait = this.delay();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    init?.signal?.throwIfAborted();
    if (answer instanceof Error) throw answer;
    return answer;
  };

  end(sessionId: string, reason: string): void {
    const session = this.sessions.get(sessionId);
    if (session) session.ended = reason;
  }

  #answer(seen: Seen): Response {
    const body = (seen.body ?? {}) as Record<string, string>;
    const route = `${seen.method} ${seen.path.replace("/api/v1/auth", "")}`;
    switch (route) {
      case "POST /signup": {
        const account = {
          id: `user-${++this.#serial}`,
          email: body["email"] ?? "",
          password: body["password"] ?? "",
          user_metadata: {},
        };
        Object.assign(account.user_metadata, (seen.body as { data?: object }).data);
        this.#accounts.set(account.email, account);
        return json(201, this.#open(account));
      }
      case "POST /signin": {
        const account = this.#accounts.get(body["email"] ?? "");
        if (account?.password !== body["password"]) return problem(401, "invalid_credentials");
        return json(200, this.#open(account as Account));
      }
      case "POST /refresh":
        return this.#refresh(body["refresh_token"] ?? "");
      default:
    }
    if (seen.path.startsWith("/api/v1/tables/")) return this.tables(seen);
    return this.#authorised(seen, route);
  }

  #open(account: Account): unknown {
    const session: ServerSession = { id: `session-${++this.#serial}`, account, generation: 1, rotatedAt: Date.now() };
    this.sessions.set(session.id, session);
    return { user: this.user(account), session: this.#tokens(session) };
  }

  #refresh(token: string): Response {
    const [, id, generation] = token.split(":");
    const session = this.sessions.get(id ?? "");
    if (!session) return problem(401, "refresh_token_invalid");
    if (session.ended) return problem(401, "session_ended", { reason: session.ended });
    const presented = Number(generation);
    if (presented === session.generation) {
      session.generation += 1;
      session.rotatedAt = Date.now();
    } else if (presented !== session.generation - 1 || Date.now() - session.rotatedAt > GRACE_MS) {
      session.ended = "reuse_detected";
      return problem(401, "session_ended", { reason: "reuse_detected" });
    }
    return json(200, { user: this.user(session.account), session: this.#tokens(session) });
  }

  #tokens(session: ServerSession): unknown {
    const now = Math.floor(Date.now() / 1000) + this.skew;
    const exp = now + this.expiresIn;
    return {
      id: session.id,
      access_token: jwt({ session_id: session.id, exp, sub: session.account.id, jti: ++this.#serial }),
      token_type: "bearer",
      expires_in: this.expiresIn,
      expires_at: exp,
      refresh_token: `fb_refresh:${session.id}:${session.generation}`,
    };
  }

  #authorised(seen: Seen, route: string): Response {
    const bearer = seen.headers.get("authorization")?.replace("Bearer ", "") ?? "";
    const payload = bearer.split(".")[1];
    if (payload === undefined) return problem(401, "not_authenticated");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as { session_id: string; exp: number };
    const session = this.sessions.get(claims.session_id) as ServerSession;
    if (session.ended) return problem(401, "session_ended", { reason: session.ended });
    if (claims.exp <= Date.now() / 1000 + this.skew) return problem(401, "token_expired");
    switch (route) {
      case "GET /user":
        return json(200, this.user(session.account));
      case "PATCH /user":
        Object.assign(session.account.user_metadata, (seen.body as { data: object }).data);
        return json(200, this.user(session.account));
      case "POST /signout":
        this.#signOut(session, (seen.body as { scope: string }).scope);
        return new Response(null, { status: 204 });
      case "GET /sessions":
        return this.#page(session, seen.search.get("cursor"));
      case "DELETE /sessions":
        for (const other of this.sessions.values()) if (other !== session) other.ended = "signed_out";
        return new Response(null, { status: 204 });
      default:
        if (route.startsWith("DELETE /sessions/")) {
          this.end(route.slice("DELETE /sessions/".length), "signed_out");
          return new Response(null, { status: 204 });
        }
        return problem(404, "not_found");
    }
  }

  #signOut(current: ServerSession, scope: string): void {
    for (const session of this.sessions.values()) {
      const own = session === current;
      if (own ? scope !== "others" : scope !== "local" && session.account === current.account)
        session.ended = "signed_out";
    }
  }

  /** One session a page, to exercise the cursor. */
  #page(current: ServerSession, cursor: string | null): Response {
    const alive = [...this.sessions.values()].filter(
      (session) => !session.ended && session.account === current.account,
    );
    const at = Number(cursor ?? 0);
    const items = alive.slice(at, at + 1).map((session) => ({ id: session.id, current: session === current }));
    return json(200, { items, next_cursor: at + 1 < alive.length ? String(at + 1) : null });
  }

  user(account: Account): unknown {
    const { id, email, user_metadata } = account;
    return {
      id,
      email,
      email_verified: true,
      role: "authenticated",
      user_metadata: { ...user_metadata },
      app_metadata: {},
    };
  }
}
