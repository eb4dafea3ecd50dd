/** Who is told when the session changes. */

import type { Session } from "../auth/types.js";
import { errorName, type Logger } from "./logger.js";

/** Why a session ended. The server may add reasons, so treat unknown ones as plain sign-out. */
export type SignOutReason =
  | "signed_out"
  | "expired"
  | "idle"
  | "password_changed"
  | "email_changed"
  | "factor_changed"
  | "replaced"
  | "reuse_detected"
  | "admin"
  | "banned"
  | "user_deleted"
  | "refresh_token_invalid"
  | (string & {});

/**
 * What a listener is called with. The event decides the session's type: `SIGNED_OUT` has none, `INITIAL_SESSION` and
 * `PASSWORD_RECOVERY` may have none, all others have one. `SIGNED_OUT` comes with the reason as third argument.
 *
 * `PASSWORD_RECOVERY` (the page was opened by a reset link: ask for a new password) and `MFA_CHALLENGE_VERIFIED` (the
 * second factor was right; `SIGNED_IN` came before) are heard where it happened; all others in every tab.
 */
export type AuthChange =
  | [event: "INITIAL_SESSION", session: Session | null, info: AuthChangeInfo]
  | [event: "SIGNED_IN", session: Session, info: AuthChangeInfo]
  | [event: "TOKEN_REFRESHED", session: Session, info: AuthChangeInfo]
  | [event: "USER_UPDATED", session: Session, info: AuthChangeInfo]
  | [event: "MFA_CHALLENGE_VERIFIED", session: Session, info: AuthChangeInfo]
  | [event: "PASSWORD_RECOVERY", session: Session | null, info: AuthChangeInfo]
  | [event: "SIGNED_OUT", session: null, info: AuthChangeInfo & { readonly reason: SignOutReason }];

/** More about a change. */
export interface AuthChangeInfo {
  /** Why the session ended; only with `SIGNED_OUT`. */
  readonly reason?: SignOutReason;
  /** True when a mailed link that opened this page has signed in; only with `SIGNED_IN`, where it happened. */
  readonly landing?: true;
  /**
   * Beside `landing`: whether this browser has asked for a mail to the user's address in the last ten minutes. If not,
   * the mail was asked for on another device, or somebody else has sent the person a link to an account of their own:
   * ask whether they mean to go on as this user.
   */
  readonly asked?: boolean;
}

/** The names of the events. */
export type AuthEvent = AuthChange[0];

type WithoutInfo<C> = C extends [infer E, infer S, unknown] ? [event: E, session: S] : never;

/** Called with every change. May be async; what it throws is logged and disturbs nobody else. */
export type AuthListener = (...change: AuthChange) => unknown;

/**
 * How listeners are registered. Three forms, because TypeScript narrows the session by the event only when a listener
 * takes exactly the parameters it is promised.
 */
export interface Subscribe<Registration> {
  (listener: AuthListener): Registration;
  (listener: (...change: WithoutInfo<AuthChange>) => unknown): Registration;
  (listener: (event: AuthEvent) => unknown): Registration;
}

/** A listener's registration. */
export interface Subscription {
  readonly id: string;
  /** Stops the calls at once. May be called more than once. */
  unsubscribe(): void;
}

interface Entry {
  readonly listener: AuthListener;
  greeted: boolean;
  active: boolean;
}

/** The listeners of one client. */
export class AuthEvents {
  readonly #entries = new Set<Entry>();
  readonly #logger: Logger;
  #count = 0;
  #recovering = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Adds a listener. Its first call is always `INITIAL_SESSION`, with the session that `initial` resolves to; an event
   * that comes earlier brings the greeting forward.
   */
  subscribe(listener: AuthListener, initial: () => Promise<Session | null>): Subscription {
    const entry: Entry = { listener, greeted: false, active: true };
    this.#entries.add(entry);
    void initial().then((session) => this.#greet(entry, session));
    this.#count += 1;
    return {
      id: `subscription-${this.#count}`,
      unsubscribe: () => {
        entry.active = false;
        this.#entries.delete(entry);
      },
    };
  }

  /** Calls every listener. `before` is the session before the change, for those who were not greeted yet. */
  emit(before: Session | null, ...change: AuthChange): void {
    for (const entry of [...this.#entries]) {
      if (!entry.greeted) {
        this.#greet(entry, change[0] === "SIGNED_IN" ? before : change[1]);
        if (change[0] === "TOKEN_REFRESHED") continue; // the greeting has just said it
      }
      this.#call(entry, change);
    }
  }

  /**
   * Emits `PASSWORD_RECOVERY`, once to each listener: those who are not greeted yet, or come only later, hear of it
   * after their greeting, until {@link AuthEvents.recovered}. A page may add its listeners long after it was opened.
   */
  recovery(session: Session | null): void {
    this.#recovering = true;
    for (const entry of [...this.#entries]) {
      if (entry.greeted) this.#call(entry, ["PASSWORD_RECOVERY", session, {}]);
    }
  }

  /** The new password is set, or the link has turned out to be spent. */
  recovered(): void {
    this.#recovering = false;
  }

  /** Forgets all listeners. */
  clear(): void {
    for (const entry of this.#entries) entry.active = false;
    this.#entries.clear();
  }

  #greet(entry: Entry, session: Session | null): void {
    if (entry.greeted) return;
    entry.greeted = true;
    this.#call(entry, ["INITIAL_SESSION", session, {}]);
    if (this.#recovering) this.#call(entry, ["PASSWORD_RECOVERY", session, {}]);
  }

  #call(entry: Entry, change: AuthChange): void {
    if (!entry.active) return;
    const report = (thrown: unknown) =>
      this.#logger.error(`A listener of onAuthStateChange failed on ${change[0]} (${errorName(thrown)})`);
    try {
      const result = entry.listener(...change);
      if (result instanceof Promise) result.catch(report);
    } catch (thrown) {
      report(thrown);
    }
  }
}
