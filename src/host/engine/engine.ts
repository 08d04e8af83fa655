import { randomBytes } from "node:crypto";
import { EqlError } from "../../errors.ts";
import type { LinkId } from "../../link/link.ts";
import { type Instant, instant } from "../../time.ts";
import { monotonicNow } from "../clock.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, type Wakeup } from "../epoll.ts";
import { Netlink } from "../netlink.ts";
import { NetlinkMonitor } from "../netlink-monitor.ts";
import type { Interface } from "../netlink-objects.ts";
import { Capture } from "./capture.ts";
import { DevicePort } from "./device-port.ts";
import { type MasterEvents, MasterPort } from "./master-port.ts";
import type {
  EngineEvent,
  EngineOperation,
  EngineOperations,
  InterfaceLoad,
  LineSettings,
  NetworkLineEvent,
  PppLineEvent,
} from "./messages.ts";
import { PppPort } from "./ppp-port.ts";
import { type Port, Registry, unequalMtu } from "./registry.ts";
import type { PortEvents, SlavePort } from "./slave-port.ts";
import { SlipPort } from "./slip-port.ts";
import { Talks } from "./talks.ts";
import { TtyPort } from "./tty-port.ts";
import { Watcher } from "./watcher.ts";

/**
 * The data plane: one thread, one loop.
 *
 * 1. wait until a descriptor is ready or the earliest deadline has come
 * 2. let ports take what is there: packets of interfaces into bundles, octets of lines through links to interfaces
 * 3. poll each bundle that is due, and write its links' outboxes
 *
 * Requests of the control plane are handled between turns; what happens is told to it by `emit`.
 */

type Handlers = {
  readonly [O in EngineOperation]: (
    request: EngineOperations[O]["request"],
    now: Instant,
  ) => EngineOperations[O]["reply"];
};

export class Engine implements PortEvents, MasterEvents {
  readonly #watcher = new Watcher();
  readonly #netlink = new Netlink();
  readonly #monitor = new NetlinkMonitor();
  readonly #registry = new Registry();
  readonly #talks: Talks;
  readonly #captures = new Map<string, { capture: Capture; port: Port }>();
  readonly #failures: { port: Port; reason: string }[] = [];
  readonly #emit: (event: EngineEvent) => void;
  #nextId = 1;
  #running = true;

  constructor(emit: (event: EngineEvent) => void) {
    this.#emit = emit;
    this.#talks = new Talks(this.#watcher, emit);
    this.#watcher.watch(this.#monitor.fd, (_events, now) => this.#handleNetlink(now));
  }

