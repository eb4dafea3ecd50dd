/**
 * Runs the code samples of the documentation as they are printed. Only placeholders are replaced: the server's address,
 * the key, the e-mail address. A sample is compiled, written next to the package so that it finds it by name, and
 * imported by Node itself. Names that a sample takes from its surroundings are bound in front of it; names that it
 * declares can be read afterwards.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { constants, Script } from "node:vm";
import ts from "typescript";

const ROOT = resolve(import.meta.dirname, "../../..");
const OUT = resolve(ROOT, ".samples");

/** What each running sample takes from its surroundings; it looks here under its own key. */
const surroundings: Record<string, unknown> = {};
Object.defineProperty(globalThis, Symbol.for("fluxbase.samples"), { value: surroundings, configurable: true });

/** Placeholders and what stands for them in this run. */
export type Placeholders = Readonly<Record<string, string>>;

let serial = 0;

// Node's own import: the samples must meet the built package, not the sources that the test runner would hand out.
const nodeImport = new Script("(url) => import(url)", {
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}).runInThisContext() as (url: string) => Promise<Record<string, unknown>>;

/** Runs `file` and returns the values of `declared`. */
export function runSample(
  file: string,
  placeholders: Placeholders,
  bound: Readonly<Record<string, unknown>> = {},
  declared: readonly string[] = [],
): Promise<Record<string, unknown>> {
  return runText(readFileSync(resolve(import.meta.dirname, file), "utf8"), placeholders, bound, declared);
}

/** Runs a text as {@link runSample} runs a file. */
export async function runText(
  sample: string,
  placeholders: Placeholders,
  bound: Readonly<Record<string, unknown>>,
  declared: readonly string[],
): Promise<Record<string, unknown>> {
  let text = sample;
  for (const [placeholder, value] of Object.entries(placeholders)) text = text.replaceAll(placeholder, value);
  serial += 1;
  const key = `sample-${process.pid}-${serial}`;
  surroundings[key] = bound;
  const module = [
    `const { ${Object.keys(bound).join(", ")} } = globalThis[Symbol.for("fluxbase.samples")][${JSON.stringify(key)}];`,
    compile(text),
    `export { ${declared.join(", ")} };`,
  ].join("\n");
  mkdirSync(OUT, { recursive: true });
  const path = resolve(OUT, `${key}.mjs`);
  writeFileSync(path, module);
  try {
    return await nodeImport(pathToFileURL(path).href);
  } finally {
    rmSync(path);
    delete surroundings[key];
  }
}

/** The values that a text declares or imports at its top level. */
export function declaredNames(text: string): string[] {
  const names: string[] = [];
  const collect = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) names.push(name.text);
    else for (const element of name.elements) if (ts.isBindingElement(element)) collect(element.name);
  };
  for (const statement of ts.createSourceFile("sample.ts", text, ts.ScriptTarget.ES2022).statements) {
    if (ts.isVariableStatement(statement)) for (const one of statement.declarationList.declarations) collect(one.name);
    const bindings = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : undefined;
    if (bindings && ts.isNamedImports(bindings)) {
      for (const one of bindings.elements) if (!one.isTypeOnly) names.push(one.name.text);
    }
  }
  return names;
}

function compile(text: string): string {
  const { outputText, diagnostics } = ts.transpileModule(text, {
    reportDiagnostics: true,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
    },
  });
  if (diagnostics !== undefined && diagnostics.length > 0) {
    throw new Error(
      `The sample does not compile: ${ts.flattenDiagnosticMessageText(diagnostics[0]?.messageText, "\n")}`,
    );
  }
  return outputText.replace(/^export \{\};$/m, "");
}
