/**
 * The client behind every face: the session, the authorised way to the server, the timers. A face adds only how
 * outcomes are handed over.
 */

import { AuthService } from "../auth/service.js";
import { VERSION } from "../version.js";
import { Tabs } from "./broadcast.js";
import { AuthEvents } from "./events.js";
import { Gateway } from "./gateway.js";
import { Http } from "./http.js";
import { type FluxbaseClientOptions, resolveOptions } from "./options.js";
import { Refresher } from "./refresh.js";
import { SessionState } from "./session.js";
import { Vault } from "./storage.js";
import { Ticker } from "./ticker.js";

/** Seconds before the access token's end from which it is refreshed. */
const MARGIN_SECONDS = 90;

/** What a face builds on. */
export interface Core {
  readonly auth: AuthService;
  readonly gateway: Gateway;
  /** Stops timers, leaves the other tabs, forgets listeners. The session stays stored. May be called twice. */
  dispose(): void;
}

/** Puts the parts together, in order of dependence. */
export function createCore(options: FluxbaseClientOptions): Core {
  const resolved = resolveOptions(options);
  const { logger, storageKey } = resolved;
  const now = () => Date.now();

  const http = new Http({ ...resolved, clientInfo: `fluxbase-js/${VERSION}` });
  const vault = new Vault(resolved.storage, storageKey, logger);
  const events = new AuthEvents(logger);
  const tabs = new Tabs(resolved.shared ? storageKey : null, (reason) => void state.reconcile(reason));
  const state: SessionState = new SessionState({ vault, events, tabs, now });
  const refresher: Refresher = new Refresher({
    state,
    exchange: (refreshToken) => auth.exchangeRefreshToken(refreshToken),
    now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    marginSeconds: MARGIN_SECONDS,
  });
  const gateway = new Gateway({ http, state, refresher, key: resolved.key });
  const ticker = new Ticker(
    () => void refresher.current(),
    () => refresher.warmUp(),
  );
  const auth: AuthService = new AuthService({ gateway, state, refresher, events, ticker });
  if (resolved.autoRefreshToken) ticker.start();

  return {
    auth,
    gateway,
    dispose() {
      ticker.stop();
      tabs.close();
      events.clear();
    },
  };
}
