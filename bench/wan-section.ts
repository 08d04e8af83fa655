import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { writeSection } from "../src/lab/results.ts";
import { isIdle, type WanReport, wanTables } from "./wan-marks.ts";

/** Writes what `eql bench wan --json` printed into a section of `results.md`, with the marks that it is to reach. */

const COMMAND = [
  "npm run build",
  "(bin/eql bench wan --case all --beside fastd --repeat 3 --json; bin/eql bench wan --case all --traffic udp --repeat 3 --json) | node dist/bench/wan-section.js",
].join(" && ");
const TITLE = "Links over UDP";

const INTRODUCTION = `Emulated links, with a queue of 100 ms each; a client and a server on hosts of their own, 20 s a run, medians of as many runs as have a range here.
Rates are counted at the level of IP, with all headers, so 92.5 % of them is the most that ordinary packets leave of a tunnel's datagrams. Nobody enters rates.`;

/** Pictures that `--plot` made beside the file. */
const PICTURES = [
  ["wan-g.svg", "One of two links is cut and comes back"],
  ["wan-i.svg", "The links' rates halve and double"],
] as const;

/** The last line of each case and kind of traffic counts. */
function read(text: string): readonly WanReport[] {
  const found = new Map<string, WanReport>();
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const report = JSON.parse(line) as WanReport;
    const traffic = isIdle(report) || report.udp === null ? "" : "udp";
    found.set(`${report.case} ${traffic}`, report);
  }
  return [...found.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, report]) => report);
}

const program = new Command("wan-section")
  .description(
    "Write what `eql bench wan --json` printed, from standard input, into a section of results.md.",
  )
  .option("--out <FILE>", "where the sections are", "bench/results.md")
  .action(({ out }: { out: string }) => {
    const pictures = PICTURES.filter(([file]) => existsSync(join(dirname(out), file)));
    const body = [
      INTRODUCTION,
      wanTables(read(readFileSync(0, "utf8"))),
      ...pictures.map(([file, title]) => `![${title}](${file})`),
    ].join("\n\n");
    writeSection(out, { title: TITLE, command: COMMAND, body });
  });

program.parse();
