/**
 * Finds the server that the real tests talk to: the one named by FLUXBASE_TEST_URL and its companions, or a fresh
 * `fluxbase dev` on a port and a directory of its own. There is no third way: without a server the run fails.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, chmodSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

/** What the tests are told about the server. */
export interface Server {
  readonly url: string;
  readonly clientKey: string;
  readonly serviceKey: string;
  /** The owner's connection, for making tables. */
  readonly databaseUrl: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    fluxbase: Server;
  }
}

const BINARY = resolve(import.meta.dirname, "../../../../bin/fluxbase");
/** What the tests need beyond the defaults. A server that is given must have been started with the same. */
const SETTINGS = {
  FLUXBASE_DATA_SCHEMAS: "public,dialect_reads,dialect_writes,dialect_other",
  FLUXBASE_DATA_TX_END: "commit-allow-override",
  FLUXBASE_DATA_AGGREGATES: "true",
  FLUXBASE_DATA_PLAN_ENABLED: "true",
};
const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 15_000;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = fromEnvironment();
  if (given !== undefined) {
    project.provide("fluxbase", given);
    return async () => undefined;
  }
  const { server, stop } = await start();
  project.provide("fluxbase", server);
  return stop;
}

function fromEnvironment(): Server | undefined {
  const url = process.env["FLUXBASE_TEST_URL"];
  if (!url) return undefined;
  const need = (name: string): string => {
    const value = process.env[name];
    if (!value) throw new Error(`FLUXBASE_TEST_URL is set, so ${name} must be set too`);
    return value;
  };
  return {
    url,
    clientKey: need("FLUXBASE_TEST_CLIENT_KEY"),
    serviceKey: need("FLUXBASE_TEST_SERVICE_KEY"),
    databaseUrl: need("FLUXBASE_TEST_DATABASE_URL"),
  };
}

async function start(): Promise<{ server: Server; stop: () => Promise<void> }> {
  try {
    accessSync(BINARY, constants.X_OK);
  } catch {
    throw new Error(`The real tests need the server's binary at ${BINARY}. Build it first, or set FLUXBASE_TEST_URL`);
  }
  const directory = mkdtempSync(join(tmpdir(), "fluxbase-sdk-"));
  chmodSync(directory, 0o755); // the database may run as another user
  const child = spawn(BINARY, ["dev", "--json", "--address", "127.0.0.1:0", "--data-dir", join(directory, "data")], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: directory,
    env: { ...process.env, ...SETTINGS },
  });
  const stop = async () => {
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    return { server: await announced(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The first line of standard output, which is one JSON object, once the server is ready. */
function announced(child: ChildProcess): Promise<Server> {
  const complaints: string[] = [];
  child.stderr?.on("data", (chunk: Buffer) => {
    complaints.push(chunk.toString());
    if (complaints.length > 200) complaints.shift();
  });
  return new Promise((fulfil, reject) => {
    const fail = (what: string) => reject(new Error(`fluxbase dev ${what}\n${complaints.join("")}`));
    const timer = setTimeout(() => fail(`was not ready after ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => fail(`ended early (${code ?? signal})`));
    if (child.stdout === null) return fail("has no standard output");
    createInterface(child.stdout).once("line", (line) => {
      clearTimeout(timer);
      try {
        fulfil(read(line));
      } catch (error) {
        fail(`did not announce itself as one JSON line: ${String(error)}`);
      }
    });
  });
}

function read(line: string): Server {
  const said = JSON.parse(line) as Record<string, unknown>;
  const need = (name: string): string => {
    const value = said[name];
    if (typeof value !== "string" || value === "") throw new Error(`${name} is missing`);
    return value;
  };
  return {
    url: need("api_url"),
    clientKey: need("client_key"),
    serviceKey: need("service_key"),
    databaseUrl: need("database_url"),
  };
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((fulfil) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      fulfil();
    });
    child.kill("SIGTERM");
  });
}
