import { randomUUID } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Config, MasterConfig } from "../config/config.ts";
import { parseNewLine } from "../config/load.ts";
import type {
  AskRequest,
  EmancipateRequest,
  EnslaveRequest,
  LifeEvent,
  LifeState,
  LineRequest,
  LineState,
  LineStatus,
  MasterChange,
  MasterStatus,
  PathChange,
  PppEvent,
  PppRequest,
  ReloadReply,
  SlaveChange,
  Status,
  TunnelChange,
  TunnelStatus,
} from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { daemonEnding, EngineClient } from "../host/engine/client.ts";
import type { EngineEvent, EngineLineStatus } from "../host/engine/messages.ts";
import { isTunnelEvent } from "../host/engine/tunnel-messages.ts";
import { check, mkfifo } from "../host/libc.ts";
import { Netlink } from "../host/netlink.ts";
import { NetlinkMonitor } from "../host/netlink-monitor.ts";
import { Answering } from "./answering/answering.ts";
import { ClientLines } from "./client-lines.ts";
import type { Capture, DaemonApi, HeldLine } from "./daemon-api.ts";
import { Interfaces } from "./interfaces.ts";
import { Line } from "./line.ts";
import { LineKeeper } from "./line-keeper.ts";
import type { LineLife } from "./line-life.ts";
import type { Logger } from "./log.ts";
import { PppLines } from "./ppp-lines.ts";
import { planReload } from "./reload.ts";
import { Talks } from "./talks.ts";
import { resolveHost } from "./tunnels/server-names.ts";
import { Tunnels } from "./tunnels/tunnels.ts";

export interface DaemonOptions {
  readonly config: Config;
  /** Reads the configuration again; null: there is no file of it. */
  readonly readConfig: (() => Config) | null;
  readonly version: string;
  readonly log: Logger;
  /** The control socket's path; pipes of captures are made beside it. */
  readonly socket: string;
  /** The engine failed, which is a bug. */
  readonly onCrash: (error: Error) => void;
}

/**
 * The control plane: brings up what is configured, does what clients ask, and takes everything down. The engine does the carrying, the
 * keeper keeps the lines.
 */
