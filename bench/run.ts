import { Command } from "commander";
import { inLab } from "../src/cli/lab-options.ts";
import { whole } from "../src/cli/options.ts";
import { EqlError } from "../src/errors.ts";
import { writeSection } from "../src/lab/results.ts";
import { type Figure, figureSection } from "./figure.ts";
import { cost } from "./figures/cost.ts";
import { lostLine } from "./figures/faults.ts";
import { kernelPeer } from "./figures/kernel.ts";
import { bothWays, datagrams, severalTransfers } from "./figures/mixed.ts";
import { fastAndSlow, unequalPairs, wrongRates } from "./figures/pairs.ts";
import { pingUnderLoad } from "./figures/ping.ts";
import { cutLatency, pppPairs, toPppd } from "./figures/ppp.ts";

/**
 * Measures the project's goals and writes each into a section of `results.md`; the table of 1995 has a command of its
 * own (`eql bench bentson`).
 */

const FIGURES: readonly Figure[] = [
  unequalPairs,
  fastAndSlow,
  wrongRates,
  severalTransfers,
  datagrams,
  bothWays,
  kernelPeer,
  pppPairs,
  toPppd,
  cutLatency,
  pingUnderLoad,
  lostLine,
  cost,
];

interface Options {
  readonly repeat: number;
  readonly out: string;
}

function chosen(names: readonly string[]): readonly Figure[] {
  const unknown = names.find((name) => !FIGURES.some((figure) => figure.name === name));
  if (unknown !== undefined) {
    const allowed = FIGURES.map(({ name }) => name).join(", ");
    throw new EqlError("REQUEST_INVALID", `there is no figure "${unknown}"; allowed: ${allowed}`);
  }
  return names.length === 0 ? FIGURES : FIGURES.filter(({ name }) => names.includes(name));
}

const program = new Command("run")
  .description("Measure the project's goals; each goes into a section of results.md.")
  .argument("[figures...]", `which: ${FIGURES.map(({ name }) => name).join(", ")}; all by default`)
  .option("--repeat <N>", "runs of each case; medians count", whole("--repeat", 1, 99), 3)
  .option("--out <FILE>", "where the sections are", "bench/results.md")
  .action((names: readonly string[], { repeat, out }: Options) =>
    inLab(async (signal) => {
      const figures = chosen(names);
      let missed = 0;
      for (const figure of figures) {
        const say = (text: string): void => void process.stderr.write(`${figure.name}: ${text}\n`);
        const outcome = await figure.run({ repeat, signal, say });
        const section = figureSection(figure, outcome, repeat);
        writeSection(out, section);
        process.stdout.write(`## ${section.title}\n\n${section.body}\n\n`);
        if (outcome.reached === false) missed++;
      }
      if (missed > 0) process.stdout.write(`${missed} of ${figures.length} figures missed their mark.\n`);
      return 0;
    }),
  );

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof EqlError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
