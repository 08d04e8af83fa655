import type { ResultSection } from "../src/lab/results.ts";
import { markdownTable } from "../src/lab/results.ts";

export interface FigureContext {
  /** Runs of each case; medians count. */
  readonly repeat: number;
  readonly signal: AbortSignal;
  /** One line for whoever waits. */
  readonly say: (text: string) => void;
}

export interface FigureOutcome {
  /** Null where nothing is to be reached. */
  readonly reached: boolean | null;
  /** Markdown. */
  readonly body: string;
}

/** One figure of the project's goals. */
export interface Figure {
  /** Its name on the command line. */
  readonly name: string;
  readonly title: string;
  /** What is to be reached, in words. */
  readonly mark: string;
  run(context: FigureContext): Promise<FigureOutcome>;
}

export interface CaseRow {
  readonly cells: readonly (string | number)[];
  readonly reached: boolean;
}

/** A table with a last column that says of each case whether the mark was reached. */
export function caseTable(titles: readonly string[], rows: readonly CaseRow[]): FigureOutcome {
  const table = rows.map(({ cells, reached }) => [...cells, reached ? "reached" : "MISSED"]);
  return { reached: rows.every(({ reached }) => reached), body: markdownTable([...titles, "mark"], table) };
}

export function figureSection(figure: Figure, outcome: FigureOutcome, repeat: number): ResultSection {
  const verdict = outcome.reached === true ? "Reached." : "MISSED.";
  const { name, title, mark } = figure;
  return {
    title,
    command: `npm run build && node dist/bench/run.js --repeat ${repeat} ${name}`,
    body: `Mark: ${mark} ${outcome.reached === null ? "" : verdict}\n\n${outcome.body}`,
  };
}
