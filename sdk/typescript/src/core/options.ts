/** How a client is configured, checked once. */

import { usageError } from "./errors.js";
import { consoleLogger, type Logger } from "./logger.js";
import { browserStorage, MemoryStorage, type StorageAdapter } from "./storage.js";

/** Options that every way of making a client takes. */
export interface ClientOptions {
  /** Where the session is kept. Default: `localStorage` in browsers, memory elsewhere. */
  readonly storage?: StorageAdapter | undefined;
  /** Refresh in the background, some 90 s before the access token ends. Default true. */
  readonly autoRefreshToken?: boolean | undefined;
  /**
   * In browsers: use a mailed link's `#type=...&token=...` in the page's address, and remove it from there. Fragments of
   * any other form are the application's own and stay as they are. Default true.
   */
  readonly detectSessionInUrl?: boolean | undefined;
  /**
   * After a call that mails a link: wait in the background until it is opened, on whatever device, and sign in. The
   * latest mail counts. Default: true in browsers.
   */
  readonly waitForLinks?: boolean | undefined;
  /** Keep the session in `storage`; false keeps it in memory only. Default true. */
  readonly persistSession?: boolean | undefined;
  /** The key in `storage`. Default `fluxbase.auth.<host>`. Clients with the same storage and key share a session. */
  readonly storageKey?: string | undefined;
  /** Used in place of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Sent with every request. Credentials have options of their own and are refused here. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Where warnings go. Default: the console. */
  readonly logger?: Logger | undefined;
}

/** {@link ClientOptions} and who the client is. */
export interface FluxbaseClientOptions extends ClientOptions {
  /** The server, e.g. `http://localhost:8080`; a path prefix is allowed. */
  readonly url: string;
  /** A publishable key that names the application (`fb_client_...`). Sent as `apikey`. */
  readonly clientKey?: string | undefined;
  /** A user's API key (`fb_api_...`): acts as that user while nobody is signed in. */
  readonly apiKey?: string | undefined;
  /** A service key (`fb_service_...`): bypasses Row-Level Security. Backends only. */
  readonly serviceKey?: string | undefined;
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly url: string;
  readonly clientKey: string | undefined;
  readonly key: string | null;
  readonly storage: StorageAdapter;
  readonly storageKey: string;
  /** Whether others may share the storage. */
  readonly shared: boolean;
  readonly autoRefreshToken: boolean;
  readonly detectSessionInUrl: boolean;
  readonly waitForLinks: boolean;
  readonly fetch: typeof globalThis.fetch;
  readonly headers: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

/** Checks and completes the options. Throws a FluxbaseError with code `invalid_options`. */
export function resolveOptions(options: FluxbaseClientOptions): ResolvedOptions {
  const url = serverUrl(options.url);
  const logger = options.logger ?? consoleLogger;
  const key = ownKey(options, logger);
  const chosen = options.persistSession === false ? undefined : (options.storage ?? browserStorage(logger));
  return {
    url: url.href.replace(/\/+$/, ""),
    clientKey: options.clientKey === undefined ? undefined : checkKey("clientKey", options.clientKey),
    key,
    storage: chosen ?? new MemoryStorage(),
    storageKey: options.storageKey ?? `fluxbase.auth.${url.host}`,
    shared: chosen !== undefined,
    autoRefreshToken: options.autoRefreshToken ?? true,
    detectSessionInUrl: options.detectSessionInUrl ?? true,
    waitForLinks: options.waitForLinks ?? typeof document !== "undefined",
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    headers: checkHeaders(options.headers ?? {}),
    logger,
  };
}

/** Which option a single key, as given to `createClient(url, key)`, belongs to; its prefix says so. */
export function keyOption(key: string): Pick<FluxbaseClientOptions, "clientKey" | "apiKey" | "serviceKey"> {
  if (key.startsWith("fb_service_")) return { serviceKey: key };
  if (key.startsWith("fb_api_")) return { apiKey: key };
  return { clientKey: key };
}

function serverUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usageError("url must be an absolute http(s) URL, e.g. http://localhost:8080", "invalid_options");
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw usageError("url must begin with http:// or https://", "invalid_options");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw usageError("url must not hold a user name, a query or a fragment", "invalid_options");
  }
  return url;
}

function ownKey(options: FluxbaseClientOptions, logger: Logger): string | null {
  const { apiKey, serviceKey } = options;
  if (apiKey !== undefined && serviceKey !== undefined) {
    throw usageError("apiKey and serviceKey are two identities; give one", "invalid_options");
  }
  if ("serviceKey" in options && serviceKey === undefined) {
    logger.warn("serviceKey is undefined: requests are sent without it. Is the environment variable set?");
  }
  if (serviceKey !== undefined && typeof document !== "undefined") {
    logger.warn("A service key in a browser gives every visitor all data. Use it in backends only");
  }
  if (serviceKey !== undefined) return checkKey("serviceKey", serviceKey);
  return apiKey === undefined ? null : checkKey("apiKey", apiKey);
}

// A key that cannot be a header would otherwise be quoted in the runtime's own error text.
function checkKey(name: string, key: string): string {
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw usageError(`${name} must be a non-empty string of visible ASCII characters`, "invalid_options");
  }
  return key;
}

function checkHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const name of Object.keys(headers)) {
    if (["authorization", "apikey", "x-api-key"].includes(name.toLowerCase())) {
      throw usageError(
        `headers must not hold ${name}; use clientKey, apiKey, serviceKey or setSession()`,
        "invalid_options",
      );
    }
  }
  try {
    new Headers(headers);
  } catch {
    throw usageError("headers holds a name or a value that cannot be sent", "invalid_options");
  }
  return { ...headers };
}
