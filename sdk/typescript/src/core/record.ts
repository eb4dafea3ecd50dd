/** The session as it is held and stored: with the moment it arrived, by the local clock. Pure. */

import type { Session, User } from "../auth/types.js";

/** A session and when this device received its tokens. */
export interface Held {
  readonly session: Session;
  /** Local clock, milliseconds since the epoch. Scheduling uses this, so a wrong clock does no harm. */
  readonly obtainedAt: number;
}

/** The text that is stored. */
export function encodeHeld(held: Held): string {
  return JSON.stringify({ v: 1, obtained_at: held.obtainedAt, session: held.session });
}

/** The held session in a stored text; null when the text is not one (damaged, or of another version). */
export function decodeHeld(raw: string): Held | null {
  try {
    const { v, obtained_at, session } = JSON.parse(raw) as {
      v?: unknown;
      obtained_at?: unknown;
      session?: Partial<Session>;
    };
    if (v !== 1 || typeof obtained_at !== "number" || !isSession(session)) return null;
    return { session, obtainedAt: obtained_at };
  } catch {
    return null;
  }
}

/** Whether a value has all that this package needs of a session. */
export function isSession(value: Partial<Session> | null | undefined): value is Session {
  return (
    typeof value?.id === "string" &&
    typeof value.access_token === "string" &&
    typeof value.refresh_token === "string" &&
    typeof value.expires_in === "number" &&
    typeof value.user?.id === "string"
  );
}

/**
 * Whether `a` carries later tokens than `b` of the same session. The server's own `expires_at` decides first: it grows
 * with every refresh, whatever the clocks of the devices say.
 */
export function isNewer(a: Held, b: Held): boolean {
  if (a.session.expires_at !== b.session.expires_at) return a.session.expires_at > b.session.expires_at;
  return a.obtainedAt > b.obtainedAt;
}

/** Whether both are the same generation of the same session, or both nobody. Their view of the person may differ. */
export function sameTokens(a: Held | null, b: Held | null): boolean {
  return a?.session.id === b?.session.id && a?.session.refresh_token === b?.session.refresh_token;
}

/** Milliseconds (local clock) at which the access token ends. */
export function endsAt(held: Held): number {
  return held.obtainedAt + held.session.expires_in * 1000;
}

/**
 * Whether it is time to refresh: less than the margin is left. For short-lived tokens the margin shrinks to half of
 * their life, or they would be refreshed with every request.
 */
export function isExpiring(held: Held, nowMs: number, marginSeconds: number): boolean {
  const margin = Math.min(marginSeconds, held.session.expires_in / 2) * 1000;
  return nowMs >= endsAt(held) - margin;
}

/** The same tokens with a newer view of the person. */
export function withUser(held: Held, user: User): Held {
  return { ...held, session: { ...held.session, user } };
}
