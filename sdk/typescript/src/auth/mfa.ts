/** Second factors: authenticators that make codes, and recovery codes for when they are lost. */

import { stepMissing } from "../core/errors.js";
import type { Desk } from "./desk.js";
import type { OwnProof } from "./requests.js";
import type { RecoveryCodes, SecondFactorStatus, TotpEnrolment, UserAndSession } from "./types.js";

/** Part of `client.auth`. */
export class SecondFactors {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /**
   * Begins with a new authenticator: show `qr_code` (or `secret`), then call {@link SecondFactors.verify2FA}.
   * Codes: `reauthentication_needed`, `too_many_enrolled_mfa_factors`, `session_missing`.
   */
  readonly enable2FA = async (options: { readonly name?: string } = {}): Promise<TotpEnrolment> =>
    (await this.#desk.sendAsCaller("POST", "/2fa/enroll", { name: options.name })) as TotpEnrolment;

  /**
   * Puts the new authenticator to use with its first code (`USER_UPDATED`); the user's other sessions end. Show the
   * recovery codes: they are never shown again. Codes: `mfa_verification_failed`, `mfa_factor_not_found`.
   */
  readonly verify2FA = async ({
    code,
    id,
  }: {
    readonly code: string;
    readonly id?: string;
  }): Promise<RecoveryCodes> => {
    const answer = await this.#desk.sendAsCaller("POST", "/2fa/enroll/verify", { code, id });
    await this.#look();
    return answer as RecoveryCodes;
  };

  /**
   * The second step of a sign-in that answered `requires_2fa`: `SIGNED_IN`, then `MFA_CHALLENGE_VERIFIED`. The client
   * remembers the `mfa_token` until the page is left. `code` may be a recovery code.
   * Codes: `mfa_verification_failed`, `mfa_verification_rejected` (too many wrong codes), `otp_expired` (sign in anew),
   * `mfa_token_missing`, `session_conflict` (see {@link Landing.initialize}).
   */
  readonly verify2FACode = async (step: {
    readonly code: string;
    readonly mfa_token?: string;
  }): Promise<UserAndSession> => {
    const mfa_token = step.mfa_token ?? this.#desk.pending?.mfa_token;
    if (mfa_token === undefined) throw stepMissing("mfa_token_missing");
    const answer = await this.#desk.send("POST", "/2fa/verify", { mfa_token, code: step.code });
    const signedIn = await this.#desk.complete(answer, mfa_token);
    const { session } = signedIn;
    if (this.#desk.state.held?.session.id === session.id) {
      this.#desk.events.emit(session, "MFA_CHALLENGE_VERIFIED", session, {});
    }
    return signedIn;
  };

  /** Which second factors the user has. */
  readonly get2FAStatus = async (): Promise<SecondFactorStatus> =>
    (await this.#desk.sendAsCaller("GET", "/2fa")) as SecondFactorStatus;

  /**
   * Takes one authenticator (`id`) out of use, or all (`USER_UPDATED`); the user's other sessions end.
   * Codes: `mfa_verification_failed`, `invalid_credentials`, `reauthentication_needed`.
   */
  readonly disable2FA = async (proof: OwnProof & { readonly id?: string }): Promise<void> => {
    await this.#desk.sendAsCaller("POST", "/2fa/disable", { ...proofOf(proof), id: proof.id });
    await this.#look();
  };

  /** Replaces all recovery codes by new ones. Codes: as {@link SecondFactors.disable2FA}. */
  readonly regenerateRecoveryCodes = async (proof: OwnProof): Promise<RecoveryCodes> =>
    (await this.#desk.sendAsCaller("POST", "/2fa/recovery-codes", proofOf(proof))) as RecoveryCodes;

  /** Brings the user's `mfa_enabled` up to date. The deed is done, so a failure here is none of its. */
  async #look(): Promise<void> {
    try {
      await this.#desk.learn(await this.#desk.sendAsCaller("GET", "/user"));
    } catch {
      // The next look at the user brings it.
    }
  }
}

function proofOf(proof: OwnProof): OwnProof {
  return "code" in proof ? { code: proof.code } : { password: proof.password };
}
