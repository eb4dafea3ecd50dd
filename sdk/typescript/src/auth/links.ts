/** What goes by mail: each mail holds a link, whose token may be used once, and a code to be typed by hand. */

import { stepMissing } from "../core/errors.js";
import type { Desk } from "./desk.js";
import type { MagicLinkRequest, MailedProof, MailRequest, PasswordReset, WaitOptions } from "./requests.js";
import type { MailedFlow, SignInResult } from "./types.js";
import type { Waits } from "./waits.js";

/** Part of `client.auth`. */
export class MailedLinks {
  readonly #desk: Desk;
  readonly #waits: Waits;

  constructor(desk: Desk, waits: Waits) {
    this.#desk = desk;
    this.#waits = waits;
  }

  /**
   * Mails a link and a code that sign in; in browsers the page then waits for the link to be opened, wherever that is
   * (`waitForLinks`). The answer is the same for unknown addresses.
   * Codes: `validation_failed`, `redirect_not_allowed`, `otp_disabled`, `over_email_send_rate_limit`.
   */
  readonly sendMagicLink = async (request: MagicLinkRequest): Promise<MailedFlow> => {
    const { email, redirectTo, data, create_user } = request;
    const body = { email, redirect_to: redirectTo, data, create_user };
    return this.#mailed(await this.#desk.send("POST", "/magiclink", body));
  };

  /**
   * Waits until the link of a flow is opened, on whatever device, and signs in (`SIGNED_IN`), or until another tab has
   * signed in. A network that fails is no answer: it goes on waiting. Codes: `otp_expired`, `flow_denied` (the person
   * said that it was not them), `aborted` (also by `dispose()`).
   */
  readonly waitForSignIn = (flowId: string, options: WaitOptions = {}): Promise<SignInResult> =>
    this.#waits.wait(flowId, options.signal);

  /** Signs in with a mailed link's token or with the code (`SIGNED_IN`). Code: `otp_expired`, for all that is wrong. */
  readonly verifyMagicLink = async (proof: MailedProof): Promise<SignInResult> =>
    this.#desk.enter(await this.#desk.send("POST", "/magiclink/verify", proofOf(proof)));

  /** Confirms a new account's address, and signs in (`SIGNED_IN`). Code: `otp_expired`. */
  readonly verifyEmail = async (proof: MailedProof): Promise<SignInResult> =>
    this.#desk.enter(await this.#desk.send("POST", "/verify-email", proofOf(proof)));

  /** Mails the confirmation of a new account again. The answer is the same for unknown addresses. */
  readonly resendVerification = async ({ email }: Pick<MailRequest, "email">): Promise<MailedFlow> =>
    this.#mailed(await this.#desk.send("POST", "/verify-email/resend", { email }));

  /** Mails a link and a code that allow a new password. Resolves alike for unknown addresses. */
  readonly resetPassword = async ({ email, redirectTo }: MailRequest): Promise<void> => {
    await this.#desk.send("POST", "/password/reset", { email, redirect_to: redirectTo });
  };

  /**
   * Sets a new password, ends the user's other sessions, and signs in (`SIGNED_IN`); second factors stay as they are.
   * On a page that was opened by the link (`PASSWORD_RECOVERY`) the password is enough.
   * Codes: `otp_expired`, `weak_password` (the token can be used again), `recovery_token_missing`.
   */
  readonly confirmPasswordReset = async (reset: PasswordReset): Promise<SignInResult> => {
    const proof = "email" in reset || reset.token !== undefined ? proofOf(reset) : this.#desk.recovery;
    if (proof === null) throw stepMissing("recovery_token_missing");
    let answer: unknown;
    try {
      answer = await this.#desk.send("POST", "/password/reset/confirm", { ...proof, password: reset.password });
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code === "otp_expired") this.#desk.recovered();
      throw thrown;
    }
    this.#desk.recovered();
    return this.#desk.enter(answer);
  };

  #mailed(answer: unknown): MailedFlow {
    const flow = answer as MailedFlow;
    this.#waits.expect(flow.flow_id);
    return flow;
  }
}

/** Only what the server knows: it refuses other members. */
function proofOf(proof: MailedProof): MailedProof {
  return "email" in proof ? { email: proof.email, code: proof.code } : { token: proof.token };
}
