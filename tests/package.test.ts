import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { before, describe, it } from "node:test";
import { linksOf, ROOT, read } from "./docs/markdown.ts";

/** What users get by `npm install`: here its list of files; `.ci/run` installs it. */
describe("the tarball", () => {
  let files: readonly string[] = [];

  before(() => {
    // Without scripts: `prepare` would build afresh, below the feet of the tests that run.
    const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [packed] = JSON.parse(output) as [{ files: { path: string }[] }];
    files = packed.files.map(({ path }) => path);
  });

  const has = (file: string): void => assert.ok(files.includes(file), `${file} is missing`);

  it("has the programs, the library with its types, and everything that is loaded by name", () => {
    const { bin, exports } = JSON.parse(read("package.json")) as {
      bin: Record<string, string>;
      exports: { ".": { types: string; default: string } };
    };
    for (const file of Object.values(bin)) has(file);
    for (const file of Object.values(exports["."])) has(file.replace(/^\.\//, ""));
    const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" });
    for (const file of sources.filter((name) => name.endsWith(".ts"))) {
      has(join("dist/src", file.replace(/\.ts$/, ".js")));
    }
  });

  it("has the documents, all that README.md leads to, the examples and the schema", () => {
    for (const file of ["README.md", "LICENSE", "CHANGELOG.md", "schema/eql.schema.json"]) has(file);
    for (const folder of ["docs", "examples"]) {
      for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) has(relative(ROOT, join(entry.parentPath, entry.name)));
      }
    }
    for (const link of linksOf(read("README.md"))) if (!link.startsWith("http")) has(link.replace(/#.*/, ""));
  });

  it("has nothing else", () => {
    const wanted =
      /^(bin|dist\/src|docs|examples|schema)\/|^bench\/[\w-]+\.(md|svg)$|^[A-Z]+(\.md)?$|^package\.json$/;
    assert.deepEqual(
      files.filter((file) => !wanted.test(file) || file.endsWith(".map")),
      [],
    );
  });
});
