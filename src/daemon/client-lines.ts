import type { Config, LineConfig, MasterConfig } from "../config/config.ts";
import { parseLine } from "../config/load.ts";
import type { PppEvent, PppRequest } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type { Netlink } from "../host/netlink.ts";
import type { HeldLine } from "./daemon-api.ts";
import { Line, type LineOwner } from "./line.ts";
import type { LineKeeper } from "./line-keeper.ts";

const MOST_UNITS = 10_000;
/** Links in a bundle that nobody configured. */
const MOST_LINKS = 255;

export interface ClientLinesTools {
  readonly engine: EngineClient;
  readonly netlink: Netlink;
  readonly keeper: LineKeeper;
  /** Masters and lines that there are now. */
  readonly present: () => Config;
  readonly addMaster: (config: MasterConfig) => Promise<void>;
}

/** A bundle that came about with the first of its lines, and goes with the last. */
interface Bundle {
  readonly master: string;
  readonly lines: Set<Line>;
  /** Its master is there. */
  readonly made: Promise<void>;
}

/**
 * PPP lines that belong to clients (`eql pppd`), one for each process. What they agree on with their peers decides on interfaces: a
 * line alone is `pppN`, lines to the same peer that agreed on multilink are `pppN` together.
 */
export class ClientLines {
  readonly #tools: ClientLinesTools;
  readonly #bundles = new Map<string, Bundle>();
  /** Names of what is being made, or taken away. */
  readonly #reserved = new Set<string>();

  constructor(tools: ClientLinesTools) {
    this.#tools = tools;
  }

  /** @throws EqlError LINE_EXISTS, REQUEST_INVALID, and as opening the device does */
  async open({ name, unit, settings }: PppRequest, tell: (event: PppEvent) => void): Promise<HeldLine> {
    const { keeper } = this.#tools;
    // A line that may join a bundle has its interface when that is decided.
    const isMultilink = settings["multilink"] === true && settings["master"] === undefined;
    const lineName = isMultilink ? this.#freeName(name ?? "link") : this.#interfaceName(unit);
    const config: LineConfig = parseLine(
      lineName,
      { ...settings, protocol: "ppp", lock: false },
      this.#tools.present(),
    );
    const line = new Line(config);
    let resolveEnded = (): void => {};
    const ended = new Promise<void>((resolve) => {
      resolveEnded = resolve;
    });
    const owner: LineOwner = {
      tell,
      wantsMultilink: isMultilink,
      nameInterface: () => (isMultilink && line.interface === lineName ? this.#interfaceName(unit) : null),
      handleEstablished: async (key) => {
        if (key !== null) await this.#join(line, key, unit);
        else if (isMultilink) await this.#part(line);
      },
      handleClosed: (end, reason) => {
        void this.#leave(line).then(() => {
          tell({ event: "ended", end, reason });
          resolveEnded();
        });
      },
    };
    line.owner = owner;
    tell({ event: "line", line: lineName });
    this.#reserved.add(lineName);
    try {
      await keeper.bringUp(line);
    } finally {
      this.#reserved.delete(lineName);
    }
    return {
      ended,
      stop: async () => {
        if (keeper.lines.get(lineName) !== line) return;
        const reason = "its process is gone";
        await keeper.hangUp(line, reason);
        // A peer that does not answer is not waited for any longer.
        if (keeper.lines.get(lineName) === line) owner.handleClosed("asked", reason);
        await ended;
      },
    };
  }

  /** The line agreed on multilink: it joins the bundle of its peer, or begins one. */
  async #join(line: Line, key: string, unit: number | null): Promise<void> {
    const present = this.#bundles.get(key);
    if (present?.lines.has(line) !== true) await this.#part(line);
    const bundle = this.#bundles.get(key) ?? this.#makeBundle(line, key, unit);
    // Whoever leaves before it is made is known to have been in it.
    bundle.lines.add(line);
    line.wants = bundle.master;
    await bundle.made;
  }

  #makeBundle(line: Line, key: string, unit: number | null): Bundle {
    const { mtu, defaultRoute, routes } = line.config;
    const master = this.#interfaceName(unit);
    this.#reserved.add(master);
    const made = this.#tools.addMaster({
      name: master,
      address: null,
      peer: null,
      mtu,
      scheduler: "earliest-arrival",
      maxSlaves: MOST_LINKS,
      minSlaves: 1,
      queuePackets: 64,
      group: { wanted: null, demand: false, highWaterOctets: null, highWaterMs: 0, idleMs: null },
      defaultRoute,
      routes,
    });
    const bundle = { master, lines: new Set<Line>(), made };
    this.#bundles.set(key, bundle);
    return bundle;
  }

  async #leave(line: Line): Promise<void> {
    const { keeper } = this.#tools;
    // It may have been removed with its interface, or the engine has stopped.
    if (keeper.lines.get(line.name) === line) await keeper.discard(line).catch(() => {});
    await this.#part(line);
  }

  /** Takes a line out of its bundle, which ends with its last one. */
  async #part(line: Line): Promise<void> {
    const { keeper, engine } = this.#tools;
    for (const [key, { lines, master, made }] of this.#bundles) {
      if (!lines.delete(line)) continue;
      line.wants = null;
      if (lines.size > 0) continue;
      this.#bundles.delete(key);
      await made.catch(() => {}); // told to its lines
      keeper.masters.delete(master);
      await engine.request("removeMaster", { name: master }).catch(() => {}); // deleted from outside
      this.#reserved.delete(master);
    }
  }

  #isFree(name: string): boolean {
    const { keeper, netlink } = this.#tools;
    if (this.#reserved.has(name)) return false;
    const isOurs = [...keeper.lines.values()].some((line) => line.name === name || line.interface === name);
    return !isOurs && !keeper.masters.has(name) && netlink.interface(name) === null;
  }

  #freeName(wanted: string): string {
    const base = wanted.slice(0, 12);
    for (let i = 0; i < MOST_UNITS; i++) {
      const name = i === 0 ? base : `${base}.${i}`;
      if (this.#isFree(name)) return name;
    }
    throw taken(wanted);
  }

  /** @throws EqlError LINE_EXISTS */
  #interfaceName(unit: number | null): string {
    if (unit !== null) {
      if (this.#isFree(`ppp${unit}`)) return `ppp${unit}`;
      throw taken(`ppp${unit}`);
    }
    for (let i = 0; i < MOST_UNITS; i++) if (this.#isFree(`ppp${i}`)) return `ppp${i}`;
    throw taken("ppp0");
  }
}

const taken = (name: string): EqlError =>
  new EqlError("LINE_EXISTS", `There is an interface ${name} already: choose another unit, or none`, {
    details: { line: name },
  });
