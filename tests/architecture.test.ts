import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

/** What a folder of src/ may import besides itself and the leaves: `values` anything, `types` only with `import type`. */
interface Rule {
  /** Core: no I/O, no clock, no randomness, no packages. */
  readonly core?: true;
  readonly values?: readonly string[];
  readonly types?: readonly string[];
}

/** The whole architecture, in one table. */
const FOLDERS: Readonly<Record<string, Rule>> = {
  wire: { core: true },
  control: { core: true },
  ppp: { core: true, values: ["wire"] },
  crypto: { core: true, values: ["wire"] },
  tunnel: { core: true, values: ["wire", "crypto"] },
  link: { core: true, values: ["wire", "ppp"] },
  scheduler: { core: true, types: ["link"] },
  bundle: { core: true, values: ["wire", "link", "scheduler"] },
  dial: { core: true, values: ["wire"], types: ["link"] },
  sim: { core: true, values: ["wire", "ppp", "tunnel", "link", "bundle", "scheduler", "dial"] },
  host: { values: ["wire", "ppp", "crypto", "tunnel", "link", "bundle", "scheduler"], types: ["control"] },
  config: { values: ["wire", "control", "ppp", "crypto", "dial"], types: ["link", "bundle", "scheduler"] },
  lab: { values: ["host", "sim", "wire", "dial"], types: ["control"] },
  daemon: {
    values: ["wire", "ppp", "crypto", "link", "bundle", "scheduler", "control", "host", "config", "dial"],
  },
  cli: { values: ["control", "config", "sim", "lab", "host", "daemon", "wire", "dial", "crypto"] },
};
/** Files that every folder may import; they import each other at most. */
const LEAVES: readonly string[] = ["errors.ts", "time.ts"];
/** The public interface of the package: imports what it likes, and nobody imports it. */
const ENTRY = "index.ts";

/** What core must not name: the host's clocks, timers, randomness, streams and process. */
const HOST_NAMES =
  /(?<![.\w$])(Date|performance|process|console|Buffer|setTimeout|setInterval|setImmediate|queueMicrotask|crypto|fetch|globalThis|require)(?![\w$]|\s*\??:)|\bMath\s*\.\s*random\b/g;

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const COMMENT_OR_TEXT = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;

const withoutComments = (source: string): string =>
  source.replace(COMMENT_OR_TEXT, (found) => (found.startsWith("/") ? " " : found));

