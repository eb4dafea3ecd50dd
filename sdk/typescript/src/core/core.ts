/**
 * The client behind every face: the session, the authorised way to the server, the timers, and the calls. A face adds
 * only how outcomes are handed over.
 */

import { AdminKeys } from "../admin/keys.js";
import { AdminUsers } from "../admin/users.js";
import { Account } from "../auth/account.js";
import { AskedMails } from "../auth/asked.js";
import { Desk } from "../auth/desk.js";
import { ApiKeys } from "../auth/keys.js";
import { Landing, takeArrival } from "../auth/landing.js";
import { MailedLinks } from "../auth/links.js";
import { SecondFactors } from "../auth/mfa.js";
import { Sessions } from "../auth/sessions.js";
import { SignIn } from "../auth/signin.js";
import { Waits } from "../auth/waits.js";
import { VERSION } from "../version.js";
import { Tabs } from "./broadcast.js";
import { AuthEvents } from "./events.js";
import { Gateway } from "./gateway.js";
import { Http } from "./http.js";
import { silentLogger } from "./logger.js";
import { type FluxbaseClientOptions, resolveOptions } from "./options.js";
import { Refresher } from "./refresh.js";
import { SessionState } from "./session.js";
import { Vault } from "./storage.js";
import { Ticker } from "./ticker.js";

/** Seconds before the access token's end from which it is refreshed. */
const MARGIN_SECONDS = 90;

/** The calls of a part, without its insides. */
export type Calls<Part> = { readonly [Name in keyof Part]: Part[Name] };

/** All auth calls. They return values and throw typed errors, and need no `this`. */
export interface Auth
  extends Calls<SignIn>,
    Calls<MailedLinks>,
    Calls<SecondFactors>,
    Calls<Account>,
    Calls<ApiKeys>,
    Calls<Sessions>,
    Pick<Landing, "initialize"> {}

/** All calls of operators. */
export interface Admin extends Calls<AdminUsers>, Calls<AdminKeys> {}

/** What a face builds on. */
export interface Core {
  readonly auth: Auth;
  readonly admin: Admin;
  readonly desk: Desk;
  readonly gateway: Gateway;
  /** Stops timers and waits, leaves the other tabs, forgets listeners. The session stays stored. May be called twice. */
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
    exchange: (refreshToken) => desk.exchangeRefreshToken(refreshToken),
    now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    arrived: () => landing.done(),
    marginSeconds: MARGIN_SECONDS,
  });
  const gateway = new Gateway({ http, state, refresher, key: resolved.key });
  const ticker = new Ticker(
    () => void refresher.current(),
    () => refresher.warmUp(),
  );
  const asked = new AskedMails(new Vault(resolved.storage, `${storageKey}.asked`, silentLogger), now);
  const desk: Desk = new Desk({ gateway, state, refresher, events, asked });
  const waits = new Waits(desk, resolved.waitForLinks);
  const landing: Landing = new Landing(desk, logger, resolved.detectSessionInUrl ? takeArrival() : null);
  const links = new MailedLinks(desk, waits);
  if (resolved.autoRefreshToken) ticker.start();

  return {
    auth: {
      ...new SignIn(desk, waits),
      ...links,
      ...new SecondFactors(desk),
      ...new Account(desk, links),
      ...new ApiKeys(desk),
      ...new Sessions(desk, ticker),
      initialize: landing.initialize,
    },
    admin: { ...new AdminUsers(gateway), ...new AdminKeys(gateway) },
    desk,
    gateway,
    dispose() {
      ticker.stop();
      tabs.close();
      waits.abort();
      events.clear();
    },
  };
}
