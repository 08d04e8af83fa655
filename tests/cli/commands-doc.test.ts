import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import type { Command } from "commander";
import { loadProgram } from "../../src/cli/program.ts";
import { ROOT } from "./run.ts";

const FILE = join(ROOT, "docs", "commands.md");
const WIDTH = 100;

/** What `--help` prints on a terminal of WIDTH columns. */
function helpOf(command: Command): string {
  let text = "";
  const writeOut = (part: string): void => {
    text += part;
  };
  command.configureOutput({ writeOut, getOutHelpWidth: () => WIDTH, getOutHasColors: () => false });
  command.outputHelp();
  return text.trimEnd();
}

/** A command and all below it, with the words that call each. */
const walk = (command: Command, path: string): [string, Command][] => [
  [path, command],
  ...command.commands.flatMap((below) => walk(below, `${path} ${below.name()}`)),
];

/**
 * The page with the help as it is now: one section for each command, in the order of the help, whose own words stay.
 * What comes before the first section stays too, and so do sections about anything else, at the end.
 */
function render(page: string, program: Command): string {
  const [intro = "", ...sections] = page.split(/^(?=## )/m);
  const bodies = new Map(
    sections.map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(3, end), section.slice(end + 1)];
    }),
  );
  const parts = program.commands
    .flatMap((command) => walk(command, `eql ${command.name()}`))
    .map(([path, command]) => {
      const words = (bodies.get(path) ?? "").replace(/^```text\n[^]*?^```\n/m, "").trim();
      return `## ${path}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n${words === "" ? "" : `\n${words}\n`}\n`;
    });
  const others = sections.filter((section) => !section.startsWith("## eql "));
  return `${[intro, ...parts, ...others].join("").trimEnd()}\n`;
}

it("docs/commands.md shows the help of every command", async () => {
  const page = readFileSync(FILE, "utf8");
  const now = render(page, await loadProgram([]));
  if (process.env["EQL_UPDATE_DOCS"] === "1") writeFileSync(FILE, now);
  else assert.equal(page, now, "run this test with EQL_UPDATE_DOCS=1 to bring the page up to date");
});
