import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { markdownTable, withSection, writeSection } from "../../src/lab/results.ts";

const section = (title: string, body: string): { title: string; command: string; body: string } => ({
  title,
  command: `make ${title}`,
  body,
});

describe("the file of results", () => {
  it("starts with what it is, and names the command and the machine of each section", () => {
    const text = withSection("", section("One", "first"));
    assert.match(text, /^# Results\n/);
    assert.match(text, /## One\n\n {4}make One\n\nOn \d+ cores, Linux \d+\.\d+, Node [\d.]+\.\n\nfirst\n$/);
  });

  it("replaces one section and leaves the others and their order", () => {
    const two = withSection(withSection("", section("One", "first")), section("Two", "second"));
    const changed = withSection(two, section("One", "changed\n\n### Detail\n\nmore"));
    assert.deepEqual(
      [...changed.matchAll(/^## .*$/gm)].map(([line]) => line),
      ["## One", "## Two"],
    );
    assert.match(changed, /changed\n\n### Detail\n\nmore\n\n## Two[^]*second\n$/);
    assert.doesNotMatch(changed, /first/);
    assert.equal(withSection(changed, section("One", "first")), two);
  });

  it("is written whole, its directory made", (t) => {
    const directory = mkdtempSync(join(tmpdir(), "eql-results-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "deep", "results.md");
    writeSection(path, section("One", "first"));
    writeSection(path, section("Two", "second"));
    const expected = withSection(withSection("", section("One", "first")), section("Two", "second"));
    assert.equal(readFileSync(path, "utf8"), expected);
    assert.deepEqual(readdirSync(join(directory, "deep")), ["results.md"]);
  });

  it("has tables", () => {
    assert.equal(markdownTable(["a", "b"], [[1, "x"]]), "| a | b |\n| ---: | ---: |\n| 1 | x |");
  });
});
