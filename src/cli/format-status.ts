import type { LineStatus, MasterStatus, StationStatus, Status } from "../control/messages.ts";
import { multilinkNotes, pppMedium, pppNotes } from "./format-ppp.ts";
import { type Column, formatTable } from "./format-table.ts";
import { formatTunnels } from "./format-tunnels.ts";

const MASTER_COLUMNS: readonly Column<MasterStatus>[] = [
  { title: "MASTER", cell: ({ name }) => name },
  { title: "STATE", cell: ({ up }) => (up ? "up" : "down") },
  { title: "MTU", cell: ({ mtu }) => mtu },
  { title: "SCHEDULER", cell: ({ scheduler }) => scheduler },
  { title: "SLAVES", cell: ({ slaves, maxSlaves }) => `${slaves.length} of ${maxSlaves}` },
  { title: "QUEUE", cell: ({ queue }) => `${queue.packets} of ${queue.limitPackets}` },
  { title: "OCTETS", cell: ({ queue }) => queue.octets },
  { title: "SENT", cell: ({ sent }) => sent.packets },
  { title: "OCTETS", cell: ({ sent }) => sent.octets },
  { title: "RECEIVED", cell: ({ received }) => received.packets },
  { title: "OCTETS", cell: ({ received }) => received.octets },
];

const lineColumns = (at: number): readonly Column<LineStatus>[] => [
  { title: "LINE", cell: ({ name }) => name },
  { title: "STATE", cell: ({ state }) => state },
  { title: "SINCE", cell: ({ since }) => formatSpan(at - since) },
  { title: "MASTER", cell: ({ master }) => master ?? "-" },
  { title: "GIVEN", cell: ({ rateGivenBps }) => rateGivenBps },
  { title: "ESTIMATED", cell: ({ rateEstimatedBps }) => Math.round(rateEstimatedBps) },
  { title: "BACKLOG", cell: ({ backlogOctets }) => Math.round(backlogOctets) },
  { title: "SENT", cell: ({ sent }) => sent.packets },
  { title: "OCTETS", cell: ({ sent }) => sent.octets },
  { title: "RECEIVED", cell: ({ received }) => received.packets },
  { title: "OCTETS", cell: ({ received }) => received.octets },
];

const stationColumns = (at: number): readonly Column<StationStatus>[] => [
  { title: "ANSWERING", cell: ({ name }) => name },
  { title: "STATE", cell: ({ state }) => state },
  { title: "SINCE", cell: ({ since }) => formatSpan(at - since) },
  { title: "USER", cell: ({ user }) => user ?? "-" },
  { title: "PROTOCOL", cell: ({ protocol }) => protocol ?? "-" },
  { title: "ADDRESS", cell: ({ address }) => address ?? "-" },
  { title: "CARRIER", cell: ({ carrierBps }) => carrierBps ?? "-" },
  { title: "CALLER", cell: ({ callerId }) => callerId ?? "-" },
];

/** Each unit with its length in seconds and, under it, the unit that tells the rest. */
const UNITS: readonly (readonly [string, number, string, number])[] = [
  ["d", 86_400, "h", 3_600],
  ["h", 3_600, "m", 60],
  ["m", 60, "s", 1],
];

