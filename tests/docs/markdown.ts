import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout, seen from dist/tests/docs. */
export const ROOT: string = fileURLToPath(new URL("../../../", import.meta.url));

export const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** The pages for people, by their paths. What a command writes (bench/results.md) is none. */
export const PAGES: readonly string[] = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];

export interface Block {
  /** The word after the fence: sh, toml, text. */
  readonly language: string;
  readonly text: string;
}

export const blocksOf = (text: string): Block[] =>
  [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(([, language = "", body = ""]) => ({
    language,
    text: body,
  }));

/** What stands between backticks in running text. */
export const codeSpansOf = (text: string): string[] =>
  [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);

/** Where links and pictures lead. */
export const linksOf = (text: string): string[] =>
  [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);

/** Headings as they are named in links. */
export const anchorsOf = (text: string): string[] =>
  [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replace(/\s/g, "-"),
  );

/** The text below a heading of the second level. */
export function sectionOf(text: string, heading: string): string {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`no section "${heading}"`);
  return section;
}

const withoutBlocks = (text: string): string => text.replace(/^```\w*\n[^]*?^```$/gm, "");
