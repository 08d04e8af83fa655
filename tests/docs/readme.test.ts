import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, it } from "node:test";
import { type Command, CommanderError } from "commander";
import { loadProgram } from "../../src/cli/program.ts";
import { parseConfig } from "../../src/config/load.ts";
import { parsePhones } from "../../src/config/phones.ts";
import { anchorsOf, blocksOf, codeSpansOf, linksOf, PAGES, ROOT, read, sectionOf } from "./markdown.ts";

const EXAMPLES = readdirSync(join(ROOT, "examples"), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
const PACKAGE = JSON.parse(read("package.json")) as {
  name: string;
  version: string;
  bin: Record<string, string>;
  scripts: Record<string, string>;
};

describe("links", () => {
  for (const page of PAGES) {
    it(`of ${page} lead to files and headings that exist`, () => {
      const folder = join(page, "..");
      for (const link of linksOf(read(page)).filter((target) => !target.startsWith("https:"))) {
        const [path = "", anchor] = link.split("#");
        const file = path === "" ? page : join(folder, path);
        assert.ok(existsSync(join(ROOT, file)), `${link}: no such file`);
        if (anchor !== undefined)
          assert.ok(anchorsOf(read(file)).includes(anchor), `${link}: no such heading`);
      }
    });
  }
});

describe("TOML", () => {
  for (const page of PAGES) {
    const blocks = blocksOf(read(page)).filter(({ language }) => language === "toml");
    if (blocks.length === 0) continue;
    it(`in ${page} is a configuration without errors`, () => {
      for (const { text } of blocks) parseConfig(text, page);
    });
  }

  it("in README.md is the set-up of examples/null-modem.toml, but for RTS/CTS, echo and MTU", () => {
    const ours = parseConfig(sectionToml(), "README.md");
    const example = parseConfig(read("examples/null-modem.toml"), "examples/null-modem.toml");
    const plain = ({ masters, lines }: typeof ours): unknown => [
      masters.map(({ mtu: _mtu, ...rest }) => rest),
      lines.map(({ mtu: _mtu, rtscts: _rtscts, echo: _echo, ...rest }) => rest),
    ];
    assert.deepEqual(plain(ours), plain(example));
  });
});

const sectionToml = (): string =>
  blocksOf(sectionOf(read("README.md"), "Two hosts and two cables")).find(
    ({ language }) => language === "toml",
  )?.text ?? "";

/** What placeholders stand for, as documents write them. */
const PLACEHOLDERS: Readonly<Record<string, string>> = { BPS: "28800", N: "8", COMMAND: "status" };

/** The words of a call of `eql` in `code`, or null: it is none. What comes after the call, by a pipe or `;`, is left out. */
function callOf(code: string): string[] | null {
  const [, call] = /^(?:sudo )?(?:bin\/)?eql((?: +[^|;&]+)?)/.exec(code.trim()) ?? [];
  if (call === undefined || !/^(?:sudo )?(?:bin\/)?eql(?: |$)/.test(code.trim())) return null;
  return call
    .replace(/\s#.*$/, "")
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => PLACEHOLDERS[word] ?? word.replace(/^(['"])(.*)\1$/, "$2"));
}

const walk = (command: Command): Command[] => [command, ...command.commands.flatMap(walk)];

/** @throws CommanderError when the program does not understand these words; runs nothing */
async function parseCall(words: readonly string[]): Promise<void> {
  const program = await loadProgram([]);
  for (const command of walk(program)) {
    command.configureOutput({ writeOut: () => {}, writeErr: () => {} });
    if (command.commands.length === 0) command.action(() => {});
  }
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // --help
    throw error;
  }
}

/** Whether the words name a command and nothing else, as text does that speaks of it. */
async function isMention(words: readonly string[]): Promise<boolean> {
  let commands = [...(await loadProgram([])).commands] as Command[];
  for (const word of words) {
    const found = commands.find((command) => command.name() === word);
    if (found === undefined) return false;
    commands = [...found.commands];
  }
  return true;
}

/** Calls in a page: in running text, in shell blocks, and in the examples that `--help` shows. */
function callsOfPage(text: string): string[][] {
  const lines = blocksOf(text)
    .filter(({ language }) => language === "sh" || language === "text")
    .flatMap(({ language, text: block }) =>
      block.split("\n").filter((line) => language === "sh" || line.startsWith("  eql ")),
    );
  return [...lines, ...codeSpansOf(text)].map(callOf).filter((words) => words !== null);
}

/** Calls in an example: on lines of their own or between backticks in comments, or started by a service. */
function callsOfExample(text: string): string[][] {
  const code = text.split("\n").flatMap((line) => {
    const started = /^ExecStart=\S+\/(eql .*)$/.exec(line)?.[1];
    const shown = /^# {5}(.*)$/.exec(line)?.[1];
    return [started, shown, ...codeSpansOf(line)].filter((found) => found !== undefined);
  });
  return code.map(callOf).filter((words) => words !== null);
}

describe("calls of eql", () => {
  const sources: readonly [string, string[][]][] = [
    ...PAGES.map((page): [string, string[][]] => [page, callsOfPage(read(page))]),
    ...EXAMPLES.map((file): [string, string[][]] => [file, callsOfExample(read(file))]),
  ];
  for (const [file, calls] of sources) {
    if (calls.length === 0) continue;
    it(`in ${file} are understood`, async () => {
      for (const words of calls) {
        if (await isMention(words)) continue;
        await assert.doesNotReject(parseCall(words), `eql ${words.join(" ")}`);
      }
    });
  }

  it("are found where there are some", () => {
    const count = (file: string): number => sources.find(([name]) => name === file)?.[1].length ?? 0;
    assert.ok(count("README.md") >= 8 && count("docs/commands.md") >= 20 && count("docs/errors.md") >= 10);
    assert.ok(count("examples/null-modem.toml") >= 3 && count("examples/eql.service") === 1);
  });

  it("that do not exist are noticed", async () => {
    for (const wrong of [
      "eql check-config -c eql.toml",
      "eql master eql --most 3",
      "eql enslave eql sl0 fast",
    ]) {
      await assert.rejects(parseCall(callOf(wrong) ?? []), wrong);
    }
    assert.equal(await isMention(["line", "add"]), true);
    assert.equal(await isMention(["line", "ad"]), false);
  });
});

describe("shell blocks", () => {
  /** Other programs that documents may call, and what is known of the call. */
  const KNOWN: readonly RegExp[] = [
    /^npm (ci|pack)$/,
    /^npm (start( -- --(dial|wan))?|test)$/,
    /^npm install -g \.\/[\w.-]+\.tgz$/,
    /^ip (address add|link set) /,
    /^ping -c \d /,
    /^(eql_enslave|eql_emancipate) eql sl\d( \d+)?$/,
  ];

  for (const page of PAGES) {
    it(`of ${page} call nothing unknown`, () => {
      const lines = blocksOf(read(page))
        .filter(({ language }) => language === "sh")
        .flatMap(({ text }) => text.split("\n"))
        .flatMap((line) => line.split("&&"))
        .map((line) => line.trim().replace(/^sudo /, ""))
        .filter((line) => line !== "" && callOf(line) === null);
      for (const line of lines)
        assert.ok(
          KNOWN.some((known) => known.test(line)),
          `${page}: ${line}`,
        );
    });
  }

  it("call scripts and programs that the package has, and its tarball as npm names it", () => {
    for (const [tarball] of PAGES.map(read)
      .join("\n")
      .matchAll(/[\w.-]+\.tgz/g)) {
      assert.equal(tarball, `${PACKAGE.name}-${PACKAGE.version}.tgz`);
    }
    for (const [, script = ""] of PAGES.map(read)
      .join("\n")
      .matchAll(/`npm run ([\w:-]+)`/g)) {
      assert.ok(script in PACKAGE.scripts, `npm run ${script}`);
    }
    for (const script of ["start", "test", "prepare"]) assert.ok(script in PACKAGE.scripts);
    for (const file of Object.values(PACKAGE.bin)) assert.ok(existsSync(join(ROOT, file)), file);
  });
});

describe("the examples", () => {
  for (const file of EXAMPLES.filter((name) => name.endsWith(".toml"))) {
    const parse = file === "examples/lab/phones.toml" ? parsePhones : parseConfig;
    it(`${file} has no errors`, () => void parse(read(file), file));
  }

  it("are named in README.md", () => {
    const links = linksOf(read("README.md"));
    assert.deepEqual(
      EXAMPLES.filter((file) => !links.includes(file)),
      [],
    );
  });
});
