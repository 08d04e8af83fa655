import type { WanSettings } from "../sim/wan-path.ts";
import { escapeXml } from "./plot.ts";
import { ratesOf, type WanCase } from "./wan-cases.ts";
import type { WanTimeline } from "./wan-timeline.ts";

/**
 * A measured case by time as SVG: what each link carried, stacked, with the payload and what there was, and below it
 * the round trips. Its colours follow the reader's preference for light or dark.
 */

const WIDTH = 860;
const LEFT = 56;
const RIGHT = 20;
const TOP = 92;
const RATES = 210;
const GAP = 46;
const TRIPS = 130;
const BOTTOM = 44;
const HEIGHT = TOP + RATES + GAP + TRIPS + BOTTOM;
const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

/** Of the links, on light and on dark. */
const LINK_COLORS = [
  ["#8fb8f0", "#2f5f9e"],
  ["#f4be82", "#96601f"],
  ["#a5d6a0", "#3d7a40"],
  ["#d3b2e8", "#6f4a8e"],
] as const;

const rules = (at: 0 | 1): string =>
  [
    `.back{fill:${["#fff", "#0d1117"][at]}}`,
    `text{fill:${["#444", "#a9b1ba"][at]}}`,
    `.strong{fill:${["#111", "#e6edf3"][at]}}`,
    `.grid{stroke:${["#e4e4e4", "#262c34"][at]}}`,
    `.there,.payload{stroke:${["#111", "#e6edf3"][at]}}`,
    `.change{stroke:${["#b42318", "#ff7b72"][at]}}`,
    `.told{fill:${["#b42318", "#ff7b72"][at]}}`,
    `.ping{fill:${["#1d4ed8", "#79b8ff"][at]}}`,
    `.lost{stroke:${["#b42318", "#ff7b72"][at]}}`,
    ...LINK_COLORS.map((colors, link) => `.link${link}{fill:${colors[at]}}`),
  ].join("");

const STYLE = [
  "<style>",
  `${rules(0)}@media(prefers-color-scheme:dark){${rules(1)}}`,
  ".there{stroke-dasharray:4 3}.there,.payload{fill:none}.payload{stroke-width:1.4}.change{stroke-dasharray:2 3}",
  "</style>",
].join("");

const place = (value: number): string => value.toFixed(1);
const isThere = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined;

function text(x: number, y: number, content: string, anchor = "start", more = 'font-size="11"'): string {
  return `<text x="${place(x)}" y="${place(y)}" text-anchor="${anchor}" ${more}>${escapeXml(content)}</text>`;
}

const stroke = (kind: string, x1: number, y1: number, x2: number, y2: number): string =>
  `<line class="${kind}" x1="${place(x1)}" y1="${place(y1)}" x2="${place(x2)}" y2="${place(y2)}"/>`;

const line = (kind: string, points: readonly (readonly [number, number])[]): string =>
  `<polyline class="${kind}" points="${points.map(([x, y]) => `${place(x)},${place(y)}`).join(" ")}"/>`;

/** A round step, so that there are some five of them up to `most`. */
export function stepFor(most: number): number {
  const rough = Math.max(most, Number.MIN_VALUE) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 2.5, 5].find((step) => step * power >= rough) ?? 10);
}

/** An axis from 0 at its bottom: where a value stands, and its lines with their figures. */
function axis(top: number, height: number, most: number): { y: (value: number) => number; parts: string[] } {
  const step = stepFor(most);
  const end = step * Math.ceil(most / step);
  const y = (value: number): number => top + height * (1 - Math.min(Math.max(value, 0), end) / end);
  const parts = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step).flatMap((value) => [
    stroke("grid", LEFT, y(value), WIDTH - RIGHT, y(value)),
    text(LEFT - 8, y(value) + 4, String(Number(value.toFixed(3))), "end"),
  ]);
  return { y, parts };
}

