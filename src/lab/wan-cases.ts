import type { WanSettings } from "../sim/wan-path.ts";
import type { WanLaterChange } from "./wan-emulator-roles.ts";

/** The cases of `eql bench wan`, as data. Delays are one way; a link has the same settings in both directions. */

export interface WanCase {
  readonly name: string;
  readonly summary: string;
  /** null: a cable without limit. */
  readonly links: readonly (Partial<WanSettings> | null)[];
  readonly seconds: number;
  /** Of both directions, from when the transfer begins. */
  readonly changes: readonly WanLaterChange[];
  /** The one link of `links` that others must not make slower: it is measured by itself, too. */
  readonly alone?: number;
  /** Nothing is sent: what the bond itself costs is measured. */
  readonly idle?: true;
}

const SECONDS = 20;
const MBIT = 1_000_000;
const QUEUE_MS = 100;

const link = (mbits: number, delayMs: number, more: Partial<WanSettings> = {}): Partial<WanSettings> => ({
  rateBps: mbits * MBIT,
  delayMs,
  queueMs: QUEUE_MS,
  ...more,
});

const wanCase = (
  name: string,
  summary: string,
  links: WanCase["links"],
  more: Partial<WanCase> = {},
): WanCase => ({ name, summary, links, seconds: SECONDS, changes: [], ...more });

const cut = (cutLink: number, fromSeconds: number, toSeconds: number): WanLaterChange[] => [
  { atMs: fromSeconds * 1000, link: cutLink, settings: { outage: true } },
  { atMs: toSeconds * 1000, link: cutLink, settings: { outage: false } },
];

/** All links at half their rate in every other span of `everySeconds`. */
const halvings = (links: readonly Partial<WanSettings>[], everySeconds: number): WanLaterChange[] =>
  Array.from({ length: Math.ceil(SECONDS / everySeconds) - 1 }, (_, i) =>
    links.map(({ rateBps = 0 }, n) => ({
      atMs: (i + 1) * everySeconds * 1000,
      link: n,
      settings: { rateBps: i % 2 === 0 ? rateBps / 2 : rateBps },
    })),
  ).flat();

const twin = [link(20, 10), link(20, 10)];

export const WAN_CASES: readonly WanCase[] = [
  wanCase("a", "2 x 20 Mbit/s, 10 ms", twin),
  wanCase("b", "50 + 10 Mbit/s, 10 ms", [link(50, 10), link(10, 10)]),
  wanCase("c", "40 + 10 Mbit/s, 10 ms", [link(40, 10), link(10, 10)]),
  wanCase("d", "40 Mbit/s 5 ms + 20 Mbit/s 40 ms", [link(40, 5), link(20, 40)]),
  wanCase("e", "40 Mbit/s 10 ms + 20 Mbit/s 30 ms with 1 % loss", [
    link(40, 10),
    link(20, 30, { loss: 0.01 }),
  ]),
  wanCase("f", "40/20/10/5 Mbit/s, 10/20/30/40 ms", [link(40, 10), link(20, 20), link(10, 30), link(5, 40)]),
  wanCase("g", "2 x 20 Mbit/s, one cut from 8 s to 14 s", twin, { changes: cut(1, 8, 14) }),
  wanCase("h", "100 + 1 Mbit/s, 10/300 ms", [link(100, 10), link(1, 300)], { alone: 0 }),
  wanCase("i", "2 x 20 Mbit/s, halved and doubled every 5 s", twin, { changes: halvings(twin, 5) }),
  wanCase("u", "2 cables without limit", [null, null]),
  wanCase("idle", "2 x 20 Mbit/s, 10 ms, nothing to send", twin, { seconds: 30, idle: true }),
];

/** The same with one of its links alone. */
export function onlyLink(wan: WanCase, link: number): WanCase {
  const { alone: _, ...rest } = wan;
  return {
    ...rest,
    links: wan.links.slice(link, link + 1),
    changes: wan.changes.filter((change) => change.link === link).map((change) => ({ ...change, link: 0 })),
  };
}

/** Of all links at the beginning, at IP level; null: without limit. */
export function sumBps({ links }: WanCase): number | null {
  const rates = links.map((settings) => settings?.rateBps ?? Number.POSITIVE_INFINITY);
  const sum = rates.reduce((a, b) => a + b, 0);
  return Number.isFinite(sum) ? sum : null;
}

/** The sum of the links' rates from one moment to another, in milliseconds; null: without limit. */
export interface WanRate {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bps: number | null;
}

/** What there is, by time. A link that is cut has no rate. */
export function ratesOf({ links, seconds, changes }: WanCase): readonly WanRate[] {
  const now = [...links];
  const sum = (): number | null => {
    const rates = now.map((one) => (one?.outage === true ? 0 : (one?.rateBps ?? Number.POSITIVE_INFINITY)));
    const total = rates.reduce((a, b) => a + b, 0);
    return Number.isFinite(total) ? total : null;
  };
  const endMs = seconds * 1000;
  const times = [...new Set(changes.map(({ atMs }) => atMs))].filter((atMs) => atMs > 0 && atMs < endMs);
  const begins = [0, ...times.toSorted((a, b) => a - b)];
  return begins.map((fromMs, index) => {
    for (const { atMs, link: changed, settings } of changes)
      if (atMs === fromMs) now[changed] = { ...now[changed], ...settings };
    return { fromMs, toMs: begins[index + 1] ?? endMs, bps: sum() };
  });
}

/** What there was on average: the sum of the rates as they changed, nothing for a link while it was cut. */
export function meanBps(wan: WanCase): number | null {
  let bits = 0;
  for (const { fromMs, toMs, bps } of ratesOf(wan)) {
    if (bps === null) return null;
    bits += (bps * (toMs - fromMs)) / 1000;
  }
  return bits / wan.seconds;
}
