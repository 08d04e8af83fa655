import type { LineConfig, MasterConfig } from "../config/config.ts";
import type { LineState, PppEnd } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type {
  EngineEvent,
  EngineLineStatus,
  NetworkLineEvent,
  PppLineEvent,
} from "../host/engine/messages.ts";
import type { Netlink } from "../host/netlink.ts";
import type { Interfaces } from "./interfaces.ts";
import { Line } from "./line.ts";
import { LineGroups } from "./line-groups.ts";
import { type LifeTools, LineLife } from "./line-life.ts";
import type { Logger } from "./log.ts";
import type { PppInterface, PppLines } from "./ppp-lines.ts";
import type { Takeover, Talks } from "./talks.ts";
import { UpCommands } from "./up-commands.ts";

export interface Master {
  readonly config: MasterConfig;
  readonly index: number;
}

/** What a keeper works with; all of it is the daemon's. */
export interface KeeperTools {
  readonly engine: EngineClient;
  readonly netlink: Netlink;
  readonly interfaces: Interfaces;
  readonly log: Logger;
  readonly ppp: PppLines;
  readonly talks: Talks;
  /** Where UUCP locks go. */
  readonly lockDirectory: string;
  /** The control socket's path, for commands that are run. */
  readonly socket: string;
}

/** After these a line waits for longer. */
const REFUSALS: readonly PppEnd[] = ["peer-unauthenticated", "unauthenticated", "loopback"];
/** A peer that does not answer is not waited for any longer. */
const MOST_FAREWELL_MS = 5000;

type Left = Extract<EngineEvent, { readonly type: "left" }>;

/**
 * Keeps the lines: opens them again when they are lost, lets them join the masters they want whenever that can be, and gives their
 * interfaces the routes they are to have. It acts on what the engine tells.
 */
export class LineKeeper {
  readonly lines = new Map<string, Line>();
  readonly masters = new Map<string, Master>();
  readonly #tools: KeeperTools;
  readonly #log: Logger;
  readonly #groups: LineGroups;
  readonly #upCommands: UpCommands;
  readonly #lifeTools: LifeTools;
  #stopped = false;

