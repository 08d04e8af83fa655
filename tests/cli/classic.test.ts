import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { ROOT } from "./run.ts";

/** All modules that a built file loads at once, itself included: paths, and names of packages. */
function loadedBy(file: string, found: Set<string> = new Set([file])): Set<string> {
  const text = readFileSync(file, "utf8");
  for (const [, name = ""] of text.matchAll(/^(?:import|export) (?:[^;]*? from )?"([^"]+)";/gm)) {
    const module = name.startsWith(".") ? join(file, "..", name) : name;
    if (found.has(module)) continue;
    found.add(module);
    if (name.startsWith(".")) loadedBy(module, found);
  }
  return found;
}

it("eql_enslave and eql_emancipate load the client and no package, so that they start as fast as Node", () => {
  for (const program of ["eql_enslave", "eql_emancipate"]) {
    const modules = [...loadedBy(join(ROOT, "bin", program))];
    assert.ok(modules.includes(join(ROOT, "dist/src/cli/control-client.js")));
    assert.deepEqual(
      modules.filter((module) => !module.startsWith("/")),
      ["node:http"],
    );
  }
});

it("eql status loads no package but commander, and no other command", () => {
  const modules = ["bin/eql", "dist/src/cli/commands/status.js"].flatMap((file) => [
    ...loadedBy(join(ROOT, file)),
  ]);
  assert.deepEqual(
    modules.filter((module) => !module.startsWith("/") && !module.startsWith("node:")),
    ["commander", "commander"],
  );
  assert.deepEqual(
    modules.filter((module) => module.includes("/commands/")),
    [join(ROOT, "dist/src/cli/commands/status.js")],
  );
});
