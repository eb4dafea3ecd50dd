/** The package as others get it: packed, installed in a foreign project under both names, imported and required. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../src/version.js";

const ROOT = resolve(import.meta.dirname, "../..");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, unknown>;
let project: string;

const npm = (cwd: string, ...args: string[]) =>
  execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const node = (file: string) => execFileSync(process.execPath, [file], { cwd: project, encoding: "utf8" });
const write = (name: string, text: string) => writeFileSync(join(project, name), text);

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "fluxbase-consumer-"));
  const packed = JSON.parse(npm(ROOT, "pack", "--json", "--ignore-scripts", "--pack-destination", project)) as unknown;
  const [{ filename, files }] = Object.values(packed as object) as [{ filename: string; files: { path: string }[] }];
  expect(files.map(({ path }) => path).sort()).toEqual([
    "README.md",
    "dist/index.cjs",
    "dist/index.cjs.map",
    "dist/index.d.cts",
    "dist/index.d.ts",
    "dist/index.js",
    "dist/index.js.map",
    "package.json",
  ]);
  const dependencies = { "@fluxbase/sdk": `file:./${filename}`, "@nimbleflux/fluxbase-sdk": `file:./${filename}` };
  write("package.json", JSON.stringify({ name: "consumer", private: true, dependencies }));
  npm(project, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund");
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the package", () => {
  it("is described truthfully", async () => {
    expect(manifest["version"]).toBe(VERSION);
    expect(manifest["sideEffects"]).toBe(false);
    expect(manifest["dependencies"]).toBeUndefined();
    const { messages } = await publint({ pkgDir: ROOT, strict: true, pack: false });
    expect(messages).toEqual([]);
  });

  const use = `
    const server = "http://127.0.0.1:9";
    const client = new sdk.FluxbaseClient({ url: server });
    const results = sdk.createClient(server, "fb_client_x");
    const { error } = await results.from("todos").select().retry(false);
    let thrown;
    try { await client.auth.signIn({ email: "a@b.c", password: "x" }); } catch (e) { thrown = e; }
    console.log([sdk.VERSION, error.code, thrown instanceof sdk.NetworkError, thrown instanceof sdk.AuthError].join());`;

  it.each(["@fluxbase/sdk", "@nimbleflux/fluxbase-sdk"])("can be imported and required as %s", (name) => {
    write("use.mjs", `import * as sdk from "${name}";${use}`);
    write("use.cjs", `const sdk = require("${name}"); (async () => {${use}})();`);
    for (const file of ["use.mjs", "use.cjs"]) expect(node(file).trim()).toBe(`${VERSION},network_error,true,false`);
  });

  it("knows its errors across ESM and CommonJS", () => {
    write(
      "both.mjs",
      `import * as esm from "@fluxbase/sdk";
       import { createRequire } from "node:module";
       const cjs = createRequire(import.meta.url)("@fluxbase/sdk");
       const error = new cjs.AuthError("x", { status: 401, code: "c" });
       console.log([esm.AuthError === cjs.AuthError, error instanceof esm.AuthError, error instanceof esm.FluxbaseError,
         error instanceof Error, error instanceof esm.DataError].join());`,
    );
    expect(node("both.mjs").trim()).toBe("false,true,true,true,false");
  });

  it("lets a process end although sessions are being watched", () => {
    write(
      "end.mjs",
      `import { FluxbaseClient } from "@fluxbase/sdk";
       const items = new Map();
       const storage = { getItem: (k) => items.get(k) ?? null, setItem: (k, v) => void items.set(k, v), removeItem: (k) => void items.delete(k) };
       const client = new FluxbaseClient({ url: "http://127.0.0.1:9", storage });
       client.auth.onAuthStateChange(() => {});
       console.log(await client.auth.getSession());`,
    );
    expect(
      execFileSync(process.execPath, ["end.mjs"], { cwd: project, encoding: "utf8", timeout: 20_000 }).trim(),
    ).toBe("null");
  });

  it.each([
    ["with the DOM's types", ["ES2022", "DOM"], []],
    ["with Node's types only", ["ES2022"], ["node"]],
  ])("has types for both module systems, %s", (_, lib, types) => {
    const text = `
      import { createClient, FluxbaseClient, type Session } from "@fluxbase/sdk";
      const client = new FluxbaseClient({ url: "http://localhost:8080", serviceKey: process.env.FLUXBASE_SERVICE_KEY });
      client.auth.onAuthStateChange((event, session) => {
        if (event === "SIGNED_IN") { const known: Session = session; void known.user; }
      });
      export const rows = client.from("todos").select("id");
      export const outcome = createClient("http://localhost:8080", "key").auth.getUser();`;
    const env = "declare const process: { env: Record<string, string | undefined> };";
    for (const name of ["typed.mts", "typed.cts"]) write(name, types.length > 0 ? text : `${text}\n${env}`);
    const compilerOptions = {
      ...{ module: "nodenext", moduleResolution: "nodenext", target: "es2022", strict: true, noEmit: true },
      ...{ exactOptionalPropertyTypes: true, skipLibCheck: types.length > 0, lib, types },
      typeRoots: [join(ROOT, "node_modules/@types")],
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["typed.mts", "typed.cts"] }));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, "-p", "tsconfig.json"], { cwd: project, stdio: "inherit" });
  });
});
