import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { record, settle } from "../support/unit.js";
import { connect, disposeAll, freshEmail, PASSWORD, SharedStorage, server, signedUp } from "./support.js";

afterEach(disposeAll);

describe("a hundred tabs", () => {
  it("refresh at once while every tenth answer is lost, and nobody is signed out", async () => {
    const storage = new SharedStorage();
    let answers = 0;
    let lost = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const answer = await globalThis.fetch(input, init);
      if (!String(input).endsWith("/refresh") || ++answers % 10 !== 0) return answer;
      lost += 1;
      await answer.arrayBuffer();
      throw new TypeError("connection reset");
    };
    const { session } = await signedUp({ storage, fetch });
    const tabs = Array.from({ length: 100 }, () => connect({ storage, fetch }));
    for (const tab of tabs) expect((await tab.auth.getSession())?.id).toBe(session.id);
    const events = tabs.map((tab) => record(tab));
    for (let round = 0; round < 3; round++) {
      const results = await Promise.allSettled(tabs.map((tab) => tab.auth.refreshSession()));
      expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    }
    await settle(200);
    expect(lost).toBeGreaterThan(5);
    expect(events.flatMap(({ names }) => names)).not.toContain("SIGNED_OUT");
    const tokens = await Promise.all(tabs.map(async (tab) => (await tab.auth.getSession())?.refresh_token));
    expect(new Set(tokens).size).toBe(1);
    for (const tab of [tabs[0], tabs[99]]) expect((await tab?.auth.getCurrentUser())?.id).toBe(session.user.id);
  });

  it("without channels or a shared memory, all presenting the same token", async () => {
    const { client, session } = await signedUp();
    const alone = Array.from({ length: 20 }, () => new SharedStorage());
    const tabs = alone.map((storage) => connect({ storage }));
    for (const tab of tabs) await tab.auth.setSession(session);
    const refreshed = await Promise.all(tabs.map((tab) => tab.auth.refreshSession()));
    expect(new Set(refreshed.map((one) => one.session.refresh_token)).size).toBe(1);
    expect((await client.auth.getCurrentUser())?.id).toBe(session.user.id);
  });
});

describe("two processes", () => {
  it("share a session in a file and both stay signed in", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fluxbase-sdk-file-"));
    try {
      const email = freshEmail();
      await connect().auth.signUp({ email, password: PASSWORD });
      const script = resolve(import.meta.dirname, "fixtures/process.mjs");
      const run = (mode: string) => node(script, [server.url, join(directory, "session.json"), mode, email, PASSWORD]);
      const first = await run("sign-in");
      const ended = await Promise.all([run("refresh"), run("refresh")]);
      for (const one of ended) {
        expect(one.events).not.toContain("SIGNED_OUT");
        expect(one.session).toBe(first.session);
        expect(one.email).toBe(email);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

interface Report {
  session: string;
  email: string;
  events: string[];
}

function node(script: string, args: string[]): Promise<Report> {
  return new Promise((fulfil, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) fulfil(JSON.parse(out) as Report);
      else reject(new Error(`${script} ended with ${code}`));
    });
  });
}