/** Code alone. Of a template literal, what is computed in it. */
const withoutTexts = (source: string): string =>
  source
    .replace(COMMENT_OR_TEXT, (found) => (found.startsWith("/") ? " " : '""'))
    .replace(/`(?:[^`\\]|\\.)*`/g, (template) =>
      [...template.matchAll(/\$\{([^}]*)\}/g)].map(([, computed]) => computed).join(";"),
    );

/** Imports and re-exports of all forms, also where a worker's file is named. */
function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  const found: Import[] = [];
  for (const [, , type, specifier = ""] of code.matchAll(
    /(?:^|[;\n])\s*(import|export)\s+(type\s)?[^;"'()=]*?\bfrom\s*"([^"]+)"/g,
  )) {
    found.push({ specifier, typeOnly: type !== undefined });
  }
  for (const [, specifier = ""] of code.matchAll(
    /(?:(?:^|[;\n])\s*import\s*|\bimport\s*\(\s*|\bnew URL\(\s*(?="[^"]+\.[jt]s"))"([^"]+)"/g,
  )) {
    found.push({ specifier, typeOnly: false });
  }
  return found;
}

/** @param file path below src/ */
function violations(file: string, source: string): string[] {
  const folder = dirname(file).split("/")[0] ?? "";
  const rule: Rule | undefined = LEAVES.includes(file) ? { core: true } : FOLDERS[folder];
  const found: string[] = [];
  if (!/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(basename(file))) found.push("is not named in kebab-case");
  const code = withoutTexts(source);
  if (/\bexport\s+default\b|\bas\s+default\b/.test(code)) found.push("has a default export");
  if (file === ENTRY) return found;
  if (rule === undefined) return [...found, "is in a folder that the table does not know"];
  for (const { specifier, typeOnly } of importsOf(source)) {
    const target = specifier.startsWith(".") ? join(dirname(file), specifier) : null;
    if (target === null) {
      if (rule.core) found.push(`is core and must not import ${specifier}`);
      continue;
    }
    const targetFolder = target.split("/")[0] ?? "";
    if (LEAVES.includes(target) || (targetFolder === folder && folder !== ".")) continue;
    if (rule.values?.includes(targetFolder)) continue;
    if (!rule.types?.includes(targetFolder)) found.push(`must not import ${specifier}`);
    else if (!typeOnly) found.push(`may import only types from ${specifier}`);
  }
  if (rule.core) {
    for (const [name] of code.matchAll(HOST_NAMES)) found.push(`is core and must not use ${name}`);
  }
  return found;
}

describe("the source", () => {
  const src = fileURLToPath(new URL("../../src/", import.meta.url));
  const files = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(src, join(entry.parentPath, entry.name)));

  it("keeps to the table", () => {
    assert.ok(files.length > 20, `only ${files.length} files found`);
    const all = files.flatMap((file) =>
      violations(file, readFileSync(join(src, file), "utf8")).map((what) => `src/${file} ${what}`),
    );
    assert.deepEqual(all, []);
  });

  it("has every folder of the table", () => {
    const folders = new Set(files.map((file) => file.split("/")[0]));
    assert.deepEqual(
      Object.keys(FOLDERS).filter((folder) => !folders.has(folder)),
      [],
    );
  });

  it("compiles core, and only core, without the types of Node", () => {
    const { include } = JSON.parse(
      readFileSync(new URL("../../tsconfig.core.json", import.meta.url), "utf8"),
    ) as { include: string[] };
    const core = Object.keys(FOLDERS).filter((folder) => FOLDERS[folder]?.core);
    assert.deepEqual(include.toSorted(), [...LEAVES, ...core].map((name) => `src/${name}`).toSorted());
  });
});

describe("the table", () => {
  it("has no way round", () => {
    const below = (folder: string, path: readonly string[]): void => {
      assert.ok(!path.includes(folder), `a circle: ${[...path, folder].join(" → ")}`);
      const { values = [], types = [] } = FOLDERS[folder] ?? {};
      // Types may point back up: scheduler sees the type of a link, and is below bundle all the same.
      for (const next of values) below(next, [...path, folder]);
      for (const next of types) assert.ok(next in FOLDERS, next);
    };
    for (const folder of Object.keys(FOLDERS)) below(folder, []);
  });
});

describe("the check itself", () => {
  const cases: readonly [file: string, source: string, expected: string[]][] = [
    ["link/a.ts", 'import { b } from "../wire/b.ts";', []],
    ["link/a.ts", 'import { b } from "./b.ts";\nimport { c } from "../time.ts";', []],
    ["link/a.ts", 'import { b } from "../host/b.ts";', ["must not import ../host/b.ts"]],
    ["link/a.ts", 'import {\n  b,\n  type C,\n} from "../host/b.ts";', ["must not import ../host/b.ts"]],
    ["link/a.ts", 'import type { B } from "../host/b.ts";', ["must not import ../host/b.ts"]],
    ["link/a.ts", 'export * from "../host/b.ts";', ["must not import ../host/b.ts"]],
    ["link/a.ts", 'const b = await import("../host/b.ts");', ["must not import ../host/b.ts"]],
    ["link/a.ts", 'import "../host/b.ts";', ["must not import ../host/b.ts"]],
    ["link/a.ts", '/* import { b } from "../host/b.ts"; */\n// import "../cli/b.ts"', []],
    ["link/a.ts", 'import { b } from "../index.ts";', ["must not import ../index.ts"]],
    ["lab/a.ts", 'new Worker(new URL("../cli/w.ts", import.meta.url))', ["must not import ../cli/w.ts"]],
    ["lab/a.ts", 'new URL("../../package.json", import.meta.url)', []],
    ["scheduler/a.ts", 'import type { B } from "../link/b.ts";', []],
    ["scheduler/a.ts", 'export type { B } from "../link/b.ts";', []],
    ["scheduler/a.ts", 'import { b } from "../link/b.ts";', ["may import only types from ../link/b.ts"]],
    ["scheduler/a.ts", 'import { type B } from "../link/b.ts";', ["may import only types from ../link/b.ts"]],
    [
      "host/a.ts",
      'import type { A } from "../control/a.ts";\nimport { b } from "../control/b.ts";',
      ["may import only types from ../control/b.ts"],
    ],
    ["wire/a.ts", 'import fs from "node:fs";', ["is core and must not import node:fs"]],
    ["wire/a.ts", 'import type { Z } from "zod";', ["is core and must not import zod"]],
    ["host/a.ts", 'import fs from "node:fs";', []],
    ["wire/a.ts", "const t = Date.now();", ["is core and must not use Date"]],
    ["wire/a.ts", "const t = `${performance.now()}`;", ["is core and must not use performance"]],
    ["sim/a.ts", "const r = Math.random();", ["is core and must not use Math.random"]],
    ["sim/a.ts", '// a Date\nconst text = "process" + `performance`; const a = { process: 1 }.process;', []],
    ["errors.ts", 'import { a } from "./wire/a.ts";', ["must not import ./wire/a.ts"]],
    ["wire/a.ts", "export default 1;", ["has a default export"]],
    ["wire/a.ts", "export { a as default };", ["has a default export"]],
    ["wire/camelCase.ts", "", ["is not named in kebab-case"]],
    ["stray.ts", "", ["is in a folder that the table does not know"]],
    ["util/a.ts", "", ["is in a folder that the table does not know"]],
    ["index.ts", 'export { a } from "./cli/a.ts";', []],
  ];
  for (const [file, source, expected] of cases) {
    it(`${expected.length === 0 ? "allows" : "finds"} ${file}: ${JSON.stringify(source)}`, () => {
      assert.deepEqual(violations(file, source), expected);
    });
  }
});

describe("docs/architecture.md", () => {
  const page = readFileSync(new URL("../../docs/architecture.md", import.meta.url), "utf8");

  it("has the table, with what each folder may import", () => {
    const names = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
    const rows = [...page.matchAll(/^\| `(\w+)` \| (core|node) \| [^|]+ \|([^|]*)\|([^|]*)\|$/gm)];
    assert.deepEqual(
      rows.map(([, folder, realm, values = "", types = ""]) => [folder, realm, names(values), names(types)]),
      Object.entries(FOLDERS).map(([folder, { core = false, values = [], types = [] }]) => [
        folder,
        core ? "core" : "node",
        values,
        types,
      ]),
    );
  });

  it("names files and folders that exist", () => {
    const src = new URL("../../src/", import.meta.url);
    const known = new Set(readdirSync(src, { recursive: true, encoding: "utf8" }));
    const named = [...page.matchAll(/`(?:src\/)?((?:[a-z]+\/)+(?:[a-z0-9-]+\.ts)?)`/g)].map(([, path = ""]) =>
      path.replace(/\/$/, ""),
    );
    const top = new Set(Object.keys(FOLDERS));
    const inSource = named.filter((path) => top.has(path.split("/")[0] ?? ""));
    assert.ok(inSource.length > 20, "the page names the code");
    assert.deepEqual(
      inSource.filter((path) => !known.has(path)),
      [],
    );
  });
});