  constructor(tools: KeeperTools) {
    this.#tools = tools;
    this.#log = tools.log;
    this.#groups = new LineGroups(tools.engine, (name) => this.masters.get(name)?.config.group);
    this.#upCommands = new UpCommands(tools.log, tools.socket);
    this.#lifeTools = {
      log: tools.log,
      talks: tools.talks,
      lockDirectory: tools.lockDirectory,
      begin: (line, takeover) => this.#open(line, takeover),
      begun: (line) => {
        this.#log.info({ line: line.name, device: line.config.device }, "line open again");
        this.#joinSoon(line);
      },
      hangUp: (line, reason) => tools.ppp.hangUp(line, reason),
      close: async ({ name }) => {
        await tools.engine.request("closeLine", { name, reason: "closed" }).catch(() => {}); // it was removed
      },
      changed: (line) => this.#handleLife(line),
    };
  }

  /** From now on nothing is opened, joined or told. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#groups.stop();
    this.#upCommands.stop();
    for (const line of this.lines.values()) {
      await line.life?.stop();
      line.wants = null;
    }
  }

  /**
   * Makes a line's interface and opens its device; undone if that fails. A line that dials opens its device when it is wanted.
   * @param takeover a tty that was talked on; null: it is the line's own to open
   */
  async bringUp(line: Line, takeover: Takeover | null = null): Promise<void> {
    const { config, name } = line;
    const dials = config.dial !== null;
    await this.#add(line);
    if (line.owner === null) line.life = new LineLife(line, this.#lifeTools);
    try {
      if (!dials) await (line.life?.begin() ?? this.#open(line, takeover));
      if (config.kind === "slip") this.#tools.interfaces.configure(line.index, config, true);
    } catch (error) {
      await this.discard(line);
      throw error;
    }
    if (dials) this.#groups.add(line);
    else this.#log.info({ line: name, device: config.device }, "line open");
    if (config.kind === "device") await this.#join(line);
  }

  /** Adds a line to the engine. */
  async #add(line: Line): Promise<void> {
    const { config } = line;
    const { name, kind, device, speedBps, rateBps, rtscts, carrier, lock, mtu, echo, address, peer, ppp } =
      config;
    const { index } = await this.#tools.engine.request("addLine", {
      name,
      kind,
      device,
      speedBps,
      rateBps,
      rtscts,
      carrier,
      demand: config.dial !== null && config.dial.demand && config.master === null,
      lockDirectory: lock ? this.#tools.lockDirectory : null,
      mtu,
      echo: echo !== null && address !== null && peer !== null ? { ...echo, local: address, peer } : null,
      ppp: ppp && this.#tools.ppp.settingsOf(ppp),
    });
    line.index = index;
    this.lines.set(name, line);
  }

  async #open(line: Line, talk: Takeover | null): Promise<void> {
    const multilink = (line.owner?.wantsMultilink ?? line.wants !== null) && !line.isClassic;
    line.index = (await this.#tools.engine.request("openLine", { name: line.name, multilink, talk })).index;
    line.ended = null;
    // Why a PPP link ended is worth knowing until the next one is up.
    line.note(line.config.ppp === null ? "" : line.reason);
    if (line.config.kind === "device" && this.#tools.interfaces.isUp(line.index)) {
      this.#attempt(line, () => this.#tools.interfaces.addRoutes(line.index, line.config));
    }
  }

  /** Its life has come to another state. */
  #handleLife(line: Line): void {
    const { life } = line;
    if (life === null || this.#stopped) return;
    this.#groups.handleState(line);
    if (life.state === "waiting" || life.state === "idle" || life.state === "givenUp") {
      line.note(line.failure ?? life.reason);
      line.failure = null;
      const level = life.state === "givenUp" ? "warn" : "info";
      if (line.config.dial !== null) this.#log[level]({ line: line.name, reason: line.reason }, life.state);
    }
    const isUp = life.state === "up" || life.state === "enslaved";
    if (isUp && !line.wasUp) this.#upCommands.start(line);
    line.wasUp = isUp;
  }

  /** A person wants a line up or down, now; null: as without a person. */
  ask(line: Line, wanted: boolean | null): void {
    if (this.#groups.ask(line, wanted)) return;
    const reason = "User request";
    line.life?.handle((manager, now) => {
      if (wanted ?? true) manager.handleWanted(reason, now, true);
      else manager.handleUnwanted(reason, now);
    });
  }

  /** Ends a PPP link properly, or, when the peer does not answer, not. The line is not opened again. */
  async hangUp(line: Line, reason: string): Promise<void> {
    line.isLeaving = true;
    await line.life?.stop();
    const { ppp } = line.config;
    if (ppp === null) return;
    const { state, ppp: present } = await this.#figures(line);
    if (state === "closed") return;
    // A peer with which nothing was agreed on is told, but not waited for.
    const isEstablished = present?.phase !== "establish" && present?.phase !== "dead";
    const { restartMs, maxTerminate } = ppp.lcp;
    const limitMs = isEstablished ? Math.min(MOST_FAREWELL_MS, restartMs * (maxTerminate + 1)) : 0;
    const closed = line.untilClosed(limitMs);
    await this.#tools.ppp.hangUp(line, reason);
    await closed;
  }

  /** Removes a line and its interface. */
  async discard(line: Line): Promise<void> {
    const { name } = line;
    this.lines.delete(name);
    this.#groups.remove(line);
    await line.life?.stop();
    await this.#tools.engine.request("removeLine", { name });
  }

  /** Enslaves a kernel interface that is no line yet; it is one until it is freed. */
  async enslavePassing(master: string, slave: string, bps: number): Promise<void> {
    const { mtu } = (this.masters.get(master) as Master).config;
    const config: LineConfig = {
      name: slave,
      kind: "device",
      device: slave,
      speedBps: bps,
      rateBps: bps,
      rtscts: false,
      carrier: false,
      lock: false,
      mtu,
      master: null,
      address: null,
      peer: null,
      defaultRoute: false,
      routes: [],
      echo: null,
      ppp: null,
      dial: null,
      upCommand: null,
    };
    const line = new Line(config, true);
    await this.#add(line);
    try {
      await this.#open(line, null);
      await this.#tools.engine.request("enslave", { master, slave, bps });
    } catch (error) {
      await this.discard(line);
      throw error;
    }
  }

  /**
   * Enslaves a PPP line by command. One that is alone, while the master's links are a numbered bundle, negotiates anew to be one of them.
   * @throws EqlError as the engine's `enslave`
   */
  async enslavePpp(line: Line, master: string, bps: number): Promise<void> {
    try {
      await this.#tools.engine.request("enslave", { master, slave: line.name, bps });
    } catch (error) {
      const { masters, lines } = await this.#tools.engine.request("status", {});
      const isNumbered = masters.find(({ name }) => name === master)?.multilink != null;
      const { state, ppp } = lines.find(({ name }) => name === line.name) ?? { state: "closed", ppp: null };
      const couldBeLink = line.config.ppp?.lcp.multilink != null && line.owner === null;
      if (!isNumbered || !couldBeLink || state !== "alone" || ppp?.multilink === true) throw error;
      line.wants = master;
      line.nextBps = bps;
      line.isClassic = false;
      await this.#tools.ppp.hangUp(line, "to join a bundle");
    }
  }

  /** It is to be no slave of a master any more, neither now nor when it can be one again. */
  release(line: Line, master: string): void {
    if (line.wants === master) line.wants = null;
    this.#forgetSilence(line);
    this.#restore(line);
  }

  /** A line that goes down or is closed is free: that it was silent before is no reason to join again. */
  #forgetSilence(line: Line): void {
    if (line.silentFrom === null) return;
    line.silentFrom = null;
    if (line.wants === null) this.#restore(line);
  }

  /** Joins the master that the line wants, if that can be now. */
  async #join(line: Line): Promise<void> {
    const master = line.silentFrom ?? line.wants;
    if (master === null || this.#stopped) return;
    const { rateGivenBps, state, ppp } = await this.#figures(line);
    const isLink = state === "negotiating" && ppp?.multilink === true;
    // A link that agreed on multilink has no network of its own: it is ready for the master's.
    if (state !== "alone" && !isLink) return;
    try {
      const bps = line.nextBps ?? rateGivenBps;
      await this.#tools.engine.request("enslave", { master, slave: line.name, bps });
      // By command it is a slave until it is lost, as any line.
      if (line.nextBps !== null && line.config.master !== master) line.wants = null;
      line.nextBps = null;
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      line.reason = error.message;
      // A master that is down takes its slaves when it comes up.
      const level = error.code === "MASTER_DOWN" ? "debug" : "warn";
      this.#log[level]({ line: line.name, master, code: error.code, reason: error.message }, "not enslaved");
      if (error.code !== "MASTER_DOWN") await this.#beginAnew(line, master, isLink);
    }
  }

  /** What a line has agreed on is of no use to its master: the peer would send parts of packets by it, or none by a bundle. */
  async #beginAnew(line: Line, name: string, isLink: boolean): Promise<void> {
    const { masters } = await this.#tools.engine.request("status", {});
    const master = masters.find((each) => each.name === name);
    const isNumbered = master?.multilink != null;
    if (!isLink && !(line.isClassic && isNumbered)) return;
    // Only slaves without numbers are no company for it.
    line.isClassic = isLink && !isNumbered && (master?.slaves.length ?? 0) > 0;
    line.endsFor = "no-network";
    line.failure = line.reason;
    await this.#tools.ppp.hangUp(line, "no bundle to join");
  }

  /** By its name, or by that of the kernel interface that it is. */
  lineOf(name: string): Line | undefined {
    const named = this.lines.get(name);
    if (named !== undefined) return named;
    return [...this.lines.values()].find(
      (line) => line.interface === name || (line.config.kind === "device" && line.config.device === name),
    );
  }

  async #figures(
    line: Line,
  ): Promise<Pick<EngineLineStatus, "rateGivenBps" | "ppp"> & { readonly state: LineState }> {
    const { lines } = await this.#tools.engine.request("status", {});
    return lines.find(({ name }) => name === line.name) ?? { rateGivenBps: 0, state: "closed", ppp: null };
  }

  handleEvent(event: EngineEvent): void {
    if (this.#stopped) return;
    this.#attempt(null, () => this.#handle(event));
  }

  #handle(event: EngineEvent): void {
    if (event.type === "trouble") {
      this.#log.error({ code: event.code, error: event.message }, "failed");
      return;
    }
    if (event.type === "master") return this.#handleMaster(event.master, event.up);
    if (event.type === "masterGone") return this.#handleMasterGone(event.master);
    if (event.type === "masterNetwork") return this.#handleMasterNetwork(event.master, event.event);
    if (event.type === "mtu") return this.#handleMtu(event.name, event.was, event.mtu);
    if (event.type === "heard" || event.type === "talkEnded") return this.#tools.talks.handleEvent(event);
    const line = this.lines.get(event.line);
    if (line === undefined) return;
    const { name } = line;
    switch (event.type) {
      case "joined":
        line.note("");
        line.master = event.master;
        line.silentFrom = null;
        line.life?.handle((manager, now) => manager.handleEnslaved(event.master, now));
        this.#attempt(line, () => this.#tools.interfaces.takeRoutes(line.index));
        this.#log.info({ line: name, master: event.master }, "enslaved");
        if (this.#tools.ppp.lineOf(event.master) !== undefined) {
          line.owner?.tell({ event: "joined", interface: event.master });
        }
        break;
      case "addressed":
        this.#attempt(line, () => this.#tools.interfaces.takeRoutes(line.index));
        break;
      case "left":
        this.#handleLeft(line, event);
        break;
      case "closed":
        this.#handleClosed(line, event.reason);
        break;
      case "line":
        // PPP takes the interface of a link that is down itself: why it is down is said already.
        if (event.up || line.config.ppp === null || this.#tools.ppp.lineOf(line.interface) !== undefined) {
          line.note(event.reason);
        }
        this.#log.info({ line: name, reason: event.reason }, event.up ? "interface up" : "interface down");
        if (event.up) this.#handleLineUp(line);
        else this.#forgetSilence(line);
        break;
      case "silent":
        line.note(event.silent ? "the peer does not answer" : "the peer answers again");
        this.#log.warn({ line: name }, line.reason);
        if (!event.silent) this.#joinSoon(line);
        break;
      case "gone":
        this.#handleGone(line);
        break;
      case "ppp":
        this.#tools.ppp.handleLink(line, event.event);
        this.#handleLinkLife(line, event.event);
        if (event.event.kind === "established") {
          const key = event.event.multilink ? event.event.bundleKey : null;
          this.#handleEstablished(line, key).catch((error: Error) => this.#warn(line, error));
        }
        break;
      case "network":
        this.#handleNetworkLife(line, event.event);
        this.#handleNetwork(
          {
            name: line.interface,
            index: line.index,
            line,
            links: [line],
            config: line.config,
            isAddressed: false,
            isMaster: false,
          },
          event.event,
        );
        break;
    }
  }

  #handleClosed(line: Line, reason: string): void {
    line.note(line.failure ?? reason);
    this.#forgetSilence(line);
    line.closed();
    this.#log.warn({ line: line.name, device: line.config.device, reason }, "line closed");
    if (line.owner !== null) line.owner.handleClosed(line.ended ?? "hangup", reason);
    else line.life?.handle((manager, now) => manager.handleClosed(now, reason));
    line.failure = null;
  }

  #handleLinkLife(line: Line, event: PppLineEvent): void {
    if (event.kind !== "ended" || line.ended === null || !REFUSALS.includes(line.ended)) return;
    line.life?.handle((manager, now) => manager.handleRefused(event.reason, now));
  }

  /** A network protocol of a line alone. */
  #handleNetworkLife(line: Line, event: NetworkLineEvent): void {
    if (event.kind === "up") line.life?.handle((manager, now) => manager.handleUp(now));
    if (event.kind === "down") {
      line.life?.handle((manager, now) => manager.handleRenegotiation("the network is down", now));
    }
  }

  #handleMaster(name: string, up: boolean): void {
    const master = this.masters.get(name);
    this.#log.info({ master: name }, up ? "master up" : "master down");
    if (!up || master === undefined) return;
    this.#attempt(null, () => this.#tools.interfaces.addRoutes(master.index, master.config));
    for (const line of this.lines.values()) if (line.wants === name) this.#joinSoon(line);
  }

  /** @param key of its bundle; null: it agreed on none, and has a network of its own */
  async #handleEstablished(line: Line, key: string | null): Promise<void> {
    try {
      await line.owner?.handleEstablished(key);
    } catch (error) {
      line.endsFor = "no-network";
      line.owner?.tell({ event: "log", level: "warn", text: (error as Error).message });
      await this.#tools.ppp.hangUp(line, "no interface for it");
      throw error;
    }
    if (key !== null) await this.#join(line);
  }

  #handleNetwork(target: PppInterface, event: NetworkLineEvent): void {
    this.#tools.ppp.handleNetwork(target, event).catch((error: Error) => this.#warn(target.line, error));
  }

  #handleMasterNetwork(name: string, event: NetworkLineEvent): void {
    const master = this.masters.get(name);
    const links = [...this.lines.values()].filter((each) => each.master === name);
    // Its last link may have left by now: what is up knows its line.
    const line = links[0] ?? this.#tools.ppp.lineOf(name);
    if (master === undefined || line === undefined) return;
    const { index, config } = master;
    const isAddressed = config.address !== null && config.address.includes(":") === (event.family === 6);
    this.#handleNetwork({ name, index, line, links, config, isAddressed, isMaster: true }, event);
    if (event.kind !== "up") return;
    for (const other of links.slice(1)) other.owner?.tell({ event: "joined", interface: name });
  }

  #handleMasterGone(name: string): void {
    this.masters.delete(name);
    this.#log.warn({ master: name }, "its interface is gone");
  }

  /** Master and slave are set one after the other: who was freed because they differed joins when they do not. */
  #handleMtu(name: string, was: number, mtu: number): void {
    const line = this.lines.get(name);
    const changed = line ?? this.masters.get(name);
    this.#log.info({ interface: name, was, mtu }, "MTU changed");
    if (changed === undefined) return;
    if (line?.config.kind !== "device") {
      this.#attempt(line ?? null, () => this.#tools.interfaces.followMtu(changed.index, was, mtu));
    }
    for (const other of this.lines.values()) {
      if (other === line || other.wants === name) this.#joinSoon(other);
    }
  }

  #handleLeft(line: Line, { master, reason, silent }: Left): void {
    line.note(reason);
    line.master = null;
    line.life?.handle((manager, now) => manager.handleFreed(reason, now));
    this.#log.info({ line: line.name, master, reason }, "freed");
    if (silent) line.silentFrom = master;
    else if (line.isPassing) return this.#forgetPassing(line);
    // One that is to come back must not draw the master's packets to itself meanwhile.
    const { index = 0 } = this.masters.get(master) ?? {};
    const isDown = !this.#tools.interfaces.isUp(index);
    if (line.silentFrom === null && (line.wants === null || isDown)) this.#restore(line);
  }

  #handleLineUp(line: Line): void {
    this.#attempt(line, () => this.#tools.interfaces.addRoutes(line.index, line.config));
    if (line.wants === null) this.#restore(line);
    this.#joinSoon(line);
  }

  #restore(line: Line): void {
    if (line.master !== null) return;
    this.#attempt(line, () => this.#tools.interfaces.restoreRoutes(line.index));
  }

  /** Leaves a kernel interface as it was found. */
  giveBack(line: Line): void {
    if (line.index === 0) return;
    line.master = null;
    this.#restore(line);
    this.#attempt(line, () => this.#tools.interfaces.removeRoutes(line.index, line.config));
  }

  #forgetPassing(line: Line): void {
    this.#restore(line);
    this.lines.delete(line.name);
    this.#tools.engine
      .request("removeLine", { name: line.name })
      .catch((error: Error) => this.#warn(line, error));
  }

  #handleGone(line: Line): void {
    line.note("its interface is gone");
    this.#log.warn({ line: line.name, device: line.config.device }, line.reason);
    this.#tools.interfaces.forget(line.index);
    line.index = 0;
    if (line.config.kind === "device") {
      line.life?.handle((manager, now) => manager.handleClosed(now, line.reason));
      return;
    }
    this.lines.delete(line.name);
    this.#groups.remove(line);
    void line.life?.stop();
    line.closed();
    line.owner?.handleClosed(line.ended ?? "hangup", line.reason);
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
    if (this.#stopped) return;
    const code = error instanceof EqlError ? error.code : undefined;
    this.#log.warn({ line: line?.name, code, error: error.message }, "failed");
  }
}
