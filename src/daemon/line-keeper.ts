import type { LineConfig, MasterConfig } from "../config/config.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type { EngineEvent, NetworkLineEvent } from "../host/engine/messages.ts";
import type { TunnelEvent } from "../host/engine/tunnel-messages.ts";
import type { Netlink } from "../host/netlink.ts";
import type { Interfaces } from "./interfaces.ts";
import { Line } from "./line.ts";
import { Lives } from "./lives.ts";
import type { Logger } from "./log.ts";
import { Membership } from "./membership.ts";
import type { PppInterface, PppLines } from "./ppp-lines.ts";
import type { Takeover, Talks } from "./talks.ts";
import { Troubles } from "./troubles.ts";

/** What happens to lines and masters. */
type LineEvent = Exclude<EngineEvent, TunnelEvent>;

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
  /** Why the path over a line is needed now, in words; null: it is not. */
  needOf(line: string): string | null;
}

/** A peer that does not answer is not waited for any longer. */
const MOST_FAREWELL_MS = 5000;

/**
 * Keeps the lines and masters: adds, opens, hangs up and removes lines, and acts on what the engine tells. Lives bring lines up
 * again when they are lost; membership lets them join the masters they want whenever that can be.
 */
export class LineKeeper {
  readonly lines = new Map<string, Line>();
  readonly masters = new Map<string, Master>();
  readonly #tools: KeeperTools;
  readonly #log: Logger;
  readonly #troubles: Troubles;
  readonly #lives: Lives;
  readonly #membership: Membership;
  #stopped = false;

