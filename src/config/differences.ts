import { isTable, type RawTable } from "./tables.ts";

/** What differs in one table of a file. */
export interface Difference {
  /** Where it stands, such as ["server", "vpn", "client", "joe"]. */
  readonly table: readonly string[];
  readonly change: "added" | "removed" | "changed";
  /** Of one that was changed. */
  readonly keys: readonly string[];
}

/** Tables of one kind are told apart by name; the clients of a server are below it. */
const UNNAMED = ["daemon"];
const BELOW: Readonly<Record<string, string>> = { server: "client" };

/** What differs between two configurations, table by table, in the order of the later one, what is gone last. Both are without errors. */
export function differences(was: RawTable, is: RawTable): readonly Difference[] {
  return namesOf(was, is).flatMap((kind) => {
    const [before, after] = [tableAt(was, kind), tableAt(is, kind)];
    if (UNNAMED.includes(kind)) return keysOf([kind], before, after);
    return namesOf(before, after).flatMap((name) => named([kind, name], before, after));
  });
}

function named(table: readonly string[], was: RawTable, is: RawTable): readonly Difference[] {
  const [kind = "", name = ""] = table.slice(-2);
  if (!Object.hasOwn(was, name)) return [{ table, change: "added", keys: [] }];
  if (!Object.hasOwn(is, name)) return [{ table, change: "removed", keys: [] }];
  const [before, after] = [tableAt(was, name), tableAt(is, name)];
  const below = BELOW[kind];
  if (below === undefined) return keysOf(table, before, after);
  const { [below]: _, ...ownBefore } = before;
  const { [below]: __, ...ownAfter } = after;
  const [inner, innerAfter] = [tableAt(before, below), tableAt(after, below)];
  return [
    ...keysOf(table, ownBefore, ownAfter),
    ...namesOf(inner, innerAfter).flatMap((each) => named([...table, below, each], inner, innerAfter)),
  ];
}

function keysOf(table: readonly string[], was: RawTable, is: RawTable): readonly Difference[] {
  const keys = namesOf(was, is).filter((key) => JSON.stringify(was[key]) !== JSON.stringify(is[key]));
  return keys.length === 0 ? [] : [{ table, change: "changed", keys }];
}

/** A configuration with some of what differs in a later one. */
export function withDifferences(was: RawTable, is: RawTable, some: readonly Difference[]): RawTable {
  const mixed = structuredClone(was) as Record<string, unknown>;
  for (const { table, change, keys } of some) {
    const path = table.slice(0, -1);
    const into = path.reduce((at, name) => {
      at[name] ??= {};
      return at[name] as Record<string, unknown>;
    }, mixed);
    const from = path.reduce(tableAt, is);
    const last = table.at(-1) ?? "";
    if (change !== "changed") take(into, from, last);
    else {
      into[last] ??= {};
      for (const key of keys) take(into[last] as Record<string, unknown>, tableAt(from, last), key);
    }
  }
  return mixed;
}

function take(into: Record<string, unknown>, from: RawTable, name: string): void {
  if (Object.hasOwn(from, name)) into[name] = from[name];
  else delete into[name];
}

const namesOf = (was: RawTable, is: RawTable): readonly string[] => [
  ...new Set([...Object.keys(is), ...Object.keys(was)]),
];

function tableAt(table: RawTable, name: string): RawTable {
  const value = Object.hasOwn(table, name) ? table[name] : undefined;
  return isTable(value) ? value : {};
}
