/** A user's API keys: credentials for programs, which act as the user as far as their scopes go. */

import type { Desk } from "./desk.js";
import type { NewApiKey } from "./requests.js";
import type { ApiKey, MadeApiKey, Page } from "./types.js";

/** Part of `client.auth`. All of it wants the user, signed in: a client made with an `apiKey` cannot do it. */
export class ApiKeys {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /**
   * Makes an API key. Its text, `key`, is in this answer only. Codes: `reauthentication_needed`, `insufficient_aal`,
   * `invalid_name`, `invalid_scope`, `invalid_expiry`, `too_many_keys`, `api_key_not_allowed`.
   */
  readonly createApiKey = async ({ name, expires_in, scopes }: NewApiKey): Promise<MadeApiKey> =>
    (await this.#desk.sendAsCaller("POST", "/api-keys", { name, expires_in, scopes })) as MadeApiKey;

  /** The user's API keys that are not revoked, newest first. */
  readonly listApiKeys = async (): Promise<readonly ApiKey[]> =>
    ((await this.#desk.sendAsCaller("GET", "/api-keys")) as Page<ApiKey>).items;

  /** Ends an API key, at once and everywhere. Code: `key_not_found`. */
  readonly revokeApiKey = async (id: string): Promise<void> => {
    await this.#desk.sendAsCaller("DELETE", `/api-keys/${encodeURIComponent(id)}`);
  };
}
