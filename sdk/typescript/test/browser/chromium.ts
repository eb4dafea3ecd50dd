/** Finds the browser that the tests drive: the one at CHROMIUM_PATH, or Debian's. */

import { accessSync, constants } from "node:fs";

/** Throws when there is none: a missing browser is a failure, never a reason to skip. */
export function chromiumPath(environment: NodeJS.ProcessEnv = process.env): string {
  const path = environment["CHROMIUM_PATH"] || "/usr/bin/chromium";
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new Error(
      `The browser tests need Chromium at ${path}: install the Debian package chromium, or set CHROMIUM_PATH`,
    );
  }
  return path;
}

/** No sandbox (tests may run as root), and nothing that talks to anybody but the pages under test. */
export const CHROMIUM_ARGUMENTS: readonly string[] = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
