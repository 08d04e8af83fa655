import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Config, LineConfig, MasterConfig } from "../config/config.ts";
import { parseLine } from "../config/load.ts";
import type {
  EmancipateRequest,
  EnslaveRequest,
  LineRequest,
  LineStatus,
  MasterChange,
  MasterStatus,
  SlaveChange,
  Status,
} from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import { EngineClient } from "../host/engine/client.ts";
import type { EngineEvent } from "../host/engine/messages.ts";
import { check, mkfifo } from "../host/libc.ts";
import { Netlink } from "../host/netlink.ts";
import type { Capture, DaemonApi } from "./daemon-api.ts";
import { Interfaces } from "./interfaces.ts";
import { Line } from "./line.ts";
import type { Logger } from "./log.ts";

export interface DaemonOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  /** The control socket's path; pipes of captures are made beside it. */
  readonly socket: string;
  /** The engine failed, which is a bug. */
  readonly onCrash: (error: Error) => void;
}

interface Master {
  readonly config: MasterConfig;
  readonly index: number;
}

/**
 * The control plane: what lines and masters there are, when a line is opened again, which master it joins, and which addresses and routes
 * its interface has. The engine does the carrying and tells what happens.
 */
export class Daemon implements DaemonApi {
  readonly #options: DaemonOptions;
  readonly #log: Logger;
  readonly #engine: EngineClient;
  readonly #netlink = new Netlink();
  readonly #interfaces = new Interfaces(this.#netlink);
  readonly #masters = new Map<string, Master>();
  readonly #lines = new Map<string, Line>();
  readonly #startedAt = Date.now();
  /** Resolves when everything is down, however that was asked for. */
  readonly stopped: Promise<void>;
  #ready: Promise<void> = Promise.resolve();
  #hasBegun = false;
  #resolveStopped: () => void = () => {};
  #down: Promise<void> | null = null;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = options.log;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#engine = new EngineClient((event) => this.#handleEvent(event), options.onCrash);
  }

  /** Brings up what is configured. Rejects with the first thing that cannot be, and leaves nothing half set up. */
  start(): Promise<void> {
    this.#hasBegun = true;
    this.#ready = this.#start();
    return this.#ready;
  }

  async status(): Promise<Status> {
    await this.#ready;
    return this.#snapshot();
  }

  /** The status at any time, also while the daemon starts. */
  async #snapshot(): Promise<Status> {
    const { masters, lines } = await this.#engine.request("status", {});
    const known = new Map(lines.map((line) => [line.name, line]));
    return {
      version: this.#options.version,
      pid: process.pid,
      startedAt: this.#startedAt,
      at: Date.now(),
      masters,
      lines: [...this.#lines.values()].flatMap((line) => {
        const { sinceMs: since, reason, retryAtMs: retryAt } = line;
        const status = known.get(line.name);
        return status === undefined ? [] : [{ ...status, since, reason, retryAt }];
      }),
    };
  }

  async enslave({ master, slave, bps }: EnslaveRequest): Promise<void> {
    await this.#ready;
    const line = this.#lineOf(slave);
    if (line !== undefined || this.#masters.has(slave) || !this.#masters.has(master)) {
      await this.#engine.request("enslave", { master, slave: line?.name ?? slave, bps });
      if (line !== undefined && line.config.master === master) line.wants = master;
      return;
    }
    await this.#enslavePassing(master, slave, bps);
  }

  async emancipate({ master, slave }: EmancipateRequest): Promise<void> {
    await this.#ready;
    const line = this.#lineOf(slave);
    const wanted = line?.wants ?? null;
    if (line !== undefined) line.wants = null;
    try {
      await this.#engine.request("emancipate", { master, slave: line?.name ?? slave });
    } catch (error) {
      // Silent or hung up, it is no slave now and would come back by itself: it was freed all the same.
      if (line === undefined || (wanted !== master && line.silentFrom !== master)) throw error;
    }
    if (line !== undefined) line.silentFrom = null;
  }

  async changeMaster(master: string, change: MasterChange): Promise<MasterStatus> {
    await this.#ready;
    await this.#engine.request("changeMaster", {
      name: master,
      maxSlaves: change.maxSlaves ?? null,
      minSlaves: change.minSlaves ?? null,
      scheduler: change.scheduler ?? null,
    });
    return (await this.status()).masters.find(({ name }) => name === master) as MasterStatus;
  }

  async changeSlave(master: string, slave: string, change: SlaveChange): Promise<LineStatus> {
    await this.#ready;
    const name = this.#lineOf(slave)?.name ?? slave;
    await this.#engine.request("changeSlave", { master, slave: name, bps: change.bps ?? null });
    return this.#lineStatus(name);
  }

  async addLine({ name, settings }: LineRequest): Promise<LineStatus> {
    await this.#ready;
    if (this.#lines.has(name) || this.#masters.has(name)) {
      throw new EqlError(
        "LINE_EXISTS",
        `There is a ${this.#lines.has(name) ? "line" : "master"} ${name} already`,
        {
          details: { line: name },
        },
      );
    }
    const present: Config = {
      daemon: this.#options.config.daemon,
      masters: [...this.#masters.values()].map(({ config }) => config),
      lines: [...this.#lines.values()].map(({ config }) => config),
    };
    const line = new Line(parseLine(name, settings, present));
    await this.#bringUp(line);
    return this.#lineStatus(name);
  }

  async removeLine(name: string): Promise<void> {
    await this.#ready;
    const line = this.#lines.get(name);
    if (line === undefined) throw unknownLine(name);
    line.stop();
    await this.#discard(line);
    if (line.config.kind === "device") this.#giveBack(line);
    this.#interfaces.forget(line.index);
    this.#log.info({ line: name }, "removed");
  }

  async capture(link: string): Promise<Capture> {
    await this.#ready;
    const pipe = join(dirname(this.#options.socket), `capture-${randomUUID()}`);
    check(mkfifo(pipe, 0o600), `Making the pipe ${pipe}`);
    try {
      await this.#engine.request("startCapture", { link, pipe });
    } catch (error) {
      rmSync(pipe, { force: true });
      throw error;
    }
    return {
      pipe,
      stop: async () => {
        await this.#engine.request("stopCapture", { pipe }).catch(() => {}); // the engine may have stopped
        rmSync(pipe, { force: true });
      },
    };
  }

  down(): Promise<void> {
    this.#down ??= this.#bringDown();
    return this.#down;
  }

  async #start(): Promise<void> {
    const { masters, lines } = this.#options.config;
    for (const config of masters) await this.#addMaster(config);
    for (const config of lines) await this.#bringUp(new Line(config));
  }

  async #bringDown(): Promise<void> {
    await this.#ready.catch(() => {});
    for (const line of this.#lines.values()) {
      line.stop();
      line.wants = null;
    }
    await this.#engine.stop();
    for (const line of this.#lines.values()) {
      if (line.config.kind === "device") this.#giveBack(line);
    }
    this.#netlink.close();
    if (this.#hasBegun) this.#log.info({}, "down");
    this.#resolveStopped();
  }

  async #addMaster(config: MasterConfig): Promise<void> {
    const { name, mtu, scheduler, maxSlaves, minSlaves, queuePackets } = config;
    const { index } = await this.#engine.request("addMaster", {
      name,
      mtu,
      scheduler,
      maxSlaves,
      minSlaves,
      queuePackets,
    });
    this.#masters.set(name, { config, index });
    this.#interfaces.configure(index, config, this.#isConfigured(config));
    this.#log.info({ master: name, mtu, scheduler }, "master added");
  }

  /** A master of which nothing is said waits to be addressed and brought up, as the driver of 1995 did. */
  #isConfigured(config: MasterConfig): boolean {
    return config.address !== null || this.#options.config.lines.some(({ master }) => master === config.name);
  }

  /** Makes a line's interface and opens its device; undone if that fails. */
  async #bringUp(line: Line): Promise<void> {
    const { config, name } = line;
    await this.#add(line);
    try {
      if (config.kind === "slip") this.#interfaces.configure(line.index, config, true);
    } catch (error) {
      await this.#discard(line);
      throw error;
    }
    this.#log.info({ line: name, device: config.device }, "line open");
    if (config.kind === "device") await this.#join(line);
  }

  /** Adds a line to the engine and opens its device; undone if that fails. */
  async #add(line: Line): Promise<void> {
    const { name, kind, device, speedBps, rateBps, rtscts, lock, mtu, echo, address, peer } = line.config;
    await this.#engine.request("addLine", {
      name,
      kind,
      device,
      speedBps,
      rateBps,
      rtscts,
      lockDirectory: lock ? this.#options.config.daemon.lockDirectory : null,
      mtu,
      echo: echo !== null && address !== null && peer !== null ? { ...echo, local: address, peer } : null,
    });
    this.#lines.set(name, line);
    try {
      await this.#open(line);
    } catch (error) {
      await this.#discard(line);
      throw error;
    }
  }

  async #open(line: Line): Promise<void> {
    line.index = (await this.#engine.request("openLine", { name: line.name })).index;
    line.opened();
    line.note("");
    if (line.config.kind === "device" && this.#isUp(line.config.device)) {
      this.#attempt(line, () => this.#interfaces.addRoutes(line.index, line.config));
    }
  }

  async #discard({ name }: Line): Promise<void> {
    this.#lines.delete(name);
    await this.#engine.request("removeLine", { name });
  }

  async #enslavePassing(master: string, slave: string, bps: number): Promise<void> {
    const { mtu } = (this.#masters.get(master) as Master).config;
    const config: LineConfig = {
      name: slave,
      kind: "device",
      device: slave,
      speedBps: bps,
      rateBps: bps,
      rtscts: false,
      lock: false,
      mtu,
      master: null,
      address: null,
      peer: null,
      defaultRoute: false,
      routes: [],
      echo: null,
    };
    const line = new Line(config, true);
    await this.#add(line);
    try {
      await this.#engine.request("enslave", { master, slave, bps });
    } catch (error) {
      await this.#discard(line);
      throw error;
    }
  }

  /** Joins the master that the line wants, if that can be now. */
  async #join(line: Line): Promise<void> {
    const master = line.silentFrom ?? line.wants;
    if (master === null || this.#down !== null) return;
    const { rateGivenBps, state } = await this.#lineStatus(line.name);
    if (state !== "alone") return;
    try {
      await this.#engine.request("enslave", { master, slave: line.name, bps: rateGivenBps });
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      line.reason = error.message;
      // A master that is down takes its slaves when it comes up.
      const level = error.code === "MASTER_DOWN" ? "debug" : "warn";
      this.#log[level]({ line: line.name, master, code: error.code, reason: error.message }, "not enslaved");
    }
  }

  /** By its name, or by that of the kernel interface that it is. */
  #lineOf(name: string): Line | undefined {
    const named = this.#lines.get(name);
    if (named !== undefined) return named;
    return [...this.#lines.values()].find(({ config }) => config.kind === "device" && config.device === name);
  }

  /** Whether it has not been removed. */
  #isHere(line: Line): boolean {
    return this.#lines.get(line.name) === line;
  }

  async #lineStatus(name: string): Promise<LineStatus> {
    const status = (await this.#snapshot()).lines.find((line) => line.name === name);
    if (status === undefined) throw unknownLine(name);
    return status;
  }

  #handleEvent(event: EngineEvent): void {
    if (this.#down !== null) return;
    if (event.type === "master") return this.#handleMaster(event.master, event.up);
    if (event.type === "masterGone") return this.#handleMasterGone(event.master);
    if (event.type === "mtu") return this.#handleMtu(event.name, event.was, event.mtu);
    const line = this.#lines.get(event.line);
    if (line === undefined) return;
    const { name } = line;
    switch (event.type) {
      case "joined":
        line.note("");
        line.silentFrom = null;
        this.#attempt(line, () => this.#interfaces.takeRoutes(line.index));
        this.#log.info({ line: name, master: event.master }, "enslaved");
        break;
      case "left":
        this.#handleLeft(line, event.master, event.reason);
        break;
      case "closed":
        line.note(event.reason);
        this.#log.warn({ line: name, device: line.config.device, reason: event.reason }, "line closed");
        this.#retry(line);
        break;
      case "line":
        line.note(event.reason);
        this.#log.info({ line: name, reason: event.reason }, event.up ? "interface up" : "interface down");
        if (event.up) this.#handleLineUp(line);
        break;
      case "silent":
        line.note(event.silent ? "the peer does not answer" : "the peer answers again");
        this.#log.warn({ line: name }, line.reason);
        if (!event.silent) this.#joinSoon(line);
        break;
      case "gone":
        this.#handleGone(line);
        break;
    }
  }

  #handleMaster(name: string, up: boolean): void {
    const master = this.#masters.get(name);
    this.#log.info({ master: name }, up ? "master up" : "master down");
    if (!up || master === undefined) return;
    this.#attempt(null, () => this.#interfaces.addRoutes(master.index, master.config));
    for (const line of this.#lines.values()) if (line.wants === name) this.#joinSoon(line);
  }

  #handleMasterGone(name: string): void {
    this.#masters.delete(name);
    this.#log.warn({ master: name }, "its interface is gone");
  }

  /** Master and slave are set one after the other: who was freed because they differed joins when they do not. */
  #handleMtu(name: string, was: number, mtu: number): void {
    const line = this.#lines.get(name);
    const changed = line ?? this.#masters.get(name);
    this.#log.info({ interface: name, was, mtu }, "MTU changed");
    if (changed === undefined) return;
    if (line?.config.kind !== "device") {
      this.#attempt(line ?? null, () => this.#interfaces.followMtu(changed.index, was, mtu));
    }
    for (const other of this.#lines.values()) {
      if (other === line || other.wants === name) this.#joinSoon(other);
    }
  }

  #handleLeft(line: Line, master: string, reason: string): void {
    line.note(reason);
    this.#log.info({ line: line.name, master, reason }, "freed");
    if (reason === SILENT) line.silentFrom = master;
    else if (line.isPassing) return this.#forgetPassing(line);
    // One that is to come back must not draw the master's packets to itself meanwhile.
    if (line.silentFrom === null && (line.wants === null || !this.#isUp(master))) this.#restore(line);
  }

  #isUp(name: string): boolean {
    return this.#netlink.interface(name)?.up ?? false;
  }

  #handleLineUp(line: Line): void {
    this.#attempt(line, () => this.#interfaces.addRoutes(line.index, line.config));
    if (line.wants === null) this.#restore(line);
    this.#joinSoon(line);
  }

  #restore(line: Line): void {
    const name = line.config.kind === "device" ? line.config.device : line.name;
    this.#attempt(line, () => this.#interfaces.restoreRoutes(line.index, name));
  }

  /** Leaves a kernel interface as it was found. */
  #giveBack(line: Line): void {
    if (line.index === 0) return;
    this.#restore(line);
    this.#attempt(line, () => this.#interfaces.removeRoutes(line.index, line.config));
  }

  #forgetPassing(line: Line): void {
    this.#restore(line);
    this.#lines.delete(line.name);
    this.#engine.request("removeLine", { name: line.name }).catch((error: Error) => this.#warn(line, error));
  }

  #handleGone(line: Line): void {
    line.note("its interface is gone");
    this.#log.warn({ line: line.name, device: line.config.device }, line.reason);
    this.#interfaces.forget(line.index);
    line.index = 0;
    if (line.config.kind === "device") return this.#retry(line);
    line.stop();
    this.#lines.delete(line.name);
  }

  #retry(line: Line): void {
    const retryMs = line.retry(() => {
      this.#reopen(line).catch((error: Error) => {
        if (this.#down !== null || !this.#isHere(line)) return;
        line.reason = error.message;
        this.#log.debug({ line: line.name, reason: error.message }, "not open yet");
        this.#retry(line);
      });
    });
    this.#log.debug({ line: line.name, retryMs }, "will be tried again");
  }

  async #reopen(line: Line): Promise<void> {
    const { name, config } = line;
    await this.#open(line);
    this.#log.info({ line: name, device: config.device }, "line open again");
    await this.#join(line);
  }

  #joinSoon(line: Line): void {
    this.#join(line).catch((error: Error) => this.#warn(line, error));
  }

  #attempt(line: Line | null, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#warn(line, error as Error);
    }
  }

  #warn(line: Line | null, error: Error): void {
    if (this.#down !== null) return;
    const code = error instanceof EqlError ? error.code : undefined;
    this.#log.warn({ line: line?.name, code, error: error.message }, "failed");
  }
}

const SILENT = "the peer does not answer";

const unknownLine = (name: string): EqlError =>
  new EqlError("LINE_UNKNOWN", `There is no line ${name}: \`eql status\` lists those that are there`, {
    details: { line: name },
  });
