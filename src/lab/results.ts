import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { dirname } from "node:path";

/** The file of measured figures: one section each, replaced one at a time by the command that measures it. */

const PREAMBLE = `# Results

Each section is written by the command that it names. Both hosts, the lines and the load are on one machine.
"Limit" is what lines and framing leave of a transfer, computed from its data before it is sent.
`;

export interface ResultSection {
  readonly title: string;
  /** The command that produces it again. */
  readonly command: string;
  /** Markdown. */
  readonly body: string;
}

const machineFacts = (): string =>
  `${cpus().length} cores, Linux ${/^\d+\.\d+/.exec(release())?.[0] ?? release()}, Node ${process.versions.node}`;

function formatSection({ title, command, body }: ResultSection): string {
  return `## ${title}\n\n    ${command}\n\nOn ${machineFacts()}.\n\n${body.trim()}\n`;
}

/** The text with the section of the same title replaced, or with one more at its end. */
export function withSection(text: string, section: ResultSection): string {
  const [head = "", ...sections] = (text === "" ? PREAMBLE : text).split(/^(?=## )/m);
  const formatted = formatSection(section);
  const at = sections.findIndex((old) => old.startsWith(`## ${section.title}\n`));
  if (at < 0) sections.push(formatted);
  else sections[at] = formatted;
  return [head, ...sections]
    .map((part) => part.trim())
    .join("\n\n")
    .concat("\n");
}

/** Makes the file if need be; a reader never sees half of it. */
export function writeSection(path: string, section: ResultSection): void {
  const temporary = `${path}.new`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(temporary, withSection(readIfThere(path), section));
  renameSync(temporary, path);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** A Markdown table, all of it set to the right, as numbers are. */
export function markdownTable(
  titles: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---:")), ...rows.map(line)].join("\n");
}
