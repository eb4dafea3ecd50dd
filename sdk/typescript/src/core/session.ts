/**
 * The one place that holds the session. Two states, signed in and signed out; every change of state passes through
 * here, goes to storage, to the listeners and to the other tabs, in this order.
 *
 * The storage is shared truth: if it holds a later session, another tab put it there; if it is empty, another tab has
 * signed out. What is being computed while the state changes under it is dropped, never written over the change.
 */

import type { Session, User } from "../auth/types.js";
import type { Tabs } from "./broadcast.js";
import type { AuthEvents, SignOutReason } from "./events.js";
import { decodeHeld, encodeHeld, type Held, isNewer, sameTokens, withUser } from "./record.js";
import type { Vault } from "./storage.js";

/** Parts that {@link SessionState} works with. */
export interface SessionParts {
  readonly vault: Vault;
  readonly events: AuthEvents;
  readonly tabs: Pick<Tabs, "announce">;
  /** Local clock in milliseconds. */
  readonly now: () => number;
}

/** Holds at most one session. All methods may be called concurrently. */
export class SessionState {
  readonly #parts: SessionParts;
  #held: Held | null = null;
  #endReason: SignOutReason | undefined;
  #adoptedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** The session now, without looking at the storage. */
  get held(): Held | null {
    return this.#held;
  }

  /** Why the last session ended, if one has. */
  get endReason(): SignOutReason | undefined {
    return this.#endReason;
  }

  /** Local time in milliseconds at which another tab's refresh was last taken over. */
  get adoptedAt(): number {
    return this.#adoptedAt;
  }

  /** Resolves once the stored session, if any, has been read. */
  ready(): Promise<void> {
    this.#loading ??= this.#parts.vault.transact((raw) => {
      const stored = raw === null ? null : decodeHeld(raw);
      if (this.#held === null) this.#held = stored;
      return raw !== null && stored === null ? null : undefined; // a damaged entry is removed
    });
    return this.#loading;
  }

  /**
   * Starts a session, replacing any other. Listeners that wait for their greeting are greeted with the session before
   * it, or with `session` itself when the page has `landed` with it: was opened by a mailed link.
   */
  async begin(session: Session, landed?: { readonly asked: boolean }): Promise<void> {
    await this.ready();
    const before = this.#held;
    const next: Held = { session, obtainedAt: this.#parts.now() };
    this.#held = next;
    await this.#parts.vault.transact(() => (sameTokens(this.#held, next) ? encodeHeld(next) : undefined));
    if (!sameTokens(this.#held, next)) return;
    const info = landed === undefined ? {} : ({ landing: true, asked: landed.asked } as const);
    this.#parts.events.emit(landed === undefined ? (before?.session ?? null) : session, "SIGNED_IN", session, info);
    this.#parts.tabs.announce();
  }

  /**
   * Takes the tokens that a refresh of `sent` brought, unless the state has moved on since. Reports what is held
   * afterwards: the new tokens, those of another tab that was faster, or null when somebody signed out meanwhile.
   */
  async rotate(sent: Held, session: Session): Promise<Held | null> {
    const next: Held = { session, obtainedAt: this.#parts.now() };
    let overtaken = false;
    await this.#parts.vault.transact((raw) => {
      if (!sameTokens(this.#held, sent)) return undefined;
      const stored = raw === null ? null : decodeHeld(raw);
      const movedOn = stored !== null && (stored.session.id !== sent.session.id || isNewer(stored, next));
      overtaken = raw === null || movedOn;
      return overtaken ? undefined : encodeHeld(next);
    });
    if (!sameTokens(this.#held, sent)) return this.#held;
    if (overtaken) {
      await this.reconcile();
      return this.#held;
    }
    this.#held = next;
    this.#parts.events.emit(sent.session, "TOKEN_REFRESHED", session, {});
    this.#parts.tabs.announce();
    return next;
  }

  /** Ends `ended` and wipes it from the storage. Does nothing when it is no longer the session held. */
  async end(ended: Held, reason: SignOutReason): Promise<void> {
    if (this.#held?.session.id !== ended.session.id) return;
    const before = this.#held;
    this.#held = null;
    this.#endReason = reason;
    let wiped = true;
    await this.#parts.vault.transact((raw) => {
      const stored = raw === null ? null : decodeHeld(raw);
      wiped = stored === null || stored.session.id === ended.session.id;
      return wiped ? null : undefined; // a session that another tab has begun since is not ours to wipe
    });
    this.#parts.events.emit(before.session, "SIGNED_OUT", null, { reason });
    if (wiped) this.#parts.tabs.announce(reason);
    else await this.reconcile();
  }

  /** Notes a newer view of the person. With `announce` it is stored and everybody is told (`USER_UPDATED`). */
  async updateUser(user: User, announce: boolean): Promise<void> {
    const before = this.#held;
    if (before === null || before.session.user.id !== user.id) return;
    const next = withUser(before, user);
    this.#held = next;
    if (!announce) return; // not worth the risk of writing tokens back that another tab has just replaced
    await this.#parts.vault.transact((raw) => {
      const stored = raw === null ? null : decodeHeld(raw);
      return stored?.session.id === next.session.id ? encodeHeld(withUser(stored, user)) : undefined;
    });
    if (this.#held?.session.id !== next.session.id) return;
    this.#parts.events.emit(before.session, "USER_UPDATED", this.#held.session, {});
    this.#parts.tabs.announce();
  }

  /**
   * Brings this client in line with the storage. `reason` is why the session ended, if another tab said so.
   */
  async reconcile(reason: SignOutReason = "signed_out"): Promise<void> {
    await this.ready();
    const before = this.#held;
    let stored: Held | null = before;
    await this.#parts.vault.transact((raw) => {
      const found = raw === null ? null : decodeHeld(raw);
      const damaged = raw !== null && found === null;
      const behind = found !== null && before?.session.id === found.session.id && isNewer(before, found);
      if (before !== null && (damaged || behind))
        return sameTokens(this.#held, before) ? encodeHeld(before) : undefined;
      stored = found;
      return undefined;
    });
    if (sameTokens(this.#held, before)) this.#adopt(before, stored, reason);
  }

  #adopt(before: Held | null, stored: Held | null, reason: SignOutReason): void {
    const { events } = this.#parts;
    if (stored === null) {
      if (before === null) return;
      this.#held = null;
      this.#endReason = reason;
      events.emit(before.session, "SIGNED_OUT", null, { reason });
      return;
    }
    const sameSession = before !== null && before.session.id === stored.session.id;
    if (sameSession && sameTokens(before, stored)) {
      // Two tabs that refreshed at once were given the same generation. Both have said so already.
      this.#held = stored;
      if (JSON.stringify(before.session.user) === JSON.stringify(stored.session.user)) return;
      events.emit(before.session, "USER_UPDATED", stored.session, {});
      return;
    }
    this.#held = stored;
    if (!sameSession) {
      events.emit(before?.session ?? null, "SIGNED_IN", stored.session, {});
      return;
    }
    this.#adoptedAt = this.#parts.now();
    events.emit(before.session, "TOKEN_REFRESHED", stored.session, {});
  }
}
