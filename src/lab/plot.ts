/** A dot plot as SVG: a row for each case, a dot for each series, a stroke between the least and the most. */

interface PlotSeries {
  readonly name: string;
  readonly color: string;
}

interface PlotRow {
  readonly label: string;
  /** Rows of the same group stand together under its name. */
  readonly group: string;
  /** One for each series, in per cent; null: there is none. */
  readonly values: readonly (number | null)[];
}

export interface Plot {
  readonly title: string;
  readonly subtitle: string;
  /** Written below the axis. */
  readonly axis: string;
  readonly from: number;
  readonly to: number;
  /** A value to reach, drawn as a dashed line. */
  readonly mark: { readonly value: number; readonly label: string };
  readonly series: readonly PlotSeries[];
  readonly rows: readonly PlotRow[];
  /** Stands where a row lacks a value. */
  readonly missing: string;
}

const WIDTH = 760;
const LEFT = 150;
const RIGHT = 40;
const TOP = 96;
const ROW = 15;
const GROUP_GAP = 24;
const BOTTOM = 48;
const STEP = 10;
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (found) => ENTITIES[found] ?? found);

const place = (value: number): string => value.toFixed(1);

interface TextStyle {
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly fill?: string;
  readonly weight?: number;
}

function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 11, anchor = "start", fill = "#444", weight = 400 } = style;
  const attributes = `font-size="${size}" text-anchor="${anchor}" fill="${fill}" font-weight="${weight}"`;
  return `<text x="${place(x)}" y="${place(y)}" ${attributes}>${escapeXml(content)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, extra = ""): string {
  const ends = `x1="${place(x1)}" y1="${place(y1)}" x2="${place(x2)}" y2="${place(y2)}"`;
  return `<line ${ends} stroke="${color}" ${extra}/>`;
}

const dot = (x: number, y: number, color: string): string =>
  `<circle cx="${place(x)}" cy="${place(y)}" r="4.2" fill="${color}"/>`;

/** Values outside of the axis are drawn at its end. */
export function dotPlot(plot: Plot): string {
  const { title, subtitle, axis, from, to, mark, series, rows } = plot;
  const x = (value: number): number => {
    const share = (Math.min(Math.max(value, from), to) - from) / (to - from);
    return LEFT + share * (WIDTH - LEFT - RIGHT);
  };
  const groups = new Set(rows.map(({ group }) => group)).size;
  const bottom = TOP + rows.length * ROW + groups * GROUP_GAP;
  const height = bottom + BOTTOM;
  const parts = [
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(16, 28, title, { size: 17, weight: 600, fill: "#111" }),
    text(16, 48, subtitle, { size: 12 }),
  ];
  series.forEach(({ name, color }, i) => {
    parts.push(dot(22 + i * 110, 68, color), text(32 + i * 110, 72, name, { size: 12, fill: "#111" }));
  });
  for (let tick = from; tick <= to; tick += STEP) {
    parts.push(line(x(tick), TOP - 4, x(tick), bottom, "#e4e4e4"));
    parts.push(text(x(tick), bottom + 16, String(tick), { anchor: "middle" }));
  }
  parts.push(text(x((from + to) / 2), bottom + 36, axis, { size: 12, anchor: "middle", fill: "#111" }));
  parts.push(line(x(mark.value), TOP - 4, x(mark.value), bottom, "#111", 'stroke-dasharray="4 3"'));
  parts.push(text(x(mark.value), TOP - 10, mark.label, { anchor: "middle", fill: "#111" }));

  let y = TOP;
  let group: string | null = null;
  for (const row of rows) {
    if (row.group !== group) {
      group = row.group;
      y += GROUP_GAP;
      parts.push(text(16, y - 8, group, { size: 12, weight: 600, fill: "#111" }));
    }
    y += ROW;
    parts.push(...drawRow(row, y - ROW / 2, x, plot));
  }
  const box = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img" font-family="${FONT}">`;
  return `${[head, `<title>${escapeXml(title)}</title>`, ...parts, "</svg>"].join("\n")}\n`;
}

function drawRow(
  row: PlotRow,
  y: number,
  x: (value: number) => number,
  { series, missing, from }: Plot,
): string[] {
  const present = row.values.filter((value) => value !== null);
  const parts = [text(LEFT - 12, y + 4, row.label, { anchor: "end" })];
  if (present.length > 1) {
    parts.push(line(x(Math.min(...present)), y, x(Math.max(...present)), y, "#bbb", 'stroke-width="2"'));
  }
  if (present.length < row.values.length) {
    parts.push(text(x(from) + 4, y + 4, missing, { size: 10, fill: "#888" }));
  }
  row.values.forEach((value, i) => {
    const color = series[i]?.color;
    if (value !== null && color !== undefined) parts.push(dot(x(value), y, color));
  });
  return parts;
}
