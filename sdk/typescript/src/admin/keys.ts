/** What operators do to client and service keys. Never for a browser with a service key. */

import type { Page } from "../auth/types.js";
import type { Gateway } from "../core/gateway.js";
import { queryOf, type Send, sendBy } from "./send.js";

/** A client or service key, without its text. Instants are RFC 3339. */
export interface ManagedKey {
  readonly id: string;
  readonly kind: "client" | "service";
  readonly name: string;
  /** The beginning of its text, to recognise it by. */
  readonly prefix: string;
  /** Origins of pages that may send it: of a client key, empty is any; of a service key, empty is none. */
  readonly allowed_origins: readonly string[];
  readonly created_at: string;
  /** The service key that made it; null: whoever has the database. */
  readonly created_by: string | null;
  /** Up to half a minute late. */
  readonly last_used_at: string | null;
  readonly expires_at: string | null;
  /** The key that it was rotated into. */
  readonly replaced_by: string | null;
  readonly revoked_at: string | null;
}

/** A key that has just been made, with its text, which is shown once. */
export interface MadeKey extends ManagedKey {
  readonly key: string;
}

/** A key that has just been made in the place of another, which goes on until `replaces.expires_at`. */
export interface RotatedKey extends MadeKey {
  readonly replaces: { readonly id: string; readonly expires_at: string };
}

/** A key to be made. */
export interface NewKey {
  /** What it is for. */
  readonly name: string;
  readonly allowed_origins?: readonly string[] | undefined;
  /** Seconds; until it is revoked when absent, or for as long as the key that makes it. */
  readonly expires_in?: number | undefined;
}

/** How a key is replaced. */
export interface KeyRotation {
  /** Seconds for which the old key goes on: 60 to 90 days, or 0. A day when absent. */
  readonly overlap?: number | undefined;
  /** Seconds; as long as the old key was made for when absent. */
  readonly expires_in?: number | undefined;
}

/** Which page of keys. */
export interface KeyFilter {
  /** 1 to 100; 20 if absent. */
  readonly limit?: number | undefined;
  /** `next_cursor` of the page before. */
  readonly cursor?: string | null | undefined;
}

/**
 * Part of `client.admin`. Keys are listed newest first, those that are over as well. Codes: `key_not_found`, `key_over`,
 * `exceeds_maker` (a service key makes none that may do more than itself), `invalid_name`, `invalid_origin`,
 * `invalid_expiry`, `invalid_overlap`.
 */
export class AdminKeys {
  readonly #send: Send;

  constructor(gateway: Gateway) {
    this.#send = sendBy(gateway);
  }

  readonly createClientKey = async (key: NewKey): Promise<MadeKey> => this.#create("/client-keys", key);
  readonly listClientKeys = async (filter: KeyFilter = {}): Promise<Page<ManagedKey>> =>
    this.#list("/client-keys", filter);
  /** Makes a key with the name and the origins of another one, which goes on for the overlap. */
  readonly rotateClientKey = async (id: string, rotation: KeyRotation = {}): Promise<RotatedKey> =>
    this.#rotate("/client-keys", id, rotation);
  /** Ends a key, at once and everywhere. */
  readonly revokeClientKey = async (id: string): Promise<void> => this.#revoke("/client-keys", id);

  readonly createServiceKey = async (key: NewKey): Promise<MadeKey> => this.#create("/service-keys", key);
  readonly listServiceKeys = async (filter: KeyFilter = {}): Promise<Page<ManagedKey>> =>
    this.#list("/service-keys", filter);
  /** As {@link AdminKeys.rotateClientKey}. */
  readonly rotateServiceKey = async (id: string, rotation: KeyRotation = {}): Promise<RotatedKey> =>
    this.#rotate("/service-keys", id, rotation);
  /** As {@link AdminKeys.revokeClientKey}. */
  readonly revokeServiceKey = async (id: string): Promise<void> => this.#revoke("/service-keys", id);

  async #create(path: string, { name, allowed_origins, expires_in }: NewKey): Promise<MadeKey> {
    return (await this.#send("POST", path, { name, allowed_origins, expires_in })) as MadeKey;
  }

  async #list(path: string, filter: KeyFilter): Promise<Page<ManagedKey>> {
    return (await this.#send("GET", path, undefined, queryOf(filter))) as Page<ManagedKey>;
  }

  async #rotate(path: string, id: string, { overlap, expires_in }: KeyRotation): Promise<RotatedKey> {
    return (await this.#send("POST", `${path}/${encodeURIComponent(id)}/rotate`, {
      overlap,
      expires_in,
    })) as RotatedKey;
  }

  async #revoke(path: string, id: string): Promise<void> {
    await this.#send("DELETE", `${path}/${encodeURIComponent(id)}`);
  }
}
