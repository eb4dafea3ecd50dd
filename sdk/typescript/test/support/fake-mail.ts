/** The fake server's mail: links and codes, each used once, and flows that wait for them. */

import type { FakeServer } from "./fake-server.js";
import { type Account, type Answering, type Asked, json, type OpenRoute, problem } from "./fake-types.js";

export type MailKind = "magiclink" | "signup" | "recovery" | "reauthentication";

export interface Mail {
  readonly to: string;
  readonly kind: MailKind;
  readonly token: string;
  readonly code: string;
  readonly flow: string;
  readonly data?: Record<string, unknown>;
  used: boolean;
}

type FlowState = { readonly answer: () => Response } | "pending";

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

  send(to: string, kind: MailKind, data?: Record<string, unknown>): Mail {
    const n = ++this.#serial;
    const [token, code, flow] = [`token-${kind}-${n}`, String(100_000 + n), `flow-${n}`];
    const mail: Mail = { to, kind, token, code, flow, used: false, ...(data === undefined ? {} : { data }) };
    this.box.push(mail);
    this.#flows.set(flow, "pending");
    return mail;
  }

  /** The person opens the link on another device and confirms there. */
  open(mail: Mail): void {
    mail.used = true;
    this.#settle(mail.flow, () => json(200, this.#server.enter(this.#owner(mail))));
  }

  /** They say that it was not them. */
  deny(mail: Mail): void {
    mail.used = true;
    this.#settle(mail.flow, () => problem(403, "flow_denied"));
  }

  get routes(): Record<string, OpenRoute> {
    const proof = ["token", "email", "code"];
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
        allowed: [...proof, "flow_id"],
        answer: ({ body }) => this.#spend("magiclink", body, (mail) => json(200, server.enter(this.#owner(mail)))),
      },
      "POST /verify-email": {
        allowed: proof,
        answer: ({ body }) => this.#spend("signup", body, (mail) => json(200, server.enter(this.#owner(mail)))),
      },
      "POST /verify-email/resend": {
        allowed: ["email"],
        answer: ({ body }) => json(202, { flow_id: this.send(body["email"] ?? "", "signup").flow }),
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
    const mail = this.box.find(
      (one) =>
        one.kind === kind &&
        !one.used &&
        (body["token"] === undefined
          ? one.to === body["email"] && one.code === body["code"]
          : one.token === body["token"]),
    );
    if (mail === undefined) return problem(403, "otp_expired");
    mail.used = true;
    const answer = then(mail);
    this.#settle(mail.flow, () => problem(403, "otp_expired"));
    return answer;
  }

  #owner(mail: Mail): Account {
    const account =
      this.#server.account(mail.to) ?? this.#server.add({ email: mail.to, user_metadata: mail.data ?? {} });
    account.verified = true;
    return account;
  }

  #settle(flow: string, answer: () => Response): void {
    this.#flows.set(flow, { answer });
    for (const wake of [...this.#waiting]) wake();
  }

  async #wait({ body, signal }: Asked): Promise<Response> {
    const answer = (): Answering => {
      const flow = this.#flows.get(body["flow_id"] ?? "");
      if (flow === undefined) return problem(403, "otp_expired");
      return flow === "pending" ? json(202, { status: "pending" }) : flow.answer();
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