/** `2m05s`: the two largest units of a span of milliseconds; `0s` for what is shorter or negative. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [unit, length, lesser, lesserLength] of UNITS) {
    if (seconds < length) continue;
    const rest = Math.floor((seconds % length) / lesserLength);
    return `${Math.floor(seconds / length)}${unit}${String(rest).padStart(2, "0")}${lesser}`;
  }
  return `${seconds}s`;
}

function formatDrops(drops: Readonly<Record<string, number>>): string[] {
  const counts = Object.entries(drops).sort(([, a], [, b]) => b - a);
  return counts.length === 0
    ? []
    : [`dropped: ${counts.map(([why, count]) => `${count} ${why}`).join(", ")}`];
}

function masterNotes({ slaves, minSlaves, multilink, drops }: MasterStatus): string[] {
  const fewest = minSlaves > slaves.length ? ` (at least ${minSlaves} wanted)` : "";
  return [
    `slaves: ${slaves.length === 0 ? "none" : slaves.join(", ")}${fewest}`,
    ...(multilink === null ? [] : multilinkNotes(multilink)),
    ...formatDrops(drops),
  ];
}

function mediumOf(line: LineStatus): string {
  if (line.kind === "ppp") return pppMedium(line);
  return line.kind === "slip" ? `SLIP on ${line.device}` : `interface ${line.device}`;
}

function lineNotes(line: LineStatus, at: number): string[] {
  const echo = line.echoMs === null ? "" : `, echo ${Math.round(line.echoMs)} ms`;
  const framed = `${line.lineOctets.sent} octets out, ${line.lineOctets.received} in, framing included`;
  const wait = line.retryAt === null ? "" : `tried again in ${formatSpan(line.retryAt - at)}`;
  const why = [line.reason, wait].filter((part) => part !== "").join("; ");
  return [
    ...(why === "" ? [] : [`why: ${why}`]),
    ...lifeNotes(line),
    `${mediumOf(line)}, MTU ${line.mtu}${echo}; ${framed}`,
    ...(line.ppp === null ? [] : pppNotes(line.ppp)),
    ...formatDrops(line.drops),
    ...line.hints.map((hint) => `hint: ${hint}`),
  ];
}

/** What happened to a line and what was said on it, oldest first. */
function historyNotes({ life }: LineStatus): string[] {
  if (life === null) return [];
  const time = (at: number): string => new Date(at).toISOString().slice(0, 19).replace("T", " ");
  const calls = life.transcript.length === 0 ? [] : ["what was said in the last call:", ...life.transcript];
  return [
    ...life.history.map(({ at, from, to, reason }) => `${time(at)} ${from} -> ${to}: ${reason}`),
    ...calls.map((text, index) => (index === 0 ? text : `  ${text}`)),
  ];
}

/** All that is known of the lives of lines, and of the last calls that were answered. */
export const formatHistory = ({ lines, stations }: Pick<Status, "lines" | "stations">): string =>
  [
    ...lines
      .filter(({ name }) => !stations.some((station) => station.name === name))
      .map((line) => [line.name, ...historyNotes(line)]),
    ...stations.map(({ name, transcript }) => [name, ...transcript]),
  ]
    .map(([name, ...notes]) => [name, ...notes.map((note) => `  ${note}`)].join("\n"))
    .map((text) => `${text}\n`)
    .join("\n");

/** Of a line that dials: where it is with that. */
function lifeNotes({ life }: LineStatus): string[] {
  if (life === null || life.number === null) return [];
  const carrier = life.carrierBps === null ? "" : `, connected at ${life.carrierBps} bit/s`;
  const attempt = life.attempt > 1 ? `, attempt ${life.attempt}` : "";
  return [`call: ${life.number}${carrier}${attempt}`];
}

export const formatMasters = (masters: readonly MasterStatus[]): string =>
  formatTable(MASTER_COLUMNS, masters, masterNotes);

/** @param at the daemon's time, in milliseconds since 1970, from which "since" is counted */
export const formatLines = (lines: readonly LineStatus[], at: number): string =>
  formatTable(lineColumns(at), lines, (line) => lineNotes(line, at));

const formatStations = (stations: readonly StationStatus[], at: number): string =>
  formatTable(stationColumns(at), stations, ({ device, reason }) => [
    `on ${device}${reason === "" ? "" : `; ${reason}`}`,
  ]);

/** The whole status, for people; it ends with a newline. */
export function formatStatus(status: Status): string {
  const { version, pid, startedAt, at, masters, lines, stations, tunnels } = status;
  const parts = [`eql ${version}, process ${pid}, up ${formatSpan(at - startedAt)}\n`];
  if (masters.length > 0) parts.push(formatMasters(masters));
  else if (tunnels.length === 0) parts.push("no masters\n");
  if (lines.length > 0) parts.push(formatLines(lines, at));
  else if (stations.length === 0 && tunnels.length === 0) {
    parts.push("no lines: add one with `eql line add`\n");
  }
  if (tunnels.length > 0) parts.push(formatTunnels(tunnels));
  if (stations.length > 0) parts.push(formatStations(stations, at));
  return parts.join("\n");
}
