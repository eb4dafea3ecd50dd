/**
 * `auth.mfa` of supabase-js. There a password alone makes a session of level `aal1` and the second factor raises it;
 * here there is no session before the second factor. The calls bridge this: while a sign-in waits for its second
 * factor, they speak of that sign-in.
 */

import type { OwnProof } from "../auth/requests.js";
import type { Factor, RecoveryCodes, Session } from "../auth/types.js";
import type { Core } from "../core/core.js";
import { sessionMissing } from "../core/errors.js";
import { readClaims } from "../core/jwt.js";
import { type Result, settle } from "./settle.js";

/** An authenticator in use. */
export interface SupabaseFactor {
  readonly id: string;
  readonly friendly_name: string | null;
  readonly factor_type: "totp";
  readonly status: "verified";
  readonly created_at: string | null;
  readonly updated_at: string | null;
}

const KIND = { factor_type: "totp", status: "verified" } as const;

/** A factor in the shape of supabase-js. */
export function supabaseFactor({ id, name, created_at }: Factor): SupabaseFactor {
  return { id, friendly_name: name, created_at, updated_at: created_at, ...KIND };
}

/** How surely it is the user: by one factor, or by two. */
export interface AssuranceLevels {
  readonly currentLevel: string | null;
  /** The level that the user's factors allow. */
  readonly nextLevel: string | null;
  readonly currentAuthenticationMethods: readonly unknown[];
}

interface Step {
  readonly factorId: string;
  readonly code: string;
}

/** See the value face for what each call means. */
export class SupabaseMfa {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** As `enable2FA`. */
  readonly enroll = (options: { readonly factorType?: "totp"; readonly friendlyName?: string } = {}) => {
    const name = options.friendlyName;
    const enrolled = this.#core.auth.enable2FA(name === undefined ? {} : { name });
    return settle(
      enrolled.then(({ id, secret, uri, qr_code }) => ({
        id,
        type: "totp" as const,
        friendly_name: name ?? null,
        totp: { secret, uri, qr_code },
      })),
      null,
    );
  };

  /** Authenticators need no challenge: this answers at once, with an id to pass on. */
  readonly challenge = async ({ factorId }: Pick<Step, "factorId">) =>
    ({ data: { id: factorId, type: "totp" as const }, error: null }) as const;

  /**
   * While a sign-in waits, as `verify2FACode`; for a new authenticator, as `verify2FA`, the recovery codes beside the
   * session; else as `reauthenticate`.
   */
  readonly verify = (
    step: Step & { readonly challengeId?: string },
  ): Promise<Result<Session & Partial<RecoveryCodes>>> => settle(this.#verify(step), null);

  /** The same as {@link SupabaseMfa.verify}. */
  readonly challengeAndVerify = (step: Step): Promise<Result<Session & Partial<RecoveryCodes>>> => this.verify(step);

  /** As `disable2FA` for one factor: supabase-js asks for no proof, the server does. */
  readonly unenroll = (step: Pick<Step, "factorId"> & OwnProof): Promise<Result<{ readonly id: string }>> => {
    const { factorId: id, ...proof } = step;
    return settle(
      this.#core.auth.disable2FA({ ...proof, id }).then(() => ({ id })),
      null,
    );
  };

  /** The user's authenticators; while a sign-in waits, one that stands for them all. */
  readonly listFactors = () =>
    settle(
      this.#factors().then((all) => ({ all, totp: all, phone: [] as const })),
      null,
    );

  /** `nextLevel` is `aal2` and `currentLevel` is not: ask for a code. Makes no request. */
  readonly getAuthenticatorAssuranceLevel = (): Promise<Result<AssuranceLevels>> => settle(this.#levels(), null);

  async #verify({ factorId, code }: Step): Promise<Session & Partial<RecoveryCodes>> {
    const { auth, desk } = this.#core;
    if (desk.pending !== null) return (await auth.verify2FACode({ code })).session;
    const { factors } = await auth.get2FAStatus();
    let codes: Partial<RecoveryCodes> = {};
    if (factors.some(({ id }) => id === factorId)) await auth.reauthenticate({ code });
    else codes = await auth.verify2FA({ code, id: factorId });
    const session = await auth.getSession();
    if (session === null) throw sessionMissing();
    return { ...session, ...codes };
  }

  async #factors(): Promise<readonly SupabaseFactor[]> {
    const { auth, desk } = this.#core;
    if (desk.pending !== null) {
      const made = { friendly_name: null, created_at: null, updated_at: null };
      return desk.pending.methods.includes("totp") ? [{ id: "totp", ...made, ...KIND }] : [];
    }
    return (await auth.get2FAStatus()).factors.map(supabaseFactor);
  }

  async #levels(): Promise<AssuranceLevels> {
    const { auth, desk } = this.#core;
    if (desk.pending !== null) return { currentLevel: "aal1", nextLevel: "aal2", currentAuthenticationMethods: [] };
    const session = await auth.getSession();
    const claims = session === null ? null : readClaims(session.access_token);
    const currentLevel = typeof claims?.["aal"] === "string" ? claims["aal"] : null;
    const nextLevel = session?.user.mfa_enabled ? "aal2" : currentLevel;
    const amr = claims?.["amr"];
    return { currentLevel, nextLevel, currentAuthenticationMethods: Array.isArray(amr) ? amr : [] };
  }
}
