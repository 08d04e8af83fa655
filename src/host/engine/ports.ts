import { randomBytes } from "node:crypto";
import type { LinkId } from "../../link/link.ts";
import type { Instant } from "../../time.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from "../epoll.ts";
import type { Netlink } from "../netlink.ts";
import type { Captures } from "./captures.ts";
import { DevicePort } from "./device-port.ts";
import { type MasterEvents, MasterPort } from "./master-port.ts";
import type { EngineEvent, LineSettings, MasterSettings } from "./messages.ts";
import { PppPort } from "./ppp-port.ts";
import type { Port, Registry } from "./registry.ts";
import type { PortEvents } from "./slave-port.ts";
import { SlipPort } from "./slip-port.ts";
import { type Takeover, TtyPort } from "./tty-port.ts";
import type { Watcher } from "./watcher.ts";

/** What ports are kept with; all of it is the engine's. */
export interface PortsTools {
  readonly watcher: Watcher;
  readonly registry: Registry;
  readonly netlink: Netlink;
  readonly captures: Captures;
  readonly events: PortEvents & MasterEvents;
  emit(event: EngineEvent): void;
  /** Takes in what the kernel has told of interfaces so far. */
  settle(): void;
}

/** Makes, opens, enslaves, frees, closes and removes lines and masters. */
export class Ports {
  readonly #tools: PortsTools;
  #nextId = 1;

  constructor(tools: PortsTools) {
    this.#tools = tools;
  }

  addMaster(settings: MasterSettings): { readonly index: number } {
    const { watcher, registry, netlink, events } = this.#tools;
    registry.checkNew(settings.name);
    const master = new MasterPort(settings, netlink, events, random32());
    // The kernel's word about its making is no news of it.
    this.#tools.settle();
    registry.masters.set(master.name, master);
    watcher.watch(master.tun.fd, (_events, now) => master.handleReadable(now));
    return { index: master.tun.index };
  }

  /** Frees its slaves first. */
  removeMaster(master: MasterPort, now: Instant): void {
    const { name, tun } = master;
    for (const slave of master.slaves.slice()) this.free(slave as Port, true, `${name} was removed`, now);
    this.#tools.watcher.unwatch(tun.fd);
    tun.close();
    this.#tools.registry.masters.delete(name);
  }

  /** @throws EqlError LOCK_FAILED: all is gone but the lock file */
  remove(port: Port, now: Instant): void {
    this.free(port, true, `${port.name} was removed`, now);
    try {
      this.shut(port, true, now);
    } finally {
      if (port instanceof TtyPort) {
        this.#tools.watcher.unwatch(port.tun.fd);
        port.tun.close();
      }
      this.#tools.captures.stopOf(port);
      this.#tools.registry.ports.delete(port.name);
    }
  }

  /**
   * Opens a port's device, unless it is open.
   * @param takeover a tty that was talked on; null: it opens its own
   * @throws EqlError as HeldTty.open; INTERFACE_MISSING and its kin
   */
  open(port: Port, multilink: boolean, takeover: Takeover | null, now: Instant): void {
    if (port.isOpen) return;
    if (!(port instanceof TtyPort)) {
      port.open(now);
      port.place(null, true, now);
      return;
    }
    port.open(now, multilink, takeover);
    try {
      this.#watch(port);
    } catch (error) {
      // One that nobody looks at would be taken for open for ever.
      this.shut(port, false, now);
      throw error;
    }
    port.place(null, true, now);
    if (takeover !== null) port.handleEarly(now);
  }

  #watch(port: TtyPort): void {
    this.#tools.watcher.watch(port.fd, (events, now) => {
      if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) port.handleReadable(now);
      if (events & EPOLLOUT && port.isOpen) port.handleWritable(now);
      if (events & EPOLLHUP) this.#tools.events.failed(port, "hung up");
    });
  }

  /** A line that is closed. @returns the index of its interface; 0: a kernel interface, which has none before it is open */
  add(settings: LineSettings): { readonly index: number } {
    this.#tools.registry.checkNew(settings.name);
    const id = this.#nextId++ as LinkId;
    if (settings.kind === "device") {
      this.#tools.registry.checkForeign(settings.device);
      const port = new DevicePort(settings, id, this.#tools.netlink, this.#tools.events, random32());
      this.#tools.registry.ports.set(port.name, port);
      return { index: 0 };
    }
    const Kind = settings.kind === "ppp" ? PppPort : SlipPort;
    const port = new Kind(settings, id, this.#tools.netlink, this.#tools.events, random32());
    this.#tools.settle();
    this.#tools.registry.ports.set(port.name, port);
    this.#tools.watcher.watch(port.tun.fd, (_events, now) => port.handleTunReadable(now));
    return { index: port.index };
  }

  /** @throws EqlError as Registry.candidate */
  enslave(master: MasterPort, name: string, bps: number, now: Instant): void {
    const port = this.#tools.registry.candidate(master, name);
    port.member.pacer.setGiven(bps, now);
    if (port instanceof SlipPort && port.isSilent) port.forgiveSilence(now);
    // Numbers of a bundle go on.
    if (isLink(port)) return;
    // The same slave again replaces the old entry: it is the youngest then.
    port.place(master, true, now);
    this.#tools.emit({ type: "joined", line: name, master: master.name });
  }

  /** Takes a port out of its master, if it is in one. @param alive the line can still close an open frame */
  free(port: Port, alive: boolean, reason: string, now: Instant, silent = false): void {
    const { master } = port;
    if (master === null) return;
    const wasLink = isLink(port);
    port.place(null, alive, now);
    this.#tools.emit({ type: "left", line: port.name, master: master.name, reason, silent });
    // The peer would go on to send parts of packets by it.
    if (wasLink && alive && port.session.phase === "network") port.hangUp(reason, now);
  }

  /** Frees a port and closes its device, if it is open. */
  close(port: Port, alive: boolean, reason: string, now: Instant): void {
    if (!port.isOpen) return;
    this.free(port, alive, reason, now);
    try {
      this.shut(port, alive, now);
    } finally {
      this.#tools.emit({ type: "closed", line: port.name, reason });
    }
  }

  /** Closes a port's device. */
  shut(port: Port, alive: boolean, now: Instant): void {
    if (!port.isOpen) return;
    if (port instanceof TtyPort) this.#tools.watcher.unwatch(port.fd);
    const { solo } = port;
    if (solo.members.length > 0) solo.leave(port.member, alive, now);
    try {
      port.close(now);
    } finally {
      port.place(null, false, now);
    }
  }
}

/** Whether it is a link of a numbered bundle. */
export const isLink = (port: Port): port is PppPort => port instanceof PppPort && port.bundle !== null;

const random32 = (): number => randomBytes(4).readUInt32LE(0);
