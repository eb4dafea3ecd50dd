/** The fake server's mail: links and codes, each used once, and flows that wait for them. */

import type { FakeServer } from "./fake-server.js";
import { type Account, type Answering, type Asked, json, type OpenRoute, problem } from "./fake-types.js";

export type MailKind = "magiclink" | "signup" | "recovery" | "reauthentication" | "email_change";

export interface Mail {
  readonly to: string;
  readonly kind: MailKind;
  readonly token: string;
  readonly code: string;
  readonly flow: string;
  readonly data?: Record<string, unknown>;
  /** The guest who becomes permanent by it. */
  readonly guest?: Account;
  used: boolean;
}

type FlowState = { readonly answer: (asked: Asked) => Response } | "pending";

/** The server holds a question this long. */
export const HOLD_MS = 25_000;

export class FakeMail {
  readonly #server: FakeServer;
  readonly box: Mail[] = [];
  readonly #flows = new Map<string, FlowState>();
  readonly #waiting = new Set<() => void>();
  #serial = 0;

  constructor(server: FakeServer) {
    this.#server = server;
  }

  /** The newest mail to an address. */
  last(to: string): Mail {
    const mail = [...this.box].reverse().find((one) => one.to === to);
    if (mail === undefined) throw new Error(`no mail to ${to}`);
    return mail;
  }

  send(to: string, kind: MailKind, data?: Record<string, unknown>, guest?: Account): Mail {
    const n = ++this.#serial;
    const [token, code, flow] = [`token-${kind}-${n}`, String(100_000 + n), `flow-${n}`];
    const mail: Mail = { to, kind, token, code, flow, used: false, ...(data && { data }), ...(guest && { guest }) };
    this.box.push(mail);
    this.#flows.set(flow, "pending");
    return mail;
  }

  /** The person opens the link on another device and confirms there. */
  open(mail: Mail): void {
    mail.used = true;
    const account = this.#owner(mail);
    this.#settle(mail.flow, ({ seen }) => {
      const own = this.#server.session(seen);
      return json(200, own?.account === account ? this.#server.current(own) : this.#server.enter(account));
    });
  }

  /** They say that it was not them. */
  deny(mail: Mail): void {
    mail.used = true;
    this.#settle(mail.flow, () => problem(403, "flow_denied"));
  }

  get routes(): Record<string, OpenRoute> {
    const proof = ["token", "email", "code", "flow_id"];
    const server = this.#server;
    return {
      "POST /magiclink": {
        allowed: ["email", "redirect_to", "data", "create_user"],
        answer: ({ seen, body }) => {
          if (body["redirect_to"]?.includes("evil")) return problem(400, "redirect_not_allowed");
          const { data } = seen.body as { data?: Record<string, unknown> };
          return json(202, { flow_id: this.send(body["email"] ?? "", "magiclink", data).flow });
        },
      },
      "POST /magiclink/verify": {
        allowed: proof,
        answer: ({ body }) => this.#spend("magiclink", body, (mail) => json(200, server.enter(this.#owner(mail)))),
      },
      "POST /verify-email": {
        allowed: proof,
        answer: ({ body }) => {
          const half = this.box.find((one) => one.kind === "email_change" && one.token === body["token"]);
          if (half !== undefined) return json(200, { user: null, session: null });
          return this.#spend("signup", body, (mail) => json(200, server.enter(this.#owner(mail))));
        },
      },
      "POST /verify-email/resend": {
        allowed: ["email", "flow_id"],
        answer: ({ body }) => {
          const { flow } = this.send(body["email"] ?? "", "signup");
          const before = this.box.find((one) => one.kind === "signup" && one.flow === body["flow_id"]);
          return json(202, before?.to === body["email"] ? { flow_id: flow } : {});
        },
      },
      "POST /password/reset": {
        allowed: ["email", "redirect_to"],
        answer: ({ body }) => {
          this.send(body["email"] ?? "", "recovery");
          return json(202, {});
        },
      },
      "POST /password/reset/confirm": {
        allowed: [...proof, "password"],
        answer: ({ body }) => {
          if ((body["password"] ?? "").length < 8) return problem(422, "weak_password");
          return this.#spend("recovery", body, (mail) => {
            const account = this.#owner(mail);
            account.password = body["password"] ?? null;
            server.endAll(account, "password_changed");
            return json(200, server.enter(account));
          });
        },
      },
      "POST /flow": { allowed: ["flow_id"], answer: (asked) => this.#wait(asked) },
    };
  }

  #spend(kind: MailKind, body: Asked["body"], then: (mail: Mail) => Response): Response {
    const mail = this.#find(
      this.box.filter((one) => one.kind === kind && !one.used),
      body,
    );
    if (mail === undefined) return problem(403, "otp_expired");
    mail.used = true;
    const answer = then(mail);
    this.#settle(mail.flow, () => problem(403, "otp_expired"));
    return answer;
  }

  /** A code is good for the flow of its page; where several sign-ups are pending, a page has to say which is its own. */
  #find(open: readonly Mail[], body: Asked["body"]): Mail | undefined {
    if (body["token"] !== undefined) return open.find((one) => one.token === body["token"]);
    const own = open.filter((one) => one.to === body["email"]);
    const mail = body["flow_id"] === undefined ? own.at(-1) : own.find((one) => one.flow === body["flow_id"]);
    if (body["flow_id"] === undefined && mail?.kind === "signup" && own.length > 1) return undefined;
    return mail?.code === body["code"] ? mail : undefined;
  }

  #owner(mail: Mail): Account {
    if (mail.guest !== undefined) {
      delete mail.guest.new_email;
      return Object.assign(mail.guest, { email: mail.to, verified: true });
    }
    const account =
      this.#server.account(mail.to) ?? this.#server.add({ email: mail.to, user_metadata: mail.data ?? {} });
    account.verified = true;
    return account;
  }

  #settle(flow: string, answer: (asked: Asked) => Response): void {
    this.#flows.set(flow, { answer });
    for (const wake of [...this.#waiting]) wake();
  }

  async #wait(asked: Asked): Promise<Response> {
    const { body, signal } = asked;
    const answer = (): Answering => {
      const flow = this.#flows.get(body["flow_id"] ?? "");
      if (flow === undefined) return problem(403, "otp_expired");
      return flow === "pending" ? json(202, { status: "pending" }) : flow.answer(asked);
    };
    if (this.#flows.get(body["flow_id"] ?? "") !== "pending") return answer();
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, HOLD_MS);
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake);
    });
    return answer();
  }
}
