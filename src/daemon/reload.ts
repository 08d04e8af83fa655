import type { Config } from "../config/config.ts";
import { type Difference, differences, withDifferences } from "../config/differences.ts";
import { configFrom } from "../config/load.ts";

/** What of a configuration that was read again can be applied while the daemon runs, and what cannot. */
export interface Reload {
  /** The one that runs, with what can be applied. */
  readonly config: Config;
  /** In words, such as "server.vpn.client.joe: added". */
  readonly applied: readonly string[];
  /** What differs and waits for the next start, such as "line.ttyS0: speed". */
  readonly restart: readonly string[];
}

/** Keys of a server that are applied, besides its clients. */
const SERVER_KEYS: readonly string[] = ["masquerade", "forward"];

/**
 * @param running with what was applied before
 * @throws EqlError CONFIG_INVALID: what can be applied is wrong without what cannot
 */
export function planReload(running: Config, next: Config): Reload {
  const parts = differences(running.source, next.source).flatMap((difference) => partsOf(difference));
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

function partsOf(difference: Difference): readonly Part[] {
  const { table, change, keys } = difference;
  const [kind = ""] = table;
  if (kind !== "server" || table.length > 2 || change !== "changed") {
    return [{ difference, isNow: kind === "server" && table.length > 2 }];
  }
  return [true, false].flatMap((isNow) => {
    const some = keys.filter((key) => SERVER_KEYS.includes(key) === isNow);
    return some.length === 0 ? [] : [{ difference: { ...difference, keys: some }, isNow }];
  });
}

const inWords = ({ table, change, keys }: Difference): string =>
  `${table.join(".")}: ${change === "changed" ? keys.join(", ") : change}`;
