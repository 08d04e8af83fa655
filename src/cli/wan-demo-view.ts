import type { WanDemoResult, WanSpan } from "../lab/wan-demo.ts";
import type { WanDemoScenario, WanLinkProgress, WanNote, WanProgress } from "../lab/wan-watch.ts";
import { bar, whole } from "./demo-view.ts";

/** How the demo of uplinks looks: text from figures. */

const mbits = (bps: number): string => (bps / 1e6).toFixed(1);
const plainMbits = (bps: number): string => String(Number(mbits(bps)));
const inMs = (ms: number | null): string => (ms === null ? "-" : `${ms.toFixed(0)} ms`);
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** What the link carries. */
const thereOf = ({ link, cut }: WanLinkProgress): number => (cut ? 0 : link.rateBps);

/** The picture of a moment, a string for each line of the terminal; none is wider than `columns`. */
export function wanFrame(progress: WanProgress, columns: number): readonly string[] {
  const { links, seconds, ofSeconds, octets, goodputBps, pingMs } = progress;
  const width = Math.min(Math.max(columns - 63, 8), 30);
  const cut = (text: string): string => text.slice(0, Math.max(columns - 1, 1)).trimEnd();
  const row = (name: string, bps: number, ofBps: number, scale: number, rest: string): string =>
    `${name.padEnd(6)}${bar(scale === 0 ? 0 : bps / scale, width)} ${`${mbits(bps)} of ${plainMbits(ofBps)}`.padStart(12)}  ${rest}`;
  const rows = links.map((one) => {
    const { link, path } = one;
    const isThere = path !== null && path.state === "alive";
    const figures = [
      (isThere ? mbits(path.rateBps) : "-").padStart(6),
      inMs(isThere ? path.roundTripMs : null).padStart(7),
      inMs(isThere ? path.queueMs : null).padStart(7),
      (isThere ? `${(100 * path.loss).toFixed(1)} %` : "-").padStart(7),
    ];
    return row(
      link.name,
      one.bps,
      thereOf(one),
      link.rateBps,
      `${figures.join("")}  ${path?.state ?? ""}${one.cut ? ", CUT" : ""}`,
    );
  });
  const [carried, there] = [total(links.map(({ bps }) => bps)), total(links.map(thereOf))];
  const most = total(links.map(({ link }) => link.rateBps));
  const stream =
    seconds === null
      ? "the paths are up, and idle"
      : `${seconds.toFixed(0).padStart(2)} s of ${ofSeconds} s  ${whole(octets)} octets arrived`;
  return [
    "",
    `${"".padEnd(6 + width)} ${"Mbit/s".padStart(12)}   found   trip  queue   loss`,
    ...rows,
    row("both", carried, there, most, `payload ${mbits(goodputBps)} Mbit/s, ping ${inMs(pingMs)}`),
    stream,
    "",
  ].map(cut);
}

/** A moment in one line, for where a picture cannot be drawn over. */
export function wanOneLine({ links, seconds, goodputBps, pingMs }: WanProgress): string {
  if (seconds === null) return "          the paths are up, and idle";
  const each = links.map(({ link, bps, path }) => `${link.name} ${mbits(bps)} (${path?.state ?? "unknown"})`);
  return `${`${seconds.toFixed(1)} s`.padStart(9)} ${each.join(" + ")}, payload ${mbits(goodputBps)} Mbit/s, ping ${inMs(pingMs)}`;
}

/** What happened, in one line. `began` is when the stream did, on the clock of the notes. */
export const wanNote = (note: WanNote, began: number): string =>
  `${`${((note.at - began) / 1000).toFixed(1)} s`.padStart(9)} ${wordsOf(note)}`;

function wordsOf(note: WanNote): string {
  if (note.type === "stream") return `the stream ${note.what}`;
  const { name } = note.link;
  if (note.type === "link")
    return note.what === "cut" ? `${name}: THE LINK IS CUT` : `${name}: the link is back`;
  if (note.to === "dead") return `${name}: answers no more; what was under way is sent again by the other`;
  return note.to === "alive"
    ? `${name}: answers, and carries packets`
    : `${name}: is asked whether it is there`;
}

const within = (what: string, ms: number | null): string => (ms === null ? "" : `${what} within ${ms} ms`);

/** The table at the end. */
export function wanSummary({ links, cut, seconds }: WanDemoScenario, result: WanDemoResult): string {
  const { intact, octets, pingMs, pings, gapMs, noticedMs, backMs } = result;
  const name = links[cut.link]?.name ?? "";
  const row = (title: string, span: WanSpan): string =>
    `  ${title.padEnd(26)}${span.seconds.toFixed(1).padStart(8)}${mbits(span.goodputBps).padStart(9)}   ${span.percentOfSum} % of ${plainMbits(span.sumBps)}`;
  const of = links.map((link) => `${link.name} ${plainMbits(link.rateBps)} Mbit/s ${link.delayMs} ms`);
  const lost = pings.lost === 0 ? "none lost" : `${pings.lost} of ${pings.sent} lost`;
  return [
    `One TCP stream of ${seconds} s over ${of.join(" + ")}`,
    "",
    `  ${"".padEnd(26)}${"seconds".padStart(8)}${"Mbit/s".padStart(9)}   of the links that were there`,
    row("until the cut", result.before),
    row(`while ${name} was cut`, result.during),
    row("since it is back", result.after),
    row("all of it", result.whole),
    "",
    `  ping: idle ${pingMs.idle} ms; under load ${pingMs.p50} ms, 95 % within ${pingMs.p95} ms, ${lost}`,
    `  cut: no octet for ${gapMs} ms at most${within(", noticed", noticedMs)}${within("; back", backMs)}`,
    "",
    intact
      ? `All ${whole(octets)} octets arrived as they were sent.`
      : "DAMAGED: what arrived differs from what was sent.",
    ...(intact && !result.complete ? [`${name} DID NOT COME BACK.`] : []),
    "",
  ].join("\n");
}

/** The JSON object of `--json`. */
export function wanDemoReport({ links, seconds, cut }: WanDemoScenario, result: WanDemoResult): object {
  return { links, seconds, cut, ...result };
}
