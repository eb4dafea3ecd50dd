/** Serves a {@link FakeServer} over HTTP, to pages of any origin, and its mailbox at /dev/mail/messages. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FakeServer } from "./fake-server.js";

/** A fake server that browsers can reach. */
export interface Served {
  readonly url: string;
  /** Drops every connection, and goes on listening. */
  cut(): void;
  close(): Promise<void>;
}

export async function serve(fake: FakeServer): Promise<Served> {
  const server = createServer((request, response) => {
    void answer(fake, request, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((closed) => server.close(() => closed()));
  };
  return { url: `http://127.0.0.1:${port}`, cut: () => server.closeAllConnections(), close };
}

async function answer(fake: FakeServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://fake.test");
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  response.setHeader("Access-Control-Allow-Origin", request.headers.origin ?? "*");
  if (request.method === "OPTIONS") {
    response.setHeader("Access-Control-Allow-Methods", "DELETE, GET, PATCH, POST, PUT");
    response.setHeader("Access-Control-Allow-Headers", "apikey, authorization, content-type, x-client-info");
    response.writeHead(204).end();
    return;
  }
  if (url.pathname === "/dev/mail/messages") {
    const to = url.searchParams.get("to");
    const items = [...fake.mail.box].reverse().filter((mail) => mail.to === to);
    const text = (token: string, code: string) =>
      `http://${request.headers.host}/verify?token=${token}\n\nCode: ${code}\n`;
    response.end(
      JSON.stringify({ items: items.map(({ token, code }) => ({ id: token, to, text: text(token, code) })) }),
    );
    return;
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const body = Buffer.concat(chunks).toString();
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) if (typeof value === "string") headers.set(name, value);
  try {
    const init = { method: request.method ?? "GET", headers, signal: gone.signal };
    const made = await fake.fetch(url, body === "" ? init : { ...init, body });
    response.writeHead(made.status, Object.fromEntries(made.headers)).end(await made.text());
  } catch {
    response.destroy(); // scripted to fail, or the page has gone
  }
}