  constructor(tools: KeeperTools) {
    this.#tools = tools;
    this.#log = tools.log;
    this.#troubles = new Troubles(tools.log);
    this.#membership = new Membership({ ...tools, troubles: this.#troubles });
    this.#lives = new Lives({
      ...tools,
      groupOf: (name) => this.masters.get(name)?.config.group,
      open: (line, takeover) => this.#open(line, takeover),
      begun: (line) => {
        this.#log.info({ line: line.name, device: line.config.device }, "line open again");
        this.#membership.joinSoon(line);
      },
    });
  }

  /** From now on nothing is opened, joined or told. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#troubles.silence();
    this.#membership.stop();
    await this.#lives.stop(this.lines.values());
  }

  /**
   * Makes a line's interface and opens its device; undone if that fails. A line that dials opens its device when it is wanted.
   * @param takeover a tty that was talked on; null: it is the line's own to open
   */
  async bringUp(line: Line, takeover: Takeover | null = null): Promise<void> {
    const { config, name } = line;
    const dials = config.dial !== null;
    await this.#add(line);
    try {
      if (line.owner === null) await this.#lives.begin(line);
      else await this.#open(line, takeover);
      if (config.kind === "slip") this.#tools.interfaces.configure(line.index, config, true);
    } catch (error) {
      await this.discard(line);
      throw error;
    }
    if (dials) this.#lives.callWhenWanted(line);
    else this.#log.info({ line: name, device: config.device }, "line open");
    if (config.kind === "device") await this.#membership.join(line);
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
      this.#troubles.attempt(line, () => this.#tools.interfaces.addRoutes(line.index, line.config));
    }
  }

  /** A person wants a line up or down, now; null: as without a person. */
  ask(line: Line, wanted: boolean | null): void {
    this.#lives.ask(line, wanted);
  }

  /** Ends a PPP link properly, or, when the peer does not answer, not. The line is not opened again. */
  async hangUp(line: Line, reason: string): Promise<void> {
    await this.#lives.end(line);
    const { ppp } = line.config;
    if (ppp === null) return;
    const { state, ppp: present } = await this.#membership.figures(line);
    if (state === "closed") return;
    // A peer with which nothing was agreed on is told, but not waited for.
    const isEstablished = present?.phase !== "establish" && present?.phase !== "dead";
    const { restartMs, maxTerminate } = ppp.lcp;
    const limitMs = isEstablished ? Math.min(MOST_FAREWELL_MS, restartMs * (maxTerminate + 1)) : 0;
    const closed = line.untilClosed(limitMs);
    await this.#tools.ppp.hangUp(line, reason);
    await closed;
  }

  /** Removes a line and its interface. One that is removed already is left alone: its name may be another line's. */
  async discard(line: Line): Promise<void> {
    const { name } = line;
    if (this.lines.get(name) !== line) return;
    this.lines.delete(name);
    await this.#lives.end(line);
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
      tunnel: null,
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

  /** @throws EqlError as {@link Membership.enslavePpp} */
  enslavePpp(line: Line, master: string, bps: number): Promise<void> {
    return this.#membership.enslavePpp(line, master, bps);
  }

  /** It is to be no slave of a master any more, neither now nor when it can be one again. */
  release(line: Line, master: string): void {
    this.#membership.release(line, master);
  }

  /** By its name, or by that of the kernel interface that it is. */
  lineOf(name: string): Line | undefined {
    const named = this.lines.get(name);
    if (named !== undefined) return named;
    return [...this.lines.values()].find(
      (line) => line.interface === name || (line.config.kind === "device" && line.config.device === name),
    );
  }

  handleEvent(event: LineEvent): void {
    if (this.#stopped) return;
    this.#troubles.attempt(null, () => this.#handle(event));
  }

  #handle(event: LineEvent): void {
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
        this.#membership.handleJoined(line, event.master);
        if (this.#tools.ppp.lineOf(event.master) !== undefined) {
          line.owner?.tell({ event: "joined", interface: event.master });
        }
        break;
      case "addressed":
        this.#membership.takeRoutes(line);
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
        else this.#membership.forgetSilence(line);
        break;
      case "silent":
        line.note(event.silent ? "the peer does not answer" : "the peer answers again");
        this.#log.warn({ line: name }, line.reason);
        if (event.silent) this.#lives.handleSilence(line, line.reason);
        else this.#membership.joinSoon(line);
        break;
      case "gone":
        this.#handleGone(line);
        break;
      case "ppp":
        this.#tools.ppp.handleLink(line, event.event);
        this.#lives.handleLink(line, event.event);
        if (event.event.kind === "established") {
          const key = event.event.multilink ? event.event.bundleKey : null;
          this.#handleEstablished(line, key).catch((error: Error) => this.#troubles.warn(line, error));
        }
        break;
      case "network":
        this.#lives.handleNetwork(line, event.event);
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
    this.#membership.forgetSilence(line);
    line.closed();
    this.#log.warn({ line: line.name, device: line.config.device, reason }, "line closed");
    if (line.owner !== null) line.owner.handleClosed(line.ended ?? "hangup", reason);
    else this.#lives.handleClosed(line, reason);
    line.failure = null;
  }

  #handleMaster(name: string, up: boolean): void {
    const master = this.masters.get(name);
    this.#log.info({ master: name }, up ? "master up" : "master down");
    this.#lives.handleMaster(name, up);
    if (!up || master === undefined) return;
    this.#troubles.attempt(null, () => this.#tools.interfaces.addRoutes(master.index, master.config));
    for (const line of this.lines.values()) if (line.wants === name) this.#membership.joinSoon(line);
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
    if (key !== null) await this.#membership.join(line);
  }

  #handleNetwork(target: PppInterface, event: NetworkLineEvent): void {
    this.#tools.ppp
      .handleNetwork(target, event)
      .catch((error: Error) => this.#troubles.warn(target.line, error));
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
    this.#lives.handleMaster(name, false);
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
      this.#troubles.attempt(line ?? null, () => this.#tools.interfaces.followMtu(changed.index, was, mtu));
    }
    for (const other of this.lines.values()) {
      if (other === line || other.wants === name) this.#membership.joinSoon(other);
    }
  }

  #handleLeft(line: Line, event: Extract<LineEvent, { readonly type: "left" }>): void {
    const { index = 0 } = this.masters.get(event.master) ?? {};
    this.#membership.handleLeft(line, event, !this.#tools.interfaces.isUp(index));
    if (!event.silent && line.isPassing) this.#forgetPassing(line);
    // There is room for one more, or the bundle has ended that others could not join.
    for (const other of this.lines.values()) {
      const waits = other.wants === event.master && other.master === null && other.silentFrom === null;
      if (other !== line && waits) this.#membership.joinSoon(other);
    }
  }

  #handleLineUp(line: Line): void {
    this.#troubles.attempt(line, () => this.#tools.interfaces.addRoutes(line.index, line.config));
    if (line.wants === null) this.#membership.restore(line);
    this.#membership.joinSoon(line);
  }

  /** Leaves a kernel interface as it was found. */
  giveBack(line: Line): void {
    if (line.index === 0) return;
    line.master = null;
    this.#membership.restore(line);
    this.#troubles.attempt(line, () => this.#tools.interfaces.removeRoutes(line.index, line.config));
  }

  #forgetPassing(line: Line): void {
    this.#membership.restore(line);
    this.lines.delete(line.name);
    this.#tools.engine
      .request("removeLine", { name: line.name })
      .catch((error: Error) => this.#troubles.warn(line, error));
  }

  #handleGone(line: Line): void {
    line.note("its interface is gone");
    this.#log.warn({ line: line.name, device: line.config.device }, line.reason);
    this.#tools.interfaces.forget(line.index);
    line.index = 0;
    if (line.config.kind === "device") {
      this.#lives.handleClosed(line, line.reason);
      return;
    }
    this.lines.delete(line.name);
    this.#lives.end(line).catch((error: Error) => this.#troubles.warn(line, error));
    line.closed();
    line.owner?.handleClosed(line.ended ?? "hangup", line.reason);
  }
}
