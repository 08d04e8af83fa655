import type { GroupConfig } from "../config/config.ts";
import { LineGroup } from "../dial/line-group.ts";
import { monotonicNow } from "../host/clock.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type { Line } from "./line.ts";

const LOOK_MS = 1000;
/** The longest that a timer takes. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** A line that is dialed for a path goes so long after it is needed no more, unless its [dial.NAME] says. */
const PATH_IDLE_MS = 60_000;

/** Lines that are dialed for the same master, or one that is dialed for itself, or for a path. */
interface Group {
  /** Name of the interface whose packets they carry. */
  readonly interface: string;
  /** Whether anything depends on the load. */
  readonly looks: boolean;
  /** The line that is dialed for a path. */
  readonly carrier: Line | null;
  readonly machine: LineGroup;
  readonly lines: Set<Line>;
  timer: NodeJS.Timeout | undefined;
}

/** Says which of the lines that dial are wanted, by what their masters have to carry and by what people say. */
export class LineGroups {
  readonly #engine: EngineClient;
  readonly #configOf: (master: string) => GroupConfig | undefined;
  readonly #needOf: (line: Line) => string | null;
  readonly #groups = new Map<string, Group>();
  /** Masters whose interfaces are up. */
  readonly #up = new Set<string>();
  /** Runs while a group depends on the load: a daemon that has nothing to do sleeps. */
  #looker: NodeJS.Timeout | undefined;
  #looking = false;

  /**
   * @param configOf what a master wants of its lines; undefined: there is no such master
   * @param needOf why the path over a line is needed now, in words; null: it is not
   */
  constructor(
    engine: EngineClient,
    configOf: (master: string) => GroupConfig | undefined,
    needOf: (line: Line) => string | null,
  ) {
    this.#engine = engine;
    this.#configOf = configOf;
    this.#needOf = needOf;
  }

  /** From now on it decides over the line. */
  add(line: Line): void {
    const group = this.#groupFor(line);
    group.lines.add(line);
    this.#lookIfNeeded();
    group.machine.handleAdded(line.name, monotonicNow());
    this.#drain(group);
    this.#explain(group);
  }

  remove(line: Line): void {
    const group = this.#groupOf(line);
    if (group === undefined) return;
    group.lines.delete(line);
    group.machine.handleRemoved(line.name, monotonicNow());
    this.#drain(group);
    if (group.lines.size > 0) return;
    clearTimeout(group.timer);
    this.#groups.delete(group.interface);
    this.#lookIfNeeded();
  }

  /** The line's state is another one. */
  handleState(line: Line): void {
    const group = this.#groupOf(line);
    if (group === undefined || line.life === null) return;
    group.machine.handleState(line.name, line.life.state, monotonicNow(), line.life.retryAt);
    this.#drain(group);
  }

  /** No line is called for a master that is down, as it could not join. */
  handleMaster(name: string, up: boolean): void {
    if (up) this.#up.add(name);
    else this.#up.delete(name);
    const group = this.#groups.get(name);
    if (group === undefined || group.carrier !== null) return;
    group.machine.handleHindrance(up ? null : isDown(name), monotonicNow());
    this.#drain(group);
    this.#explain(group);
  }

  /** A person wants the line up, or down, whatever else there is; null: not any more. @returns false: the line is not in a group */
  ask(line: Line, wanted: boolean | null): boolean {
    const group = this.#groupOf(line);
    if (group === undefined) return false;
    group.machine.handleAsked(line.name, wanted, monotonicNow());
    this.#drain(group);
    return true;
  }

  stop(): void {
    clearInterval(this.#looker);
    for (const { timer } of this.#groups.values()) clearTimeout(timer);
    this.#groups.clear();
  }

  #groupOf(line: Line): Group | undefined {
    return [...this.#groups.values()].find(({ lines }) => lines.has(line));
  }

  #groupFor(line: Line): Group {
    const name = line.config.master ?? line.name;
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const carrier = line.config.tunnel === null ? null : line;
    const settings = carrier === null ? (this.#configOf(name) ?? groupOfOne(line)) : groupOfPath(line);
    const { wanted: target, demand, highWaterOctets, highWaterMs, idleMs } = settings;
    const group: Group = {
      interface: name,
      looks: demand || highWaterOctets !== null || idleMs !== null,
      carrier,
      machine: new LineGroup({ target, demand, highWaterOctets, highWaterMs, idleMs }, []),
      lines: new Set(),
      timer: undefined,
    };
    this.#groups.set(name, group);
    if (this.#isHindered(group)) group.machine.handleHindrance(isDown(name), monotonicNow());
    return group;
  }

  #isHindered({ interface: name, carrier }: Group): boolean {
    return carrier === null && this.#configOf(name) !== undefined && !this.#up.has(name);
  }

  /** Why lines of a master that is down stay idle. */
  #explain(group: Group): void {
    if (!this.#isHindered(group)) return;
    for (const line of group.lines) if (line.life?.state === "idle") line.note(isDown(group.interface));
  }

  #lookIfNeeded(): void {
    const needed = [...this.#groups.values()].some(({ looks }) => looks);
    if (!needed) clearInterval(this.#looker);
    this.#looker = needed ? (this.#looker ?? setInterval(() => void this.#look(), LOOK_MS)) : undefined;
  }

  /** Tells the machines what there is to carry, and which paths are needed. */
  async #look(): Promise<void> {
    for (const group of this.#groups.values()) {
      if (group.carrier === null) continue;
      group.machine.handleNeed(this.#needOf(group.carrier), monotonicNow());
      this.#drain(group);
    }
    const looking = [...this.#groups.values()].filter(({ looks, carrier }) => looks && carrier === null);
    if (looking.length === 0 || this.#looking) return;
    this.#looking = true;
    const loads = await this.#engine.request("load", {}).catch(() => null); // the engine has stopped
    this.#looking = false;
    if (loads === null) return;
    for (const group of looking) {
      const load = loads[group.interface];
      // Its last line may have been removed meanwhile.
      if (load === undefined || this.#groups.get(group.interface) !== group) continue;
      group.machine.handleLoad(load.queuedOctets, load.passedOctets, monotonicNow());
      this.#drain(group);
    }
  }

  #drain(group: Group): void {
    const { machine, lines } = group;
    for (let command = machine.pollCommand(); command !== undefined; command = machine.pollCommand()) {
      const { line: name, wanted, reason, atOnce } = command;
      const line = [...lines].find((each) => each.name === name);
      line?.life?.handle((manager, now) => {
        if (wanted) manager.handleWanted(reason, now, atOnce);
        else manager.handleUnwanted(reason, now);
      });
    }
    clearTimeout(group.timer);
    const wait = Math.min(machine.pollTimeout() - monotonicNow(), LONGEST_TIMER_MS);
    group.timer = setTimeout(() => {
      machine.handleTimeout(monotonicNow());
      this.#drain(group);
    }, wait);
  }
}

const isDown = (master: string): string => `${master} is down`;

const groupOfPath = (line: Line): GroupConfig => ({
  ...groupOfOne(line),
  demand: true,
  idleMs: line.config.dial?.idleLimitMs ?? PATH_IDLE_MS,
});

const groupOfOne = ({ config: { dial } }: Line): GroupConfig => ({
  wanted: 1,
  demand: dial?.demand ?? false,
  highWaterOctets: null,
  highWaterMs: 0,
  idleMs: dial?.idleLimitMs ?? null,
});
