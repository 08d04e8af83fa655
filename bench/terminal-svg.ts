import { escapeXml } from "../src/lab/plot.ts";

/** What a terminal shows, as a picture: the characters that a program wrote, with the few controls that ours uses. */

const ESCAPE = "\u001b";
const CONTROLS = new RegExp(`${ESCAPE}\\[(\\d*)([A-Za-z])|\\r|\\n|\\P{Cc}`, "gu");

/** The lines that are on the screen when all of `output` was written. Controls: cursor up, erase below, erase the rest of the line. */
export function screenOf(output: string): string[] {
  const screen: string[][] = [[]];
  let row = 0;
  let column = 0;
  for (const [found, count, control] of output.matchAll(CONTROLS)) {
    if (control === "A") row = Math.max(0, row - Number(count || 1));
    else if (control === "J" || control === "K") {
      screen[row]?.splice(column);
      if (control === "J") screen.splice(row + 1);
    } else if (control !== undefined) continue;
    else if (found === "\r") column = 0;
    else if (found === "\n") {
      // A pty sends CR LF; a pipe sends LF alone and means the same.
      column = 0;
      row++;
      screen[row] ??= [];
    } else (screen[row] as string[])[column++] = found;
  }
  return screen.map((line) =>
    Array.from(line, (character) => character ?? " ")
      .join("")
      .trimEnd(),
  );
}

const CELL = 8.2;
const LINE = 18;
const MARGIN = 18;
const BAR_LINE = 38;
const FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const EIGHTHS = " ▏▎▍▌▋▊▉█";

const place = (value: number): string => String(Math.round(10 * value) / 10);

/** A bar of block elements as two rectangles, because fonts leave gaps between these characters. */
function bar(blocks: string, column: number, top: number): string {
  const filled = Array.from(blocks).reduce((sum, block) => sum + Math.max(0, EIGHTHS.indexOf(block)) / 8, 0);
  const rect = (cells: number, fill: string): string =>
    `<rect x="${place(MARGIN + column * CELL)}" y="${place(top + 4)}" width="${place(cells * CELL)}" height="11" fill="${fill}"/>`;
  return rect(blocks.length, "#30363d") + (filled > 0 ? rect(filled, "#3fb950") : "");
}

function word(text: string, column: number, top: number): string {
  const width = text.length * CELL;
  const at = `x="${place(MARGIN + column * CELL)}" y="${place(top + 14)}"`;
  return `<text ${at} textLength="${place(width)}" lengthAdjust="spacingAndGlyphs">${escapeXml(text)}</text>`;
}

/** @param title of the window, for who cannot see the picture too */
export function terminalSvg(lines: readonly string[], title: string): string {
  const columns = Math.max(...lines.map((line) => line.length));
  const width = 2 * MARGIN + columns * CELL;
  const height = BAR_LINE + lines.length * LINE + MARGIN;
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (fill, i) => `<circle cx="${20 + 18 * i}" cy="18" r="5.5" fill="${fill}"/>`,
  );
  const body = lines.flatMap((line, row) => {
    const top = BAR_LINE + row * LINE;
    return [...line.matchAll(/[▏▎▍▌▋▊▉█░]+|[^▏▎▍▌▋▊▉█░\s]+(?: [^▏▎▍▌▋▊▉█░\s]+)*/gu)].map(
      ({ 0: part, index }) =>
        EIGHTHS.includes(part[0] as string) || part.startsWith("░")
          ? bar(part, index, top)
          : word(part, index, top),
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${place(width)} ${place(height)}" width="${place(width)}" role="img" aria-label="${escapeXml(title)}">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="100%" height="100%" rx="8" fill="#0d1117"/>`,
    ...dots,
    `<g font-family="${escapeXml(FONT)}" font-size="13.5" fill="#e6edf3" xml:space="preserve">`,
    ...body,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}
