import type { DialDemoResult, Redial } from "../lab/dial-demo.ts";
import type { DialedLine, DialNote, DialProgress } from "../lab/dial-watch.ts";
import { bar, percent, whole } from "./demo-view.ts";

/** How the demo of dialing looks: text from figures. */

/** TCP hands nothing on before what is missing has come. */
const STALLED_SECONDS = 3;

const inSeconds = (seconds: number): string => `${seconds.toFixed(1)} s`;

/** What a line is doing. */
function doing({ state, number }: DialedLine): string {
  if (state === "dialing") return number === null ? "modem is told" : `dialing ${number}`;
  if (state === "negotiating") return "PPP negotiates";
  return state === "hangingUp" ? "hanging up" : state;
}

const missing = ({ stalledSeconds }: DialProgress): string =>
  stalledSeconds > STALLED_SECONDS ? ", with a gap" : "";

/** The picture of a moment, a string for each line of the terminal; none is wider than `columns`. */
export function dialFrame(progress: DialProgress, columns: number): readonly string[] {
  const { lines, octets, bytes, transferSeconds } = progress;
  const width = Math.min(Math.max(columns - 62, 8), 30);
  const cut = (text: string): string => text.slice(0, Math.max(columns - 1, 1)).trimEnd();
  const rows = lines.map((line) => {
    const { name, bps, state, said, octetsPerSecond } = line;
    const rate = `${bar(octetsPerSecond / (bps / 10), width)} ${whole(octetsPerSecond).padStart(6)} of ${whole(bps / 10)} octets/s`;
    return `${name.padEnd(6)}${String(bps).padStart(7)}  ${doing(line).padEnd(16)} ${state === "enslaved" ? rate : said}`;
  });
  const state = octets >= bytes ? "done, " : "";
  const transfer =
    transferSeconds === null
      ? "transfer waits for the lines"
      : `transfer  ${bar(octets / bytes, width)} ${percent(octets / bytes).padStart(5)}  ${whole(octets)} octets  ${state}${transferSeconds.toFixed(0)} s${missing(progress)}`;
  return ["", ...rows, transfer, ""].map(cut);
}

/** A moment in one line, for where a picture cannot be drawn over. */
export function dialOneLine(progress: DialProgress): string {
  const { lines, octets, bytes, transferSeconds } = progress;
  const each = lines.map((line) =>
    line.state === "enslaved"
      ? `${line.name} ${whole(line.octetsPerSecond)} octets/s`
      : `${line.name} ${doing(line)}`,
  );
  const transfer =
    transferSeconds === null
      ? ""
      : `: ${transferSeconds.toFixed(0)} s ${percent(octets / bytes)}${missing(progress)}`;
  return `${"".padStart(9)} ${each.join(", ")}${transfer}`;
}

/** What happened, in one line; null: not worth one. `began` is when all this did, on the clock of the notes. */
export function dialNote(note: DialNote, began: number): string | null {
  const text = wordsOf(note);
  return text === null ? null : `${inSeconds((note.at - began) / 1000).padStart(9)} ${text}`;
}

function wordsOf(note: DialNote): string | null {
  if (note.type === "cut") return `${note.line}: THE CALL IS DROPPED by the telephone network`;
  if (note.type === "transfer") return `the transfer ${note.what}`;
  if (note.type === "ringing") return `${note.line}: ${note.modem} rings`;
  const { line, from, to, reason, number } = note;
  switch (to) {
    case "locking":
      return null;
    case "dialing":
      return `${line}: dialing${number === null ? "" : ` ${number}`}`;
    case "login":
      return `${line}: ${reason}; login`;
    case "negotiating":
      return `${line}: logged in; PPP negotiates`;
    case "enslaved":
      return `${line}: enslaved`;
    case "hangingUp":
      return `${line}: hangs up: ${reason}`;
    case "waiting":
      return `${line}: ${reason}; waits before the next attempt`;
    case "up":
      return from === "enslaved" ? null : `${line}: up`;
    case "idle":
      return `${line}: idle, ${reason}`;
    case "givenUp":
      return `${line}: given up, ${reason}`;
  }
}

export interface DialDemoAbout {
  readonly carriers: readonly number[];
  readonly mtu: number;
  readonly bytes: number;
}

/** The states of a redial in words, in their order. */
const STAGES = [
  ["enslaved", "until it is noticed"],
  ["hangingUp", "hanging up"],
  ["waiting", "pause"],
  ["dialing", "dialing and training"],
  ["login", "login"],
  ["negotiating", "PPP"],
] as const;

/** The table at the end. */
export function dialSummary({ carriers, mtu, bytes }: DialDemoAbout, result: DialDemoResult): string {
  const { intact, seconds, octetsPerSecond, percentOfRaw, upAfterSeconds, cut, redial } = result;
  const row = (title: string, time: number, rate: number | null, note: string): string =>
    `  ${title.padEnd(28)}${time.toFixed(1).padStart(8)}${(rate === null ? "" : whole(rate)).padStart(12)}   ${note}`.trimEnd();
  const raw = whole(carriers.reduce((sum, bps) => sum + bps, 0) / 10);
  const cutRow =
    cut === null
      ? []
      : [row("  until the drop", cut.seconds, cut.octetsPerSecond, `${cut.percentOfRaw} % of ${raw}`)];
  const redialRow =
    redial === null ? [] : [row("from the drop to the bundle", redial.seconds, null, stagesOf(redial))];
  return [
    `${whole(bytes)} octets by TCP, MTU ${mtu}, over PPP multilink of calls at ${carriers.join(" + ")} bit/s`,
    "",
    `  ${"".padEnd(28)}${"seconds".padStart(8)}${"octets/s".padStart(12)}   of the carriers' raw rate`,
    row("from dialing to the bundle", upAfterSeconds, null, ""),
    row("the transfer", seconds, octetsPerSecond, `${percentOfRaw} % of those that were up`),
    ...cutRow,
    ...redialRow,
    "",
    cut === null
      ? "NO CALL WAS DROPPED: the transfer was over too soon; --bytes makes it longer."
      : `The call at ${carriers[cut.line]} bit/s was dropped when ${whole(cut.octets)} octets had arrived, and made again.`,
    intact
      ? "What arrived is identical to what was sent (SHA-256)."
      : "DAMAGED: what arrived differs from what was sent.",
    "",
  ].join("\n");
}

const stagesOf = ({ spent }: Redial): string =>
  STAGES.flatMap(([state, words]) => (spent[state] === undefined ? [] : [`${words} ${spent[state]}`])).join(
    ", ",
  );

/** The JSON object of `--json`. */
export function dialReport({ carriers, mtu, bytes }: DialDemoAbout, result: DialDemoResult): object {
  return { lines: carriers, mtu, bytes, ...result };
}