/** @param subtitle what was measured, in words */
export function wanPlot(wan: WanCase, timeline: WanTimeline, subtitle: string): string {
  const { carried, payload, pings } = timeline;
  const endMs = wan.seconds * 1000;
  const x = (ms: number): number =>
    LEFT + (Math.min(Math.max(ms, 0), endMs) / endMs) * (WIDTH - LEFT - RIGHT);
  const there = ratesOf(wan);
  const most = Math.max(
    ...there.map(({ bps }) => bps ?? 0),
    ...(there.every(({ bps }) => bps === null) ? payload.map(({ bps }) => bps) : []),
    1,
  );
  const rates = axis(TOP, RATES, (1.05 * most) / 1e6);
  const tripsTop = TOP + RATES + GAP;
  const trips = axis(tripsTop, TRIPS, Math.max(...pings.map(({ rttMs }) => rttMs ?? 0), 1));
  const seconds = Array.from({ length: Math.floor(wan.seconds / stepFor(wan.seconds)) + 1 }, (_, i) =>
    Number((i * stepFor(wan.seconds)).toFixed(3)),
  );
  const parts = [
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    text(16, 28, `${wan.name}: ${wan.summary}`, "start", 'class="strong" font-size="17" font-weight="600"'),
    text(16, 48, subtitle, "start", 'font-size="12"'),
    ...legend(wan, carried.length > 0, payload.length > 0),
    ...rates.parts,
    ...(carried.length === 0 ? [] : stacked(timeline, wan.links.length, x, rates.y)),
    line(
      "there",
      there.flatMap(({ fromMs, toMs, bps }) =>
        bps === null
          ? []
          : [[x(fromMs), rates.y(bps / 1e6)] as const, [x(toMs), rates.y(bps / 1e6)] as const],
      ),
    ),
    line(
      "payload",
      payload.map(({ atMs, bps }) => [x(atMs + 50), rates.y(bps / 1e6)]),
    ),
    text(LEFT, tripsTop - 10, "round trip of pings, ms", "start", 'class="strong" font-size="12"'),
    ...trips.parts,
    ...pings
      .filter(({ atMs }) => atMs >= 0 && atMs <= endMs)
      .map(({ atMs, rttMs }) =>
        rttMs === null
          ? stroke("lost", x(atMs), tripsTop, x(atMs), tripsTop + 8)
          : `<circle class="ping" cx="${place(x(atMs))}" cy="${place(trips.y(rttMs))}" r="1.8"/>`,
      ),
    ...seconds.map((second) => text(x(second * 1000), HEIGHT - BOTTOM + 16, String(second), "middle")),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "seconds", "middle", 'class="strong" font-size="12"'),
    ...changesOf(wan).flatMap(({ atMs, words }) => [
      stroke("change", x(atMs), TOP - 2, x(atMs), HEIGHT - BOTTOM),
      text(x(atMs), TOP - 6, words, "middle", 'class="told" font-size="11"'),
    ]),
  ];
  const box = `viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img" font-family="${FONT}">`;
  const title = `<title>${escapeXml(`${wan.summary}: rates and round trips by time`)}</title>`;
  return `${[head, title, STYLE, ...parts, "</svg>"].join("\n")}\n`;
}

function legend(wan: WanCase, hasLinks: boolean, hasPayload: boolean): string[] {
  const limited = wan.links.every((settings) => settings !== null);
  const keys = [
    ...(hasLinks ? wan.links.map((_, link) => [`link ${link + 1}`, `link${link}`]) : []),
    ...(hasPayload ? [["payload", "payload"]] : []),
    ...(limited ? [["what there is", "there"]] : []),
  ];
  const parts = [text(LEFT, 70, "Mbit/s", "start", 'class="strong" font-size="12"')];
  keys.forEach(([name = "", kind = ""], index) => {
    const from = LEFT + 70 + index * 100;
    parts.push(
      kind.startsWith("link")
        ? `<rect class="${kind}" x="${from}" y="60" width="16" height="11"/>`
        : stroke(kind, from, 66, from + 16, 66),
      text(from + 22, 70, name, "start", 'font-size="12"'),
    );
  });
  return parts;
}

/** An area for each link, on those before it. */
function stacked(
  { carried }: WanTimeline,
  links: number,
  x: (ms: number) => number,
  y: (mbits: number) => number,
): string[] {
  const upTo = (bps: readonly number[], link: number): number =>
    bps.slice(0, link).reduce((sum, one) => sum + one, 0) / 1e6;
  return Array.from({ length: links }, (_, link) => {
    const edge = (level: number): string[] =>
      carried.map(({ atMs, bps }) => `${place(x(atMs - 50))},${place(y(upTo(bps, level)))}`);
    return `<polygon class="link${link % LINK_COLORS.length}" points="${[...edge(link), ...edge(link + 1).toReversed()].join(" ")}"/>`;
  });
}

/** The links' changes in words, those of one moment together. */
export function changesOf({
  links,
  changes,
}: WanCase): readonly { readonly atMs: number; readonly words: string }[] {
  const times = [...new Set(changes.map(({ atMs }) => atMs))].toSorted((a, b) => a - b);
  return times.map((time) => {
    const own = changes.filter(({ atMs }) => atMs === time);
    const said = own.map(({ settings }) => wordsOf(settings));
    const alike = own.length === links.length && new Set(said).size === 1 && own.length > 1;
    const words = alike
      ? `all ${said[0]}`
      : own.map(({ link }, index) => `link ${link + 1} ${said[index]}`).join(", ");
    return { atMs: time, words };
  });
}

function wordsOf({ outage, rateBps, delayMs, loss }: Partial<WanSettings>): string {
  const words = [
    outage === undefined ? null : outage ? "cut" : "back",
    rateBps === undefined ? null : `${rateBps / 1e6} Mbit/s`,
    delayMs === undefined ? null : `${delayMs} ms`,
    loss === undefined ? null : `${100 * loss} % loss`,
  ];
  return words.filter(isThere).join(" ") || "changed";
}
