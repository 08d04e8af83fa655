import type { Config } from "../config/config.ts";
import { type Difference, differences, withDifferences } from "../config/differences.ts";
import { configFrom } from "../config/load.ts";
import { isTable, type RawTable } from "../config/tables.ts";

/** What of a configuration that was read again can be applied while the daemon runs, and what cannot. */
export interface Reload {
  /** The one that runs, with what can be applied. */
  readonly config: Config;
  /** In words, such as "server.vpn.client.joe: added". */
  readonly applied: readonly string[];
  /** What differs and waits for the next start, such as "line.ttyS0: speed". */
  readonly restart: readonly string[];
}

/** Keys that are applied: of a server besides its clients, of a master that calls one, of a serial line with such a master. */
const SERVER_KEYS: readonly string[] = ["masquerade", "forward"];
const CALLER_KEYS: readonly string[] = [
  "server",
  "redundant",
  "dns",
  "dns-search",
  "scripts",
  "routes",
  "default-route",
];
const SERIAL_KEYS: readonly string[] = ["server", "tier", "send-limit", "receive-limit"];

/**
 * @param running with what was applied before
 * @throws EqlError CONFIG_INVALID: what can be applied is wrong without what cannot
 */
export function planReload(running: Config, next: Config): Reload {
  const parts = differences(running.source, next.source).flatMap((difference) =>
    partsOf(difference, running.source, next.source),
  );
  const now = parts.flatMap(({ difference, isNow }) => (isNow ? [difference] : []));
  const later = parts.flatMap(({ difference, isNow }) => (isNow ? [] : [difference]));
  const mixed = withDifferences(running.source, next.source, now);
  return {
    config: later.length === 0 ? next : configFrom(mixed, "the configuration without what needs a restart"),
    applied: now.map(inWords),
    restart: later.map(inWords),
  };
}

interface Part {
  readonly difference: Difference;
  readonly isNow: boolean;
}

function partsOf(difference: Difference, was: RawTable, is: RawTable): readonly Part[] {
  const { keys } = difference;
  const now = appliedOf(difference, was, is);
  if (typeof now === "boolean") return [{ difference, isNow: now }];
  return [true, false].flatMap((isNow) => {
    const some = keys.filter((key) => now.includes(key) === isNow);
    return some.length === 0 ? [] : [{ difference: { ...difference, keys: some }, isNow }];
  });
}

/** @returns whether all of it is applied, or which keys */
function appliedOf({ table, change }: Difference, was: RawTable, is: RawTable): boolean | readonly string[] {
  const [kind = "", name = ""] = table;
  const sources = [was, is];
  if (kind === "server") return table.length > 2 || (change === "changed" && SERVER_KEYS);
  if (kind === "master")
    return change === "changed" && sources.every((each) => isCaller(each, name)) && CALLER_KEYS;
  if (kind !== "line") return false;
  const lines = sources.map((each) => tableAt(each, "line", name)).filter((line) => line !== null);
  const masters = lines.map(({ master }) => String(master));
  if (!masters.every((master) => sources.every((each) => isCaller(each, master)))) return false;
  const [udp, ...others] = new Set(lines.map(({ protocol }) => protocol === "udp"));
  if (others.length > 0) return false;
  return udp === true || (change === "changed" && SERIAL_KEYS);
}

/** Whether there is a master of the name, and it calls a server. */
const isCaller = (source: RawTable, name: string): boolean =>
  tableAt(source, "master", name)?.["server"] !== undefined;

function tableAt(source: RawTable, kind: string, name: string): RawTable | null {
  const tables = source[kind];
  const table = isTable(tables) && Object.hasOwn(tables, name) ? tables[name] : undefined;
  return isTable(table) ? table : null;
}

const inWords = ({ table, change, keys }: Difference): string =>
  `${table.join(".")}: ${change === "changed" ? keys.join(", ") : change}`;
