/** Serves the application's page and the built package from an origin of their own, under a strict policy. */

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";

const PAGE = resolve(import.meta.dirname, "page");
const DIST = resolve(import.meta.dirname, "../../dist");
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "/": [resolve(PAGE, "index.html"), "text/html; charset=utf-8"],
  "/app.js": [resolve(PAGE, "app.js"), "text/javascript; charset=utf-8"],
  "/sdk/index.js": [resolve(DIST, "index.js"), "text/javascript; charset=utf-8"],
};

/** A running site. */
export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** Starts the site. Its pages may load what it serves itself and may talk to `api` only. */
export async function openSite(api: string): Promise<Site> {
  const policy = `default-src 'self'; connect-src ${new URL(api).origin}`;
  const server = createServer((request, response) => {
    const found = FILES[new URL(request.url ?? "/", "http://site").pathname];
    response.setHeader("Content-Security-Policy", policy);
    response.setHeader("Cache-Control", "no-store");
    if (found === undefined) {
      response.writeHead(204).end(); // the icon that browsers ask for
      return;
    }
    response.writeHead(200, { "Content-Type": found[1] }).end(readFileSync(found[0]));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, close: () => close(server) };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((closed) => server.close(() => closed()));
}
