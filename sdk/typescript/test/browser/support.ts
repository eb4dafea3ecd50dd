/**
 * Shared by the browser tests. {@link visit} opens the application in a fresh profile; whatever a page complains about
 * (console, uncaught errors, unhandled rejections, the content policy) fails the test unless the test allows it.
 */

import { type Browser, type BrowserContext, type ConsoleMessage, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type * as sdk from "../../src/index.js";
import { server } from "../real/support.js";
import { CHROMIUM_ARGUMENTS, chromiumPath } from "./chromium.js";
import { openSite, type Site } from "./site.js";

export { freshEmail, PASSWORD, server, sql } from "../real/support.js";

/** What the page's listener heard. */
export interface Change {
  readonly event: sdk.AuthEvent;
  readonly session: sdk.Session | null;
  readonly reason?: string;
}

/** An error as the page reports it. */
export interface Caught {
  readonly kind?: string;
  readonly status: number;
  readonly code: string;
  readonly reason?: string;
  readonly requestId?: string;
}

declare global {
  interface Window {
    readonly client: sdk.FluxbaseClient;
    readonly changes: Change[];
    readonly violations: string[];
    readonly rejections: string[];
    /** What `work` was rejected with, or null. */
    readonly caught: (work: PromiseLike<unknown>) => Promise<Caught | null>;
    /** The stored session's text. */
    readonly stored: () => string | null;
  }
}

/** The browser itself notes answers of 4xx in the console; no page can prevent it. */
export const REFUSED = /^error: Failed to load resource: the server responded with a status of 4\d\d/;
/** Nor that it was cut off. */
export const OFFLINE = /^error: Failed to load resource: net::ERR_INTERNET_DISCONNECTED/;

/** Which server the pages talk to. */
export interface Api {
  readonly url: string;
  readonly clientKey: string;
}

let browser: Browser | undefined;
let site: Site;
let api: Api = server;
const visits = new Set<Visit>();

/**
 * Call once per file: a browser and a site for its tests, and a look at all complaints after each of them. `chosen` is
 * asked for the server that the pages talk to, in place of the real one.
 */
export function useBrowser(chosen: () => Promise<Api> = async () => server): void {
  beforeAll(async () => {
    api = await chosen();
    site = await openSite(api.url);
    browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_ARGUMENTS] });
  });
  afterEach(async () => {
    const all = [...visits];
    visits.clear();
    const complaints = await Promise.all(all.map((one) => one.close()));
    expect(complaints.flat()).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await site.close();
  });
}

/** Somebody's browser profile, with any number of tabs. */
export class Visit {
  readonly context: BrowserContext;
  readonly #allowed: RegExp[] = [];
  readonly #complaints: string[] = [];

  constructor(context: BrowserContext) {
    this.context = context;
    context.on("console", (message: ConsoleMessage) => {
      if (["error", "warning", "assert"].includes(message.type())) {
        this.#complaints.push(`${message.type()}: ${message.text()}`);
      }
    });
    context.on("weberror", (error) => this.#complaints.push(`uncaught: ${String(error.error())}`));
  }

  get origin(): string {
    return site.origin;
  }

  /** Complaints so far. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Complaints that match are expected in this test. */
  allow(...expected: RegExp[]): this {
    this.#allowed.push(...expected);
    return this;
  }

  /** A new tab with the application. `prepare` runs in it before anything else does; `hash` ends its address. */
  async tab(prepare?: () => void, hash = ""): Promise<Page> {
    const page = await this.context.newPage();
    if (prepare !== undefined) await page.addInitScript(prepare);
    const asked = new URLSearchParams({ url: api.url, key: api.clientKey });
    await page.goto(`${site.origin}/?${asked}${hash}`);
    await greeted(page);
    return page;
  }

  /** Closes all tabs; answers with the complaints that nobody allowed. */
  async close(): Promise<string[]> {
    for (const page of this.context.pages()) {
      const { rejections, violations } = await page.evaluate(() => ({
        rejections: window.rejections,
        violations: window.violations,
      }));
      this.#complaints.push(
        ...rejections.map((text) => `unhandled: ${text}`),
        ...violations.map((directive) => `violates: ${directive}`),
      );
    }
    await this.context.close();
    return this.#complaints.filter((text) => !this.#allowed.some((expected) => expected.test(text)));
  }
}

/** A browser profile that has never been here. */
export async function visit(): Promise<Visit> {
  if (browser === undefined) throw new Error("useBrowser() has not been called");
  return own(new Visit(await browser.newContext()));
}

/** Has a visit looked at and closed with the others. */
export function own(made: Visit): Visit {
  visits.add(made);
  return made;
}

/** Waits until the page's listener has been called for the first time, as it must be. */
export async function greeted(page: Page): Promise<void> {
  await page.waitForFunction(() => window.changes?.[0]?.event === "INITIAL_SESSION");
}

/** Signs a new account up in a tab. */
export async function signUp(page: Page, email: string, password: string): Promise<sdk.Session> {
  return page.evaluate(
    async ([email, password]) => {
      const { session } = await window.client.auth.signUp({ email, password });
      if (session === null) throw new Error("the server under test must not ask for confirmation");
      return session;
    },
    [email, password] as const,
  );
}

/** The names of the changes that a tab has heard of, in order. */
export function heard(page: Page): Promise<string[]> {
  return page.evaluate(() => window.changes.map(({ event }) => event));
}

/** Waits until a tab has heard exactly these changes. */
export async function expectHeard(page: Page, ...names: sdk.AuthEvent[]): Promise<void> {
  await expect.poll(() => heard(page), { timeout: 5_000, interval: 20 }).toEqual(names);
}

/** Why the session ended, as a tab has heard it last. */
export function endReason(page: Page): Promise<string | undefined> {
  return page.evaluate(() => window.changes.filter(({ event }) => event === "SIGNED_OUT").pop()?.reason);
}

/** Lets time pass on a tab's clock, so that its token is due by its own schedule. */
export async function pass(page: Page, seconds: number): Promise<void> {
  await page.evaluate((milliseconds) => {
    const before = Date.now;
    Date.now = () => before() + milliseconds;
  }, seconds * 1000);
}

/** The session that a tab holds, without its refreshing anything. */
export function held(page: Page): Promise<sdk.Session | null> {
  return page.evaluate(() => window.client.auth.getSession());
}
