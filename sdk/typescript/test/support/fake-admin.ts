/** The fake server's routes for operators. */

import { factorsOf } from "./fake-account.js";
import type { FakeServer } from "./fake-server.js";
import { json, problem, type Seen } from "./fake-types.js";

/** Answers `/api/v1/admin/...` for a service key. */
export function adminAnswer(server: FakeServer, seen: Seen): Response {
  if (seen.headers.get("authorization") !== "Bearer fb_service_abc") return problem(401, "not_authenticated");
  const [, , , , , id, what] = seen.path.split("/");
  if (seen.path.startsWith("/api/v1/admin/sessions/")) {
    const session = server.sessions.get(what === undefined ? (id ?? "") : "");
    if (session === undefined || session.ended) return problem(404, "session_not_found");
    session.ended = "admin";
    return new Response(null, { status: 204 });
  }
  const body = (seen.body ?? {}) as Record<string, string> & { email: string };
  const account = server.accounts.find((one) => one.id === id);
  const route = `${seen.method} ${id === undefined ? "" : id === "invite" ? "invite" : `:id${what ? `/${what}` : ""}`}`;
  if (route.includes(":id") && (account === undefined || account.deleted)) return problem(404, "user_not_found");
  const found = account as NonNullable<typeof account>;
  switch (route) {
    case "GET ": {
      const limit = Number(seen.search.get("limit") ?? 20);
      const at = Number(seen.search.get("cursor") ?? 0);
      const email = seen.search.get("email");
      const all = server.accounts.filter((one) => !one.deleted && (email === null || one.email === email));
      const next_cursor = at + limit < all.length ? String(at + limit) : null;
      return json(200, { items: all.slice(at, at + limit).map((one) => server.user(one)), next_cursor });
    }
    case "POST ":
    case "POST invite": {
      if (server.account(body.email)) return problem(409, "user_already_exists");
      const metadata = (body["user_metadata"] ?? body["data"] ?? {}) as unknown as Record<string, unknown>;
      const made = server.add({ email: body.email, password: body["password"] ?? null, user_metadata: metadata });
      if (id === "invite") server.mail.send(body.email, "signup");
      return json(201, server.user(made));
    }
    case "GET :id":
      return json(200, server.user(found));
    case "PATCH :id":
      Object.assign(found, body);
      return json(200, server.user(found));
    case "DELETE :id":
      found.deleted = seen.search.get("dry_run") !== "true";
      return json(200, {
        deleted: found.deleted,
        blocked: false,
        sessions: found.deleted ? server.endAll(found, "user_deleted") : server.alive(found).length,
        references: [],
        left: [],
      });
    case "POST :id/ban":
      found.banned_until = body["until"] ?? "infinity";
      server.endAll(found, "banned");
      return json(200, server.user(found));
    case "DELETE :id/ban":
      found.banned_until = null;
      return json(200, server.user(found));
    case "GET :id/sessions":
      return json(200, { items: server.alive(found).map((one) => ({ id: one.id })), next_cursor: null });
    case "DELETE :id/sessions":
      return json(200, { ended: server.endAll(found, "admin") });
    case "GET :id/factors":
    case "POST :id/factors":
      return json(200, { ...factorsOf(found), failed_attempts: 0, blocked_until: null, locked: false });
    case "DELETE :id/factors": {
      if (!body["reason"]) return problem(400, "reason_required");
      const gone = found.factors.filter((one) => one.id === (seen.search.get("factor") ?? one.id));
      if (gone.length === 0) return problem(404, "mfa_factor_not_found");
      found.factors.splice(0, Number.POSITIVE_INFINITY, ...found.factors.filter((one) => !gone.includes(one)));
      if (found.factors.length === 0) found.recovery = [];
      server.endAll(found, "factor_changed");
      return json(200, { ...factorsOf(found), failed_attempts: 0, blocked_until: null, locked: false });
    }
    case "POST :id/impersonate":
      return body["reason"] ? json(201, server.begin(found)) : problem(400, "reason_required");
    default:
      return problem(404, "not_found");
  }
}
