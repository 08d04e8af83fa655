import { isDeepStrictEqual } from "node:util";
import { ANY_PATH, type PathConfig } from "../../config/tunnel-config.ts";
import { EqlError } from "../../errors.ts";

/** What becomes of the paths to a peer when its configuration is read again; one that begins anew is removed and added. */
export interface PathPlan {
  /** By name. */
  readonly removed: readonly string[];
  /** Of these, tier and limits alone: they go on. */
  readonly changed: readonly PathConfig[];
  readonly added: readonly PathConfig[];
}

/**
 * What was asked for since stays as it is where the configuration has not changed.
 * @param was those of the configuration until now
 * @param is those of the later one
 * @param there those that there are, with what was added and changed while the daemon ran
 * @throws EqlError LINE_EXISTS: there is another one of the same device and address
 */
export function planPaths(
  was: readonly PathConfig[],
  is: readonly PathConfig[],
  there: readonly PathConfig[],
): PathPlan {
  const [before, after, now] = [was, is, there].map(withoutStandIn) as [
    PathConfig[],
    PathConfig[],
    PathConfig[],
  ];
  const find = (some: readonly PathConfig[], name: string): PathConfig | undefined =>
    some.find((path) => path.name === name);
  const wanted = after.filter((path) => !isDeepStrictEqual(path, find(before, path.name)));
  const isKept = (path: PathConfig): boolean => {
    const old = find(now, path.name);
    return old !== undefined && isSameWay(old, path);
  };
  const changed = wanted.filter(isKept);
  const added = wanted.filter((path) => !isKept(path));
  const gone = before.filter(({ name }) => find(after, name) === undefined);
  const removed = [...gone, ...added]
    .filter(({ name }) => find(now, name) !== undefined)
    .map(({ name }) => name);
  const others = now.filter(({ name }) => !removed.includes(name) && find(after, name) === undefined);
  for (const path of added) {
    const twin = others.find(({ device, address }) => device === path.device && address === path.address);
    if (twin !== undefined) throw sameWay(path.name, twin.name);
  }
  return { removed, changed, added };
}

const withoutStandIn = (paths: readonly PathConfig[]): PathConfig[] =>
  paths.filter((path) => path !== ANY_PATH);

/** Whether one becomes the other by its tier and limits alone. */
const isSameWay = (some: PathConfig, { tier, sendBps, receiveBps, ...way }: PathConfig): boolean =>
  isDeepStrictEqual({ ...some, tier, sendBps, receiveBps }, { ...way, tier, sendBps, receiveBps });

const sameWay = (name: string, twin: string): EqlError =>
  new EqlError(
    "LINE_EXISTS",
    `line.${name} is the same path as ${twin}, which was added while the daemon ran: run \`eql line remove ${twin}\` first`,
    { details: { line: twin } },
  );
