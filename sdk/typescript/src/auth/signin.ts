/** Accounts, and the ways in that need no mail. */

import type { Desk } from "./desk.js";
import type { PasswordCredentials, SignUpCredentials, WithData } from "./requests.js";
import type { Conversion, SignInResult, SignUpResult, UserAndSession } from "./types.js";
import type { Waits } from "./waits.js";

/** Part of `client.auth`. */
export class SignIn {
  readonly #desk: Desk;
  readonly #waits: Waits;

  constructor(desk: Desk, waits: Waits) {
    this.#desk = desk;
    this.#waits = waits;
  }

  /**
   * Creates an account and signs it in (`SIGNED_IN`). While the address must be confirmed first, `session` is null and
   * `flow_id` is for {@link MailedLinks.waitForSignIn}.
   * Codes: `weak_password`, `validation_failed`, `signup_disabled`, `over_request_rate_limit`.
   */
  readonly signUp = async ({ email, password, options }: SignUpCredentials): Promise<SignUpResult> => {
    const answer = await this.#desk.send("POST", "/signup", { email, password, ...wishes(options) });
    const { user = null, session, flow_id } = (answer ?? {}) as Partial<SignUpResult>;
    if (session) return this.#desk.begin(answer);
    await this.#waits.mailed("signup", email, flow_id);
    return { user, session: null, ...(flow_id === undefined ? {} : { flow_id }) };
  };

  /**
   * Signs in with e-mail and password (`SIGNED_IN`). With a second factor enrolled the answer is
   * `{requires_2fa: true, mfa_token, methods}` and there is no session yet: {@link SecondFactors.verify2FACode} goes on.
   * Codes: `invalid_credentials`, `email_not_confirmed`, `user_banned`, `over_request_rate_limit`.
   */
  readonly signIn = async ({ email, password }: PasswordCredentials): Promise<SignInResult> =>
    this.#desk.enter(await this.#desk.send("POST", "/signin", { email, password }));

  /** The same as {@link SignIn.signIn}. */
  readonly signInWithPassword = this.signIn;

  /** Makes a user without an address, and signs them in (`SIGNED_IN`). Code: `anonymous_provider_disabled`. */
  readonly signInAnonymously = async (options: { readonly options?: WithData } = {}): Promise<UserAndSession> =>
    this.#desk.begin(await this.#desk.send("POST", "/anonymous", { data: options.options?.data }));

  /**
   * Gives an anonymous user an address and a password: same id, same rows, same session (`USER_UPDATED`). While the
   * address must be confirmed the user stays anonymous, and `flow_id` is there: in browsers the page waits by itself, and
   * `USER_UPDATED` comes once the link is opened. Codes: `user_already_exists` (nothing is lost), `weak_password`,
   * `session_missing`.
   */
  readonly convertAnonymousUser = async ({ email, password, options }: SignUpCredentials): Promise<Conversion> => {
    const body = { email, password, ...wishes(options) };
    const answer = await this.#desk.sendAsCaller("POST", "/anonymous/convert", body);
    const converted = await this.#desk.goOn(answer);
    const { flow_id } = answer as Partial<Conversion>;
    await this.#waits.mailed("signup", email, flow_id);
    return flow_id === undefined ? converted : { ...converted, flow_id };
  };
}

function wishes(options: SignUpCredentials["options"]) {
  return { data: options?.data, redirect_to: options?.redirectTo ?? options?.emailRedirectTo };
}