export class Daemon implements DaemonApi {
  readonly #options: DaemonOptions;
  /** With what was applied since the start. */
  #config: Config;
  readonly #log: Logger;
  readonly #engine: EngineClient;
  readonly #netlink = new Netlink();
  readonly #interfaces = new Interfaces(this.#netlink);
  readonly #talks: Talks;
  readonly #keeper: LineKeeper;
  readonly #clients: ClientLines;
  readonly #answering: Answering;
  readonly #tunnels: Tunnels;
  readonly #startedAt = Date.now();
  /** Resolves when everything is down, however that was asked for. */
  readonly stopped: Promise<void>;
  #ready: Promise<void> = Promise.resolve();
  #hasBegun = false;
  #resolveStopped: () => void = () => {};
  #down: Promise<void> | null = null;
  #reloading: Promise<unknown> = Promise.resolve();
  /** What is being done for clients: the end takes down what comes of it, too. */
  readonly #changes = new Set<Promise<unknown>>();

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#log = options.log;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#engine = new EngineClient((event) => this.#handleEvent(event), options.onCrash);
    this.#talks = new Talks(this.#engine);
    this.#keeper = new LineKeeper({
      engine: this.#engine,
      netlink: this.#netlink,
      interfaces: this.#interfaces,
      log: options.log,
      ppp: new PppLines(this.#engine, this.#interfaces, options.log, options.socket),
      talks: this.#talks,
      lockDirectory: options.config.daemon.lockDirectory,
      socket: options.socket,
      needOf: (line) => this.#tunnels.needOf(line),
    });
    this.#clients = new ClientLines({
      engine: this.#engine,
      netlink: this.#netlink,
      keeper: this.#keeper,
      present: () => this.#present(),
      addMaster: (config) => this.#addMaster(config),
    });
    this.#answering = new Answering(options.config, {
      engine: this.#engine,
      netlink: this.#netlink,
      keeper: this.#keeper,
      log: options.log,
      talks: this.#talks,
      lockDirectory: options.config.daemon.lockDirectory,
      socket: options.socket,
      addMaster: (config) => this.#addMaster(config),
    });
    this.#tunnels = new Tunnels(options.config.tunnels, {
      engine: this.#engine,
      netlink: this.#netlink,
      log: options.log,
      resolve: resolveHost,
      now: monotonicNow,
      monitor: () => new NetlinkMonitor(),
      socket: options.socket,
    });
  }

  #handleEvent(event: EngineEvent): void {
    if (isTunnelEvent(event)) this.#tunnels.handleEvent(event);
    else this.#keeper.handleEvent(event);
  }

  /** Brings up what is configured. Rejects with the first thing that cannot be, and leaves nothing half set up. */
  start(): Promise<void> {
    // It may have been told to end already.
    if (this.#down !== null) return this.#ready;
    this.#hasBegun = true;
    this.#ready = this.#start();
    return this.#ready;
  }

  /**
   * Does what adds something, once all that is configured is up.
   * @throws EqlError DAEMON_ENDING
   */
  async #change<T>(act: () => Promise<T>): Promise<T> {
    await this.#ready;
    if (this.#down !== null) throw daemonEnding();
    const change = act();
    this.#changes.add(change);
    try {
      return await change;
    } finally {
      this.#changes.delete(change);
    }
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
      lines: [...this.#keeper.lines.values()].flatMap((line) => {
        const status = known.get(line.name);
        return status === undefined ? [] : [statusOf(line, status)];
      }),
      tunnels: await this.#tunnels.status(),
      stations: this.#answering.status(),
    };
  }

  enslave(request: EnslaveRequest): Promise<void> {
    return this.#change(() => this.#enslave(request));
  }

  async #enslave({ master, slave, bps }: EnslaveRequest): Promise<void> {
    const line = this.#keeper.lineOf(slave);
    if (line !== undefined || this.#keeper.masters.has(slave) || !this.#keeper.masters.has(master)) {
      if (line?.config.kind === "ppp") await this.#keeper.enslavePpp(line, master, bps);
      else await this.#engine.request("enslave", { master, slave: line?.name ?? slave, bps });
      if (line !== undefined && line.config.master === master) line.wants = master;
      return;
    }
    await this.#keeper.enslavePassing(master, slave, bps);
  }

  async emancipate({ master, slave }: EmancipateRequest): Promise<void> {
    await this.#ready;
    const line = this.#keeper.lineOf(slave);
    // Silent or hung up, it is no slave now and would come back by itself: it can be freed all the same.
    const wouldReturn = line !== undefined && (line.wants === master || line.silentFrom === master);
    try {
      await this.#engine.request("emancipate", { master, slave: line?.name ?? slave });
    } catch (error) {
      if (!wouldReturn) throw error;
    }
    if (line !== undefined) this.#keeper.release(line, master);
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

  async changeTunnel(tunnel: string, change: TunnelChange): Promise<TunnelStatus> {
    await this.#ready;
    return this.#tunnels.change(tunnel, change);
  }

  async changePath(tunnel: string, path: string, change: PathChange): Promise<TunnelStatus> {
    await this.#ready;
    return this.#tunnels.changePath(tunnel, path, change);
  }

  async changeSlave(master: string, slave: string, change: SlaveChange): Promise<LineStatus> {
    await this.#ready;
    const name = this.#keeper.lineOf(slave)?.name ?? slave;
    await this.#engine.request("changeSlave", { master, slave: name, bps: change.bps ?? null });
    return this.#lineStatus(name);
  }

  addLine(request: LineRequest): Promise<LineStatus | TunnelStatus> {
    return this.#change(() => this.#addLine(request));
  }

  async #addLine({ name, settings }: LineRequest): Promise<LineStatus | TunnelStatus> {
    this.#requireNew(name);
    const { line, path } = parseNewLine(name, settings, this.#present());
    if (line !== null) await this.#keeper.bringUp(new Line(line));
    const tunnel = path && (await this.#tunnels.addPath(path.tunnel, path.config));
    return line === null && tunnel !== null ? tunnel : this.#lineStatus(name);
  }

  /** @throws EqlError LINE_EXISTS: the name is taken, by the file or since */
  #requireNew(name: string): void {
    const there = this.#whatIs(name);
    if (there === null) return;
    throw new EqlError("LINE_EXISTS", `There is a ${there} ${name} already: choose another name`, {
      details: { line: name },
    });
  }

  #whatIs(name: string): string | null {
    if (this.#keeper.lines.has(name)) return "line";
    if (this.#keeper.masters.has(name)) return "master";
    if (this.#tunnels.has(name)) return "tunnel";
    const paths = this.#tunnels.configs.flatMap(({ peers }) => peers.flatMap((peer) => peer.paths));
    return paths.some((path) => path.name === name) ? "UDP line" : null;
  }

  async removeLine(name: string): Promise<void> {
    await this.#ready;
    const line = this.#keeper.lines.get(name);
    const hadPath = await this.#tunnels.removePath(name);
    if (line === undefined && hadPath) return;
    if (line === undefined) throw unknownLine(name);
    if (this.#answering.hangUp(name, "User request")) return;
    await this.#keeper.hangUp(line, "User request");
    // It may have been removed meanwhile, and its name given to another.
    if (line.owner !== null || this.#keeper.lines.get(name) !== line) return;
    await this.#keeper.discard(line);
    if (line.config.kind === "device") this.#keeper.giveBack(line);
    this.#interfaces.forget(line.index);
    this.#log.info({ line: name }, "removed");
  }

  async ask(name: string, { ask }: AskRequest): Promise<void> {
    await this.#ready;
    if (ask === "down" && this.#answering.hangUp(name, "User request")) return;
    this.#keeper.ask(this.#lifeOf(name).line, ask === "auto" ? null : ask === "up");
  }

  async watch(name: string, tell: (event: LifeEvent) => void): Promise<HeldLine> {
    await this.#ready;
    const { life } = this.#lifeOf(name);
    const stop = life.watch(tell);
    return { ended: life.ended, stop: async () => stop() };
  }

  ppp(request: PppRequest, tell: (event: PppEvent) => void): Promise<HeldLine> {
    return this.#change(() => this.#clients.open(request, tell));
  }

  capture(link: string): Promise<Capture> {
    return this.#change(() => this.#capture(link));
  }

  async #capture(link: string): Promise<Capture> {
    const pipe = `${this.#options.socket}${PIPE_INFIX}${randomUUID()}`;
    check(mkfifo(pipe, 0o600), `Making the pipe ${pipe}`);
    try {
      await this.#engine.request("startCapture", { link: this.#keeper.lineOf(link)?.name ?? link, pipe });
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

  reload(): Promise<ReloadReply> {
    const reloading = this.#reloading.then(() => this.#reload());
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  async #reload(): Promise<ReloadReply> {
    await this.#ready;
    const { readConfig } = this.#options;
    if (this.#down !== null) throw daemonEnding();
    if (readConfig === null) {
      throw new EqlError("CONTROL_REFUSED", "the daemon has no configuration file to read again");
    }
    const { config, ...told } = planReload(this.#config, readConfig());
    const plan = this.#tunnels.plan(config.tunnels);
    for (const name of plan.added) if (!plan.removed.includes(name)) this.#requireNew(name);
    await plan.apply();
    this.#config = config;
    const applied = [...told.applied, ...plan.applied.filter((each) => !isTold(each, told.applied))];
    const restart = [...told.restart, ...plan.restart.filter((each) => !told.restart.includes(each))];
    this.#log.info({ applied, restart }, "configuration read again");
    return { applied, restart };
  }

  down(): Promise<void> {
    this.#down ??= this.#bringDown();
    return this.#down;
  }

  async #start(): Promise<void> {
    this.#removeStalePipes();
    const { masters, lines } = this.#config;
    for (const config of masters) await this.#addMaster(config);
    for (const config of lines) await this.#keeper.bringUp(new Line(config));
    await this.#tunnels.start();
    await this.#answering.start();
  }

  /** What a daemon that was killed left: nobody else has this socket now. */
  #removeStalePipes(): void {
    const directory = dirname(this.#options.socket);
    const prefix = `${basename(this.#options.socket)}${PIPE_INFIX}`;
    for (const name of readdirSync(directory)) {
      if (name.startsWith(prefix)) rmSync(join(directory, name), { force: true });
    }
  }

  async #bringDown(): Promise<void> {
    await this.#ready.catch(() => {});
    await this.#reloading;
    await Promise.allSettled(this.#changes);
    await this.#answering.stop("User request");
    await this.#tunnels.stop();
    await Promise.all(
      [...this.#keeper.lines.values()].map((line) => this.#keeper.hangUp(line, "User request")),
    );
    await this.#keeper.stop();
    await this.#engine.stop();
    for (const line of this.#keeper.lines.values()) {
      if (line.config.kind === "device") this.#keeper.giveBack(line);
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
    this.#keeper.masters.set(name, { config, index });
    const isPassing = !this.#config.masters.includes(config);
    this.#interfaces.configure(index, config, isPassing || this.#isConfigured(config));
    this.#log.info({ master: name, mtu, scheduler }, "master added");
  }

  /** @throws EqlError LINE_UNKNOWN; CONTROL_REFUSED: it is not ours to bring up */
  #lifeOf(name: string): { readonly line: Line; readonly life: LineLife } {
    const line = this.#keeper.lineOf(name);
    if (line === undefined) throw unknownLine(name);
    if (line.life !== null) return { line, life: line.life };
    const message = `${name} is not kept up by the daemon: it belongs to a client, or was only enslaved`;
    throw new EqlError("CONTROL_REFUSED", message, { details: { line: name } });
  }

  #present(): Config {
    return {
      daemon: this.#config.daemon,
      masters: [...this.#keeper.masters.values()].map(({ config }) => config),
      lines: [...this.#keeper.lines.values()].map(({ config }) => config),
      tunnels: this.#tunnels.configs,
      dialers: this.#config.dialers,
      stations: this.#config.stations,
      radius: this.#config.radius,
      source: this.#config.source,
    };
  }

  /** A master of which nothing is said waits to be addressed and brought up, as the driver of 1995 did. */
  #isConfigured(config: MasterConfig): boolean {
    return config.address !== null || this.#config.lines.some(({ master }) => master === config.name);
  }

  async #lineStatus(name: string): Promise<LineStatus> {
    const status = (await this.#snapshot()).lines.find((line) => line.name === name);
    if (status === undefined) throw unknownLine(name);
    return status;
  }
}

function statusOf(line: Line, status: EngineLineStatus): LineStatus {
  const { sinceMs, reason } = line;
  const life = line.life?.status() ?? null;
  const retryAt = line.life?.retryAtMs ?? null;
  const shown = life === null ? undefined : SHOWN[life.state];
  const isShown = status.state === "closed" && shown !== undefined;
  const state = isShown ? shown : status.state;
  const since = isShown && life !== null ? life.since : sinceMs;
  const interfaceName = line.config.kind === "device" ? status.device : line.interface;
  return { ...status, interface: interfaceName, state, since, reason, retryAt, life };
}

/** What is said of a line whose device is closed, or only talked on. */
const SHOWN: Readonly<Partial<Record<LifeState, LineState>>> = {
  idle: "idle",
  dialing: "dialing",
  login: "login",
  givenUp: "given-up",
};

/** Whether something else of the same table is told. */
const isTold = (words: string, told: readonly string[]): boolean =>
  told.some((each) => each.split(": ")[0] === words.split(": ")[0]);

/** Pipes of captures are named after the socket, so that nobody takes another daemon's for stale. */
const PIPE_INFIX = ".capture-";

const unknownLine = (name: string): EqlError =>
  new EqlError("LINE_UNKNOWN", `There is no line ${name}: \`eql status\` lists those that are there`, {
    details: { line: name },
  });
