import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { PPPD_RULES } from "../../src/config/pppd-option-table.ts";
import { ROOT } from "../docs/markdown.ts";

const FILE = join(ROOT, "docs", "pppd.md");

/** A table of options that have the same reason, in the order of the first of each. */
function table(kind: "ignored" | "refused"): string {
  const names = new Map<string, string[]>();
  for (const [name, rule] of PPPD_RULES) {
    if (rule.kind === kind && rule.why !== "") names.set(rule.why, [...(names.get(rule.why) ?? []), name]);
  }
  const rows = [...names].map(
    ([why, which]) => `| ${which.map((name) => `\`${name}\``).join(", ")} | ${why} |\n`,
  );
  return `| option | why |\n|---|---|\n${rows.join("")}`;
}

const silent = (): string =>
  `${[...PPPD_RULES]
    .filter(([, rule]) => rule.kind === "ignored" && rule.why === "")
    .map(([name]) => `\`${name}\``)
    .join(", ")}.\n`;

/** The page with its lists as they are now. */
function render(page: string): string {
  const put = (text: string, mark: string, list: string): string =>
    text.replace(new RegExp(`(<!-- ${mark} -->\n)[^#]*?(?=\n#|\nOptions that switch)`), (_, head: string) =>
      mark === "silent" ? `${head}${list}` : `${head}\n${list}`,
    );
  const warned = put(page, "warnings", table("ignored"));
  return put(put(warned, "refusals", table("refused")), "silent", silent());
}

it("docs/pppd.md has every option", () => {
  const page = readFileSync(FILE, "utf8");
  const now = render(page);
  if (process.env["EQL_UPDATE_DOCS"] === "1") writeFileSync(FILE, now);
  else assert.equal(page, now, "run this test with EQL_UPDATE_DOCS=1 to bring the page up to date");
  const [applied = ""] = /^## Options that apply[^]*?(?=^## Options that are)/m.exec(now) ?? [];
  const named = new Set([...applied.matchAll(/`([^` ]+)[^`]*`/g)].map(([, name]) => name));
  for (const [name, rule] of PPPD_RULES) {
    // Compressions are told of among the warnings' reasons: they apply only to say no.
    if (rule.kind === "set" && !["bsdcomp", "deflate"].includes(name)) assert.ok(named.has(name), name);
  }
});
