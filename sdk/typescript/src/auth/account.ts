/** A user's own data. Changes of what signs them in want fresh authentication (`reauthentication_needed`). */

import { AuthError } from "../core/errors.js";
import type { Desk } from "./desk.js";
import type { MailedLinks } from "./links.js";
import type { OwnProof, UserAttributes } from "./requests.js";
import type { AuthSettings, User } from "./types.js";

/** Part of `client.auth`. */
export class Account {
  readonly #desk: Desk;
  readonly #links: Pick<MailedLinks, "confirmPasswordReset">;

  constructor(desk: Desk, links: Pick<MailedLinks, "confirmPasswordReset">) {
    this.#desk = desk;
    this.#links = links;
  }

  /** The signed-in user, fresh from the server; null when nobody is signed in. With an `apiKey`, that key's user. */
  readonly getCurrentUser = async (): Promise<User | null> => {
    const { refresher, gateway, state } = this.#desk;
    if (!gateway.hasKey && (await refresher.current()) === null) return null;
    const user = (await this.#desk.sendAsCaller("GET", "/user")) as User;
    await state.updateUser(user, false);
    return user;
  };

  /** The same as {@link Account.getCurrentUser}. */
  readonly getUser = this.getCurrentUser;

  /**
   * Merges `data` into the user's metadata (`USER_UPDATED`). `password` and `email` are changed before that, as by
   * {@link Account.updatePassword} and {@link Account.updateEmail}; what is done when one of them is refused stays done.
   * Codes: theirs, `session_missing`, `insufficient_aal` (after a reset link: the password is set, and
   * `verify2FACode` comes next).
   */
  readonly updateUser = async (attributes: UserAttributes): Promise<User> => {
    const { data, email, password, current_password, nonce } = attributes;
    let user: User | undefined;
    if (nonce !== undefined) await this.reauthenticate({ code: nonce });
    if (password !== undefined) user = await this.#setPassword(password, current_password);
    if (email !== undefined) user = await this.updateEmail({ email, password: current_password });
    if (data === undefined && user !== undefined) return user;
    return this.#desk.learn(await this.#desk.sendAsCaller("PATCH", "/user", { data: data ?? {} }));
  };

  /**
   * Asks for another address (`USER_UPDATED`). Both addresses get a mail; until the new one is confirmed it is
   * `new_email`. Codes: `reauthentication_needed`, `invalid_credentials`, `email_address_invalid`.
   */
  readonly updateEmail = async (change: {
    readonly email: string;
    /** The current password; not needed after fresh authentication. */
    readonly password?: string | undefined;
  }): Promise<User> => {
    const { email, password } = change;
    return this.#desk.learn(await this.#desk.sendAsCaller("PUT", "/user/email", { email, password }));
  };

  /**
   * Changes the password (`USER_UPDATED`); the user's other sessions end, and with `revoke_api_keys` the API keys too,
   * which go on otherwise. A user who has none yet leaves `current_password` out. Codes: `weak_password`, `same_password`, `invalid_credentials`, `reauthentication_needed`.
   */
  readonly updatePassword = async (change: {
    readonly current_password?: string | undefined;
    readonly new_password: string;
    readonly revoke_api_keys?: boolean | undefined;
  }): Promise<User> => {
    const { current_password, new_password, revoke_api_keys } = change;
    const body = { current_password, new_password, revoke_api_keys };
    return this.#desk.learn(await this.#desk.sendAsCaller("PUT", "/user/password", body));
  };

  /**
   * Deletes the user for good, and what the application has tied to them (`SIGNED_OUT`, reason `user_deleted`).
   * Codes: `reauthentication_needed`, `invalid_credentials`.
   */
  readonly deleteUser = async (proof: { readonly password?: string | undefined } = {}): Promise<void> => {
    await this.#desk.state.ready();
    const { held } = this.#desk.state;
    await this.#desk.sendAsCaller("DELETE", "/user", { password: proof.password });
    if (held !== null) await this.#desk.state.end(held, "user_deleted");
  };

  /** The same as {@link Account.deleteUser}. */
  readonly deleteAccount = this.deleteUser;

  /**
   * Proves afresh that it is the user, by password or by a code: an authenticator's, or one that was mailed. Without a
   * proof such a code is mailed, and `auth_time` is null. Codes: `invalid_credentials`, `mfa_verification_failed`,
   * `otp_expired`.
   */
  readonly reauthenticate = async (proof?: OwnProof): Promise<{ readonly auth_time: number | null }> => {
    const body = proof === undefined ? {} : "code" in proof ? { code: proof.code } : { password: proof.password };
    const answer = (await this.#desk.sendAsCaller("POST", "/reauthenticate", body)) as
      | { auth_time?: number }
      | undefined;
    return { auth_time: answer?.auth_time ?? null };
  };

  /** What a sign-in page needs to know. Needs nobody to be signed in. */
  readonly getSettings = async (): Promise<AuthSettings> => (await this.#desk.send("GET", "/settings")) as AuthSettings;

  /** With a reset link in hand, the new password is the reset's. */
  async #setPassword(new_password: string, current_password: string | undefined): Promise<User> {
    if (this.#desk.recovery === null) return this.updatePassword({ current_password, new_password });
    const { user } = await this.#links.confirmPasswordReset({ password: new_password });
    if (user !== null) return user;
    throw new AuthError("The password is set; signing in needs a second factor", {
      status: 403,
      code: "insufficient_aal",
    });
  }
}