  /** Runs until `stop`. @param onWakeup called when the control plane rings */
  run(wakeup: Wakeup, onWakeup: () => void): void {
    this.#watcher.watch(wakeup.fd, () => {
      wakeup.clear();
      onWakeup();
    });
    while (this.#running) this.#turn();
  }

  handle<O extends EngineOperation>(
    operation: O,
    request: EngineOperations[O]["request"],
  ): EngineOperations[O]["reply"] {
    const now = monotonicNow();
    // What was done to interfaces before the request was made has happened before it.
    this.#handleNetlink(now);
    return this.#operations[operation](request, now);
  }

  failed(port: SlavePort, reason: string): void {
    // A port in the middle of its own work: put off until that is done.
    this.#failures.push({ port: port as Port, reason });
  }

  echoReply(octets: Uint8Array, length: number, now: Instant): boolean {
    for (const port of this.#registry.ports.values()) {
      if (!(port instanceof SlipPort) || port.echo === null) continue;
      const wasSilent = port.echo.silent;
      if (!port.echo.handlePacket(octets, 0, length, now)) continue;
      if (wasSilent) this.#emit({ type: "silent", line: port.name, silent: false });
      return true;
    }
    return false;
  }

  silent(port: SlavePort, now: Instant): void {
    this.#emit({ type: "silent", line: port.name, silent: true });
    this.#free(port as Port, true, "the peer does not answer", now, true);
  }

  ppp(port: SlavePort, event: PppLineEvent): void {
    this.#emit({ type: "ppp", line: port.name, event });
  }

  masterNetwork(master: MasterPort, event: NetworkLineEvent): void {
    this.#emit({ type: "masterNetwork", master: master.name, event });
  }

  network(port: SlavePort, event: NetworkLineEvent): void {
    this.#emit({ type: "network", line: port.name, event });
  }

  unsettled(port: SlavePort, reason: string, now: Instant): void {
    this.#free(port as Port, true, reason, now);
  }

  interest(port: SlavePort, writable: boolean): void {
    this.#watcher.setWritable((port as TtyPort).fd, writable);
  }

  #turn(): void {
    try {
      const now = this.#watcher.turn(this.#deadline());
      this.#pollDue(now);
      while (this.#failures.length > 0) {
        const failure = this.#failures.shift() as { port: Port; reason: string };
        this.#close(failure.port, false, failure.reason, now);
      }
    } catch (error) {
      this.#survive(error);
    }
  }

  /** What the system refuses to one line or interface is told, and the others are carried on. Anything else is a bug. */
  #survive(error: unknown): void {
    if (!(error instanceof EqlError)) throw error;
    this.#emit({ type: "trouble", code: error.code, message: error.message });
  }

  #deadline(): Instant {
    if (this.#failures.length > 0) return instant(0);
    let at: number = this.#talks.timeoutAt;
    for (const master of this.#registry.masters.values()) {
      at = Math.min(at, master.pollAt, master.timeoutAt);
    }
    for (const port of this.#registry.ports.values()) {
      at = Math.min(at, port.pollAt);
      if (port instanceof TtyPort) at = Math.min(at, port.timeoutAt);
    }
    return instant(at);
  }

  #pollDue(now: Instant): void {
    if (this.#talks.timeoutAt <= now) this.#talks.handleTimeout(now);
    for (const port of this.#registry.ports.values()) {
      if (!(port instanceof TtyPort)) continue;
      if (port.timeoutAt <= now) port.handleTimeout(now);
      port.updateEstimate(now);
    }
    for (const master of this.#registry.masters.values()) {
      if (master.timeoutAt <= now) master.handleTimeout(now);
      if (master.pollAt <= now) master.poll(now);
    }
    for (const port of this.#registry.ports.values()) if (port.pollAt <= now) port.poll(now);
  }

  readonly #operations: Handlers = {
    addMaster: (settings) => {
      this.#registry.checkNew(settings.name);
      const master = new MasterPort(settings, this.#netlink, this, random32());
      // The kernel's word about its making is no news of it.
      this.#handleNetlink(monotonicNow());
      this.#registry.masters.set(master.name, master);
      this.#watcher.watch(master.tun.fd, (_events, now) => master.handleReadable(now));
      return { index: master.tun.index };
    },
    removeMaster: ({ name }, now) => {
      this.#removeMaster(this.#registry.master(name), now);
      return null;
    },
    addLine: (settings) => this.#addLine(settings),
    removeLine: ({ name }, now) => {
      this.#removePort(this.#registry.port(name), now);
      return null;
    },
    openLine: ({ name, multilink, talk }, now) => {
      const port = this.#registry.port(name);
      if (!port.isOpen) {
        const takeover = talk && { ...talk, held: this.#talks.take(talk.talk) };
        if (port instanceof TtyPort) port.open(now, multilink, takeover);
        else port.open(now);
        if (port instanceof TtyPort) this.#watchLine(port);
        port.place(null, true, now);
        if (port instanceof TtyPort && talk !== null) port.handleEarly(now);
      }
      return { index: port.index };
    },
    openTalk: (settings) => this.#talks.open(settings),
    say: ({ talk, octets }, now) => {
      this.#talks.say(talk, octets, now);
      return null;
    },
    holdTalk: ({ talk, hold }) => {
      this.#talks.hold(talk, hold);
      return null;
    },
    closeTalk: ({ talk }) => {
      this.#talks.close(talk);
      return null;
    },
    enslave: ({ master, slave, bps }, now) => this.#enslave(this.#registry.master(master), slave, bps, now),
    closeLine: ({ name, reason }, now) => {
      this.#close(this.#registry.port(name), true, reason, now);
      return null;
    },
    hangUpLine: ({ name, reason }, now) => {
      const port = this.#registry.port(name);
      if (port instanceof PppPort && port.isOpen) port.hangUp(reason, now);
      return null;
    },
    verdict: ({ line, id, verdict }, now) => {
      const port = this.#registry.port(line);
      if (port instanceof PppPort) port.handleVerdict(id, verdict, now);
      return null;
    },
    emancipate: ({ master, slave }, now) => {
      this.#free(this.#registry.slaveOf(this.#registry.master(master), slave), true, "emancipated", now);
      return null;
    },
    changeMaster: ({ name, maxSlaves, minSlaves, scheduler }, now) => {
      const master = this.#registry.master(name);
      if (maxSlaves !== null) master.maxSlaves = maxSlaves;
      if (minSlaves !== null) master.minSlaves = minSlaves;
      if (scheduler !== null) master.scheduler = scheduler;
      master.pollAt = now;
      return null;
    },
    changeSlave: ({ master, slave, bps }, now) => {
      const port = this.#registry.slaveOf(this.#registry.master(master), slave);
      if (bps !== null) port.member.pacer.setGiven(bps, now);
      return null;
    },
    status: (_request, now) => ({
      masters: [...this.#registry.masters.values()].map((master) => master.status()),
      lines: [...this.#registry.ports.values()].map((port) => port.status(now)),
    }),
    load: () => {
      const load: Record<string, InterfaceLoad> = {};
      for (const { name, bundle, tun } of this.#registry.masters.values()) {
        load[name] = { queuedOctets: bundle.queue.octets, passedOctets: tun.passedOctets };
      }
      for (const port of this.#registry.ports.values()) {
        if (!(port instanceof TtyPort)) continue;
        load[port.name] = { queuedOctets: port.solo.queue.octets, passedOctets: port.tun.passedOctets };
      }
      return load;
    },
    startCapture: ({ link, pipe }) => {
      const port = this.#registry.port(link);
      if (port.link.tap !== null) {
        throw new EqlError("CONTROL_REFUSED", `${link} is being captured already; one capture at a time`);
      }
      const capture = new Capture(pipe, port instanceof PppPort);
      this.#captures.set(pipe, { capture, port });
      port.link.tap = capture;
      return null;
    },
    stopCapture: ({ pipe }) => {
      this.#endCapture(pipe);
      return null;
    },
    stop: (_request, now) => {
      this.#running = false;
      for (const port of this.#registry.ports.values()) {
        try {
          port.place(null, true, now);
          this.#shut(port, true, now);
        } catch (error) {
          this.#survive(error);
        }
        if (port instanceof TtyPort) port.tun.close();
      }
      for (const master of this.#registry.masters.values()) master.tun.close();
      for (const pipe of this.#captures.keys()) this.#endCapture(pipe);
      this.#talks.closeAll();
      this.#monitor.close();
      this.#netlink.close();
      return null;
    },
  };

  #removeMaster(master: MasterPort, now: Instant): void {
    const { name, tun } = master;
    for (const slave of master.slaves.slice()) this.#free(slave as Port, true, `${name} was removed`, now);
    this.#watcher.unwatch(tun.fd);
    tun.close();
    this.#registry.masters.delete(name);
  }

  #removePort(port: Port, now: Instant): void {
    this.#free(port, true, `${port.name} was removed`, now);
    this.#shut(port, true, now);
    if (port instanceof TtyPort) {
      this.#watcher.unwatch(port.tun.fd);
      port.tun.close();
    }
    for (const [pipe, entry] of this.#captures) if (entry.port === port) this.#endCapture(pipe);
    this.#registry.ports.delete(port.name);
  }

  #watchLine(port: TtyPort): void {
    this.#watcher.watch(port.fd, (events, now) => {
      if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) port.handleReadable(now);
      if (events & EPOLLOUT && port.isOpen) port.handleWritable(now);
      if (events & EPOLLHUP) this.failed(port, "hung up");
    });
  }

  #addLine(settings: LineSettings): { readonly index: number } {
    this.#registry.checkNew(settings.name);
    const id = this.#nextId++ as LinkId;
    if (settings.kind === "device") {
      this.#registry.checkForeign(settings.device);
      const port = new DevicePort(settings, id, this.#netlink, this, random32());
      this.#registry.ports.set(port.name, port);
      return { index: 0 };
    }
    const Kind = settings.kind === "ppp" ? PppPort : SlipPort;
    const port = new Kind(settings, id, this.#netlink, this, random32());
    this.#handleNetlink(monotonicNow());
    this.#registry.ports.set(port.name, port);
    this.#watcher.watch(port.tun.fd, (_events, now) => port.handleTunReadable(now));
    return { index: port.index };
  }

  #enslave(master: MasterPort, name: string, bps: number, now: Instant): null {
    const port = this.#registry.candidate(master, name);
    port.member.pacer.setGiven(bps, now);
    if (port instanceof SlipPort && port.isSilent) port.forgiveSilence(now);
    // Numbers of a bundle go on.
    if (isLink(port)) return null;
    // The same slave again replaces the old entry: it is the youngest then.
    port.place(master, true, now);
    this.#emit({ type: "joined", line: name, master: master.name });
    return null;
  }

  #free(port: Port, alive: boolean, reason: string, now: Instant, silent = false): void {
    const { master } = port;
    if (master === null) return;
    const wasLink = isLink(port);
    port.place(null, alive, now);
    this.#emit({ type: "left", line: port.name, master: master.name, reason, silent });
    // The peer would go on to send parts of packets by it.
    if (wasLink && alive && port.session.phase === "network") port.hangUp(reason, now);
  }

  #close(port: Port, alive: boolean, reason: string, now: Instant): void {
    if (!port.isOpen) return;
    this.#free(port, alive, reason, now);
    try {
      this.#shut(port, alive, now);
    } finally {
      this.#emit({ type: "closed", line: port.name, reason });
    }
  }

  /** Closes a port's device. */
  #shut(port: Port, alive: boolean, now: Instant): void {
    if (!port.isOpen) return;
    if (port instanceof TtyPort) this.#watcher.unwatch(port.fd);
    const { solo } = port;
    if (solo.members.length > 0) solo.leave(port.member, alive, now);
    try {
      port.close(now);
    } finally {
      port.place(null, false, now);
    }
  }

  #handleNetlink(now: Instant): void {
    this.#monitor.read((event) => {
      if (event.type === "link" && event.removed) this.#handleRemoved(event.interface.index, now);
      else if (event.type === "link") this.#handleInterface(event.interface, now);
      else if (event.type === "overrun") this.#handleOverrun(this.#netlink.interfaces(), now);
      else if (!event.removed) this.#handleAddress(event.address.index);
    });
  }

  /** What happened is not known, only what is. */
  #handleOverrun(known: readonly Interface[], now: Instant): void {
    for (const found of known) this.#handleInterface(found, now);
    const there = new Set(known.map(({ index }) => index));
    const ours = [...this.#registry.masters.values()].map(({ tun }) => tun.index);
    for (const index of [...ours, ...[...this.#registry.ports.values()].map((port) => port.index)]) {
      if (index > 0 && !there.has(index)) this.#handleRemoved(index, now);
    }
  }

  /** A slave that gets an address gets a route to its peer with it. */
  #handleAddress(index: number): void {
    for (const port of this.#registry.ports.values()) {
      if (port.index === index && port.master !== null) this.#emit({ type: "addressed", line: port.name });
    }
  }

  #handleInterface(changed: Interface, now: Instant): void {
    for (const master of this.#registry.masters.values()) {
      if (master.tun.index === changed.index) this.#handleMasterInterface(master, changed, now);
    }
    for (const port of this.#registry.ports.values()) {
      if (port.index === changed.index) this.#handlePortInterface(port, changed, now);
    }
  }

  /** A deleted interface of ours takes its master or line with it: its descriptor is good for nothing any more. */
  #handleRemoved(index: number, now: Instant): void {
    for (const master of this.#registry.masters.values()) {
      if (master.tun.index !== index) continue;
      this.#removeMaster(master, now);
      this.#emit({ type: "masterGone", master: master.name });
    }
    for (const port of this.#registry.ports.values()) {
      if (port.index !== index) continue;
      if (port instanceof DevicePort) {
        this.#free(port, false, "its interface is gone", now);
        this.#shut(port, false, now);
      } else this.#removePort(port, now);
      this.#emit({ type: "gone", line: port.name });
    }
  }

  #handleMasterInterface(master: MasterPort, changed: Interface, now: Instant): void {
    if (changed.mtu !== master.tun.mtu) {
      const was = master.tun.mtu;
      master.setMtu(changed.mtu);
      for (const slave of master.slaves.slice()) {
        // Links of a numbered bundle carry packets of any length, in parts.
        if (master.ppp === null && slave.mtu !== changed.mtu)
          this.#free(slave as Port, true, unequalMtu(changed.mtu, slave.mtu), now);
      }
      this.#emit({ type: "mtu", name: master.name, was, mtu: changed.mtu });
    }
    if (changed.up === master.tun.up) return;
    master.tun.up = changed.up;
    if (!changed.up) {
      for (const slave of master.slaves.slice())
        this.#free(slave as Port, true, `${master.name} is down`, now);
    }
    this.#emit({ type: "master", master: master.name, up: changed.up });
  }

  #handlePortInterface(port: Port, changed: Interface, now: Instant): void {
    if (changed.mtu !== port.mtu) {
      const was = port.mtu;
      if (port.master !== null && !isLink(port))
        this.#free(port, true, unequalMtu(port.master.tun.mtu, changed.mtu), now);
      port.setMtu(changed.mtu);
      this.#emit({ type: "mtu", name: port.name, was, mtu: changed.mtu });
    }
    if (changed.up === port.up) return;
    // A link of a numbered bundle carries nothing for its own interface.
    if (!changed.up && !isLink(port)) this.#free(port, true, `${port.name} is down`, now);
    if (port instanceof DevicePort) port.up = changed.up;
    else port.tun.up = changed.up;
    if (port.master === null) port.place(null, true, now);
    if (changed.up && port instanceof SlipPort) port.handleInterfaceUp(now);
    this.#emit({
      type: "line",
      line: port.name,
      up: changed.up,
      reason: changed.up ? "" : "its interface is down",
    });
  }

  #endCapture(pipe: string): void {
    const entry = this.#captures.get(pipe);
    if (entry === undefined) return;
    this.#captures.delete(pipe);
    entry.port.link.tap = null;
    entry.capture.close();
  }
}

/** Whether it is a link of a numbered bundle. */
const isLink = (port: Port): port is PppPort => port instanceof PppPort && port.bundle !== null;

const random32 = (): number => randomBytes(4).readUInt32LE(0);
