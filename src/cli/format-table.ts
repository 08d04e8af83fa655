export interface Column<T> {
  readonly title: string;
  /** A number is set to the right, text to the left. */
  cell(row: T): string | number;
}

/** Control characters would move the cursor of whoever looks. */
const plain = (text: string): string => text.replace(/\p{Cc}/gu, "?");

/** A table with a line of titles; under each row its notes, indented. It ends with a newline. */
export function formatTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  notes: (row: T) => readonly string[],
): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((row) => String(row[i]).length)),
  );
  const right = columns.map((_, i) => cells.some((row) => typeof row[i] === "number"));
  const line = (values: readonly (string | number)[]): string =>
    values
      .map((value, i) => {
        const text = plain(String(value));
        const width = widths[i] as number;
        return right[i] === true ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const text = [line(columns.map(({ title }) => title))];
  for (const [i, row] of rows.entries()) {
    text.push(line(cells[i] as (string | number)[]));
    for (const note of notes(row)) text.push(`  ${plain(note)}`);
  }
  return `${text.join("\n")}\n`;
}
