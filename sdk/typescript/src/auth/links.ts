/** What goes by mail: each mail holds a link, whose token may be used once, and a code to be typed by hand. */

import { stepMissing } from "../core/errors.js";
import type { AskedKind } from "./asked.js";
import { type Desk, isHalfConfirmed } from "./desk.js";
import type {
  MagicLinkRequest,
  MailedProof,
  MailRequest,
  PasswordReset,
  ResendRequest,
  WaitOptions,
} from "./requests.js";
import type { ConfirmationResult, MailedFlow, SignInResult } from "./types.js";
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
    const flow = (await this.#desk.send("POST", "/magiclink", body)) as MailedFlow;
    await this.#waits.mailed("magiclink", email, flow.flow_id);
    return flow;
  };

  /**
   * Waits until the link of a flow is opened, on whatever device, and signs in (`SIGNED_IN`), or until another tab has
   * signed in. A network that fails is no answer: it goes on waiting. Codes: `otp_expired`, `flow_denied` (the person
   * said that it was not them), `aborted` (also by `dispose()`).
   */
  readonly waitForSignIn = (flowId: string, options: WaitOptions = {}): Promise<SignInResult> =>
    this.#waits.wait(flowId, options.signal);

  /**
   * Signs in with a mailed link's token or with the code (`SIGNED_IN`). A code is good for what this page has asked for
   * last; see {@link MailedCode.flow_id}. Code: `otp_expired`, for all that is wrong.
   */
  readonly verifyMagicLink = async (proof: MailedProof): Promise<SignInResult> =>
    this.#desk.enter(await this.#redeem("magiclink", "/magiclink/verify", proof));

  /**
   * Confirms an address, a new account's or a new one of an account's, and signs in (`SIGNED_IN`). Of a change of
   * address that both addresses must confirm, the first confirmation changes nothing: `{user: null, session: null}`.
   * Codes: as {@link MailedLinks.verifyMagicLink}.
   */
  readonly verifyEmail = async (proof: MailedProof): Promise<ConfirmationResult> => {
    const answer = await this.#redeem("signup", "/verify-email", proof);
    return isHalfConfirmed(answer) ? { user: null, session: null } : this.#desk.enter(answer);
  };

  /**
   * Mails the confirmation of a new account again. The answer is the same for unknown addresses. There is a `flow_id` to
   * wait for only where that of the sign-up is known: the browser's own, or the one that is given.
   */
  readonly resendVerification = async (request: ResendRequest): Promise<Partial<MailedFlow>> => {
    const { email, flow_id = await this.#desk.asked.flow("signup", email) } = request;
    const flow = (await this.#desk.send("POST", "/verify-email/resend", { email, flow_id })) as Partial<MailedFlow>;
    await this.#waits.mailed("signup", email, flow.flow_id);
    return flow;
  };

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
    const proof = "email" in reset || reset.token !== undefined ? reset : this.#desk.recovery;
    if (proof === null) throw stepMissing("recovery_token_missing");
    let answer: unknown;
    try {
      answer = await this.#desk.send("POST", "/password/reset/confirm", {
        ...proofOf(proof),
        password: reset.password,
      });
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code === "otp_expired") this.#desk.recovered();
      throw thrown;
    }
    this.#desk.recovered();
    return this.#desk.enter(answer);
  };

  /** Sends a proof; a code together with the flow that it belongs to. */
  async #redeem(kind: AskedKind, path: string, given: MailedProof): Promise<unknown> {
    const { asked } = this.#desk;
    let proof = given;
    if ("email" in proof && proof.flow_id === undefined) {
      proof = { ...proof, flow_id: await asked.flow(kind, proof.email) };
    }
    const answer = await this.#desk.send("POST", path, proofOf(proof));
    if ("email" in proof && proof.flow_id) await asked.forget(proof.flow_id);
    return answer;
  }
}

/** Only what the server knows: it refuses other members. */
function proofOf(proof: MailedProof): MailedProof {
  if (!("email" in proof)) return { token: proof.token };
  const { email, code, flow_id } = proof;
  return flow_id ? { email, code, flow_id } : { email, code };
}
