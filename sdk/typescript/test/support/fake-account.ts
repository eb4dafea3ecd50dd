/** The fake server's routes for the signed-in person: second factors, and what signs them in. */

import type { FakeServer } from "./fake-server.js";
import { type Account, json, nothing, type OpenRoute, type OwnRoute, problem } from "./fake-types.js";

export class FakeAccounts {
  readonly #server: FakeServer;
  readonly #pending = new Map<string, Account>();
  /** The code that every authenticator shows now; each is good for one use. */
  totp = "123456";
  /** Routes that want fresh authentication refuse until somebody has reauthenticated. */
  stale = false;
  #serial = 0;

  constructor(server: FakeServer) {
    this.#server = server;
  }

  /** The answer to a first factor. */
  secondStep(account: Account): unknown {
    const mfa_token = `mfa-${++this.#serial}`;
    this.#pending.set(mfa_token, account);
    return { requires_2fa: true, mfa_token, methods: ["totp", "recovery_code"] };
  }

  get open(): Record<string, OpenRoute> {
    return {
      "POST /2fa/verify": {
        allowed: ["mfa_token", "code"],
        answer: ({ body }) => {
          const account = this.#pending.get(body["mfa_token"] ?? "");
          if (account === undefined) return problem(403, "otp_expired");
          if (!this.#accepts(account, body["code"])) return problem(403, "mfa_verification_failed");
          this.#pending.delete(body["mfa_token"] ?? "");
          return json(200, this.#server.begin(account, "aal2"));
        },
      },
      "GET /settings": {
        allowed: [],
        answer: () => json(200, { signup_enabled: true, magic_link: true, password: { min_length: 8 } }),
      },
    };
  }

  get own(): Record<string, OwnRoute> {
    const server = this.#server;
    return {
      "POST /2fa/enroll": {
        allowed: ["name"],
        answer: ({ body }, { account }) => {
          if (this.stale) return problem(403, "reauthentication_needed");
          const factor = { id: `factor-${++this.#serial}`, name: body["name"] ?? null, verified: false };
          account.factors.push(factor);
          const [secret, uri] = ["JBSWY3DPEHPK3PXP", "otpauth://totp/x"];
          return json(200, { id: factor.id, secret, uri, qr_code: "data:image/png;base64,AA==" });
        },
      },
      "POST /2fa/enroll/verify": {
        allowed: ["code", "id"],
        answer: ({ body }, session) => {
          const { account } = session;
          const factor = account.factors.find((one) => !one.verified && (body["id"] ?? one.id) === one.id);
          if (factor === undefined) return problem(404, "mfa_factor_not_found");
          if (body["code"] !== this.totp) return problem(403, "mfa_verification_failed");
          factor.verified = true;
          factor.lastCode = this.totp;
          server.endAll(account, "factor_changed", session);
          const first = account.recovery.length === 0;
          if (first) account.recovery = ["aaaa-bbbb", "cccc-dddd"];
          return json(200, { recovery_codes: first ? account.recovery : [] });
        },
      },
      "GET /2fa": {
        allowed: [],
        answer: (_, { account }) => {
          const held = factorsOf(account);
          return json(200, { enabled: held.factors.length > 0, ...held });
        },
      },
      "POST /2fa/disable": {
        allowed: ["code", "password", "id"],
        answer: ({ body }, session) => {
          const { account } = session;
          if (!this.#proves(account, body)) return problem(403, "mfa_verification_failed");
          const gone = account.factors.filter(({ id }) => (body["id"] ?? id) === id);
          account.factors.splice(0, account.factors.length, ...account.factors.filter((one) => !gone.includes(one)));
          if (account.factors.length === 0) account.recovery = [];
          server.endAll(account, "factor_changed", session);
          return nothing();
        },
      },
      "POST /2fa/recovery-codes": {
        allowed: ["code", "password"],
        answer: ({ body }, { account }) => {
          if (!this.#proves(account, body)) return problem(403, "mfa_verification_failed");
          account.recovery = ["eeee-ffff"];
          return json(200, { recovery_codes: account.recovery });
        },
      },
      "POST /reauthenticate": {
        allowed: ["password", "code"],
        answer: ({ body }, { account }) => {
          if (Object.keys(body).length === 0) {
            server.mail.send(account.email ?? "", "reauthentication");
            return json(202, {});
          }
          const mailed = server.mail.box.find((one) => one.kind === "reauthentication" && !one.used);
          const byMail = mailed !== undefined && mailed.to === account.email && mailed.code === body["code"];
          if (!byMail && !this.#proves(account, body)) return problem(401, "invalid_credentials");
          if (byMail) mailed.used = true;
          this.stale = false;
          return json(200, { auth_time: 1_900_000_000 });
        },
      },
      "PUT /user/email": {
        allowed: ["email", "password"],
        answer: ({ body }, { account }) => {
          if (body["password"] === undefined ? this.stale : body["password"] !== account.password)
            return problem(403, this.stale ? "reauthentication_needed" : "invalid_credentials");
          account.new_email = body["email"] ?? "";
          return json(200, server.user(account));
        },
      },
      "PUT /user/password": {
        allowed: ["current_password", "new_password"],
        answer: ({ body }, session) => {
          const { account } = session;
          if (body["current_password"] !== undefined && body["current_password"] !== account.password)
            return problem(403, "invalid_credentials");
          if (body["current_password"] === undefined && this.stale) return problem(403, "reauthentication_needed");
          account.password = body["new_password"] ?? "";
          server.endAll(account, "password_changed", session);
          return json(200, server.user(account));
        },
      },
      "DELETE /user": {
        allowed: ["password"],
        answer: ({ body }, { account }) => {
          if (body["password"] !== undefined && body["password"] !== account.password)
            return problem(403, "invalid_credentials");
          account.deleted = true;
          server.endAll(account, "user_deleted");
          return nothing();
        },
      },
      "POST /anonymous/convert": {
        allowed: ["email", "password", "data", "redirect_to"],
        answer: ({ seen, body }, session) => {
          const { account } = session;
          if (server.account(body["email"] ?? "")) return problem(409, "user_already_exists");
          if (server.confirm) {
            account.new_email = body["email"] ?? "";
            account.password = body["password"] ?? "";
            const { flow } = server.mail.send(account.new_email, "signup", undefined, account);
            return json(200, { ...server.current(session), flow_id: flow });
          }
          account.email = body["email"] ?? "";
          account.password = body["password"] ?? "";
          Object.assign(account.user_metadata, (seen.body as { data?: object }).data);
          return json(200, server.rotate(session));
        },
      },
    };
  }

  #proves(account: Account, body: Readonly<Record<string, string | undefined>>): boolean {
    if (body["password"] !== undefined) return body["password"] === account.password;
    return this.#accepts(account, body["code"]);
  }

  #accepts(account: Account, code: string | undefined): boolean {
    if (code !== undefined && account.recovery.includes(code)) {
      account.recovery = account.recovery.filter((one) => one !== code);
      return true;
    }
    const factor = account.factors.find((one) => one.verified && code === this.totp && one.lastCode !== code);
    if (factor === undefined || code === undefined) return false;
    factor.lastCode = code;
    return true;
  }
}

/** The authenticators in use, and how many recovery codes there are. */
export function factorsOf({ factors, recovery }: Account) {
  const made = { created_at: "2030-01-01T00:00:00Z", last_used_at: null };
  const used = factors.filter(({ verified }) => verified).map(({ id, name }) => ({ id, name, ...made }));
  return { factors: used, recovery_codes_left: recovery.length };
}
