import { randomBytes } from "node:crypto";
import { EqlError } from "../../errors.ts";
import type { LinkId } from "../../link/link.ts";
import { type Instant, instant, NEVER } from "../../time.ts";
import { monotonicNow } from "../clock.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, Epoll, Wakeup } from "../epoll.ts";
import { Netlink } from "../netlink.ts";
import { NetlinkMonitor } from "../netlink-monitor.ts";
import type { Interface } from "../netlink-objects.ts";
import { Capture } from "./capture.ts";
import { DevicePort } from "./device-port.ts";
import { LinePort } from "./line-port.ts";
import { MasterPort } from "./master-port.ts";
import type { EngineEvent, EngineOperation, EngineOperations, LineSettings } from "./messages.ts";
import type { PortEvents, SlavePort } from "./slave-port.ts";

/**
 * The data plane: one thread, one loop.
 *
 * 1. wait until a descriptor is ready or the earliest deadline has come
 * 2. let ports take what is there: packets of interfaces into bundles, octets of lines through links to interfaces
 * 3. poll each bundle that is due, and write its links' outboxes
 *
 * Requests of the control plane are handled between turns; what happens is told to it by `emit`.
 */

type Port = LinePort | DevicePort;
type Handler = (events: number, now: Instant) => void;
type Handlers = {
  readonly [O in EngineOperation]: (
    request: EngineOperations[O]["request"],
    now: Instant,
  ) => EngineOperations[O]["reply"];
};

/** The driver of 1995 said ENODEV, EINVAL, ENOSPC; these say it in words. */
const unknownMaster = (name: string): EqlError =>
  new EqlError("MASTER_UNKNOWN", `There is no master ${name}: \`eql status\` lists those that are there`, {
    details: { master: name },
  });

/** In the words of the driver of 1995. */
const unequal = (master: number, slave: number): string =>
  `master (${master}) and slave (${slave}) MTU settings do not match`;

export class Engine implements PortEvents {
  readonly #epoll = new Epoll();
  readonly #netlink = new Netlink();
  readonly #monitor = new NetlinkMonitor();
  readonly #masters = new Map<string, MasterPort>();
  readonly #ports = new Map<string, Port>();
  readonly #captures = new Map<string, { capture: Capture; port: Port }>();
  readonly #handlers = new Map<number, Handler>();
  readonly #tokens = new Map<number, number>();
  readonly #emit: (event: EngineEvent) => void;
  #nextToken = 1;
  #nextId = 1;
  #running = true;

  constructor(emit: (event: EngineEvent) => void) {
    this.#emit = emit;
    this.#watch(this.#monitor.fd, (_events, now) => this.#handleNetlink(now));
  }

  /** Runs until `stop`. @param onWakeup called when the control plane rings */
  run(wakeup: Wakeup, onWakeup: () => void): void {
    this.#watch(wakeup.fd, () => {
      wakeup.clear();
      onWakeup();
    });
    while (this.#running) this.#turn();
  }

  handle<O extends EngineOperation>(
    operation: O,
    request: EngineOperations[O]["request"],
  ): EngineOperations[O]["reply"] {
    return this.#operations[operation](request, monotonicNow());
  }

  failed(port: SlavePort, reason: string): void {
    // A port in the middle of its own work: put off until that is done.
    this.#failures.push({ port: port as Port, reason });
  }

  echoReply(octets: Uint8Array, length: number, now: Instant): boolean {
    for (const port of this.#ports.values()) {
      if (!(port instanceof LinePort) || port.echo === null) continue;
      const wasSilent = port.echo.silent;
      if (!port.echo.handlePacket(octets, 0, length, now)) continue;
      if (wasSilent) this.#emit({ type: "silent", line: port.name, silent: false });
      return true;
    }
    return false;
  }

  interest(port: SlavePort, writable: boolean): void {
    const { fd } = port as LinePort;
    const token = this.#tokens.get(fd);
    if (token !== undefined) this.#epoll.modify(fd, token, EPOLLIN | (writable ? EPOLLOUT : 0));
  }

  readonly #failures: { port: Port; reason: string }[] = [];

  #turn(): void {
    const before = monotonicNow();
    const count = this.#epoll.waitUntil(this.#deadline(), before);
    const now = monotonicNow();
    for (let i = 0; i < count; i++) {
      this.#handlers.get(this.#epoll.token(i))?.(this.#epoll.events(i), now);
    }
    this.#pollDue(now);
    while (this.#failures.length > 0) {
      const failure = this.#failures.shift() as { port: Port; reason: string };
      this.#closeFailed(failure.port, failure.reason, now);
    }
  }

  #deadline(): Instant {
    if (this.#failures.length > 0) return instant(0);
    let at: number = NEVER;
    for (const master of this.#masters.values()) at = Math.min(at, master.pollAt);
    for (const port of this.#ports.values()) {
      at = Math.min(at, port.pollAt);
      if (port instanceof LinePort) at = Math.min(at, port.echoAt);
    }
    return instant(at);
  }

  #pollDue(now: Instant): void {
    for (const port of this.#ports.values()) {
      if (!(port instanceof LinePort)) continue;
      if (port.echoAt <= now && port.handleEchoTime(now)) this.#becameSilent(port, now);
      port.updateEstimate(now);
    }
    for (const master of this.#masters.values()) if (master.pollAt <= now) master.poll(now);
    for (const port of this.#ports.values()) if (port.pollAt <= now) port.poll(now);
  }

  #becameSilent(port: Port, now: Instant): void {
    this.#emit({ type: "silent", line: port.name, silent: true });
    if (port.master !== null) this.#free(port, true, "the peer does not answer", now);
  }

  readonly #operations: Handlers = {
    addMaster: (settings) => {
      this.#checkNew(settings.name);
      const master = new MasterPort(settings, this.#netlink, random32());
      this.#masters.set(master.name, master);
      this.#watch(master.tun.fd, (_events, now) => master.handleReadable(now));
      return { index: master.tun.index };
    },
    removeMaster: ({ name }, now) => {
      this.#removeMaster(this.#master(name), now);
      return null;
    },
    addLine: (settings) => this.#addLine(settings),
    removeLine: ({ name }, now) => {
      this.#removePort(this.#port(name), now);
      return null;
    },
    openLine: ({ name }, now) => {
      const port = this.#port(name);
      if (!port.isOpen) {
        port.open(now);
        if (port instanceof LinePort) this.#watchLine(port);
        port.place(null, true, now);
      }
      return { index: port.index };
    },
    enslave: ({ master, slave, bps }, now) => this.#enslave(this.#master(master), slave, bps, now),
    emancipate: ({ master, slave }, now) => {
      this.#free(this.#slaveOf(this.#master(master), slave), true, "emancipated", now);
      return null;
    },
    changeMaster: ({ name, maxSlaves, minSlaves, scheduler }, now) => {
      const master = this.#master(name);
      if (maxSlaves !== null) master.maxSlaves = maxSlaves;
      if (minSlaves !== null) master.minSlaves = minSlaves;
      if (scheduler !== null) master.scheduler = scheduler;
      master.pollAt = now;
      return null;
    },
    changeSlave: ({ master, slave, bps }, now) => {
      const port = this.#slaveOf(this.#master(master), slave);
      if (bps !== null) port.member.pacer.setGiven(bps, now);
      return null;
    },
    status: (_request, now) => ({
      masters: [...this.#masters.values()].map((master) => master.status()),
      lines: [...this.#ports.values()].map((port) => port.status(now)),
    }),
    startCapture: ({ link, pipe }) => {
      const port = this.#port(link);
      if (port.link.tap !== null) {
        throw new EqlError("CONTROL_REFUSED", `${link} is being captured already; one capture at a time`);
      }
      const capture = new Capture(pipe);
      this.#captures.set(pipe, { capture, port });
      port.link.tap = capture;
      return null;
    },
    stopCapture: ({ pipe }) => {
      this.#endCapture(pipe);
      return null;
    },
    stop: (_request, now) => {
      for (const port of this.#ports.values()) {
        port.place(null, true, now);
        this.#shut(port, true, now);
        if (port instanceof LinePort) port.tun.close();
      }
      for (const master of this.#masters.values()) master.tun.close();
      for (const pipe of this.#captures.keys()) this.#endCapture(pipe);
      this.#monitor.close();
      this.#netlink.close();
      this.#running = false;
      return null;
    },
  };

  #removeMaster(master: MasterPort, now: Instant): void {
    const { name, tun } = master;
    for (const slave of master.slaves.slice()) this.#free(slave as Port, true, `${name} was removed`, now);
    this.#unwatch(tun.fd);
    tun.close();
    this.#masters.delete(name);
  }

  #removePort(port: Port, now: Instant): void {
    this.#free(port, true, `${port.name} was removed`, now);
    this.#shut(port, true, now);
    if (port instanceof LinePort) {
      this.#unwatch(port.tun.fd);
      port.tun.close();
    }
    for (const [pipe, entry] of this.#captures) if (entry.port === port) this.#endCapture(pipe);
    this.#ports.delete(port.name);
  }

  #watchLine(port: LinePort): void {
    this.#watch(port.fd, (events, now) => {
      if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) port.handleReadable(now);
      if (events & EPOLLOUT && port.isOpen) port.handleWritable(now);
      if (events & EPOLLHUP) this.failed(port, "hung up");
    });
  }

  #addLine(settings: LineSettings): null {
    this.#checkNew(settings.name);
    const id = this.#nextId++ as LinkId;
    if (settings.kind === "device") {
      if (this.#ownInterface(settings.device)) {
        throw new EqlError("SLAVE_UNSUITABLE", `${settings.device} is one of EQL's own interfaces`, {
          details: { interface: settings.device },
        });
      }
      const port = new DevicePort(settings, id, this.#netlink, this, random32());
      this.#ports.set(port.name, port);
      return null;
    }
    const port = new LinePort(settings, id, this.#netlink, this, random32());
    this.#ports.set(port.name, port);
    this.#watch(port.tun.fd, (_events, now) => port.handleTunReadable(now));
    return null;
  }

  #enslave(master: MasterPort, name: string, bps: number, now: Instant): null {
    const details = { master: master.name, slave: name };
    if (this.#masters.has(name)) {
      throw new EqlError("SLAVE_UNSUITABLE", `${name} is a master itself and cannot be a slave`, { details });
    }
    const port = this.#port(name);
    if (!master.tun.up) {
      throw new EqlError(
        "MASTER_DOWN",
        `${master.name} is down: bring it up first (\`ip link set ${master.name} up\`)`,
        { details },
      );
    }
    if (port.master !== null && port.master !== master) {
      throw new EqlError(
        "SLAVE_UNSUITABLE",
        `${name} is a slave of ${port.master.name} already: free it first (\`eql emancipate ${port.master.name} ${name}\`)`,
        { details },
      );
    }
    if (!port.isOpen || !port.up) {
      const cure = port.isOpen ? `bring it up first (\`ip link set ${name} up\`)` : "its device is not open";
      throw new EqlError("SLAVE_UNSUITABLE", `${name} is down: ${cure}`, { details });
    }
    if (port.mtu !== master.tun.mtu) {
      throw new EqlError("MTU_MISMATCH", unequal(master.tun.mtu, port.mtu), {
        details,
      });
    }
    if (port.master === null && master.slaves.length >= master.maxSlaves) {
      throw new EqlError(
        "SLAVES_FULL",
        `${master.name} has ${master.slaves.length} slaves, as many as it may: raise that with \`eql master ${master.name} --max ${master.slaves.length + 1}\``,
        { details },
      );
    }
    port.member.pacer.setGiven(bps, now);
    if (port instanceof LinePort && port.isSilent) port.forgiveSilence(now);
    // The same slave again replaces the old entry: it is the youngest then.
    port.place(master, true, now);
    this.#emit({ type: "joined", line: name, master: master.name });
    return null;
  }

  #free(port: Port, alive: boolean, reason: string, now: Instant): void {
    const { master } = port;
    if (master === null) return;
    port.place(null, alive, now);
    this.#emit({ type: "left", line: port.name, master: master.name, reason });
  }

  #closeFailed(port: Port, reason: string, now: Instant): void {
    if (!port.isOpen) return;
    this.#free(port, false, reason, now);
    this.#shut(port, false, now);
    this.#emit({ type: "closed", line: port.name, reason });
  }

  /** Closes a port's device. */
  #shut(port: Port, alive: boolean, now: Instant): void {
    if (!port.isOpen) return;
    if (port instanceof LinePort) this.#unwatch(port.fd);
    const { solo } = port;
    if (solo.members.length > 0) solo.leave(port.member, alive, now);
    port.close();
    port.place(null, false, now);
  }

  #handleNetlink(now: Instant): void {
    this.#monitor.read((event) => {
      if (event.type === "link" && event.removed) this.#handleRemoved(event.interface.index, now);
      else if (event.type === "link") this.#handleInterface(event.interface, now);
      else if (event.type === "overrun") this.#handleOverrun(this.#netlink.interfaces(), now);
    });
  }

  /** What happened is not known, only what is. */
  #handleOverrun(known: readonly Interface[], now: Instant): void {
    for (const found of known) this.#handleInterface(found, now);
    const there = new Set(known.map(({ index }) => index));
    const ours = [...this.#masters.values()].map(({ tun }) => tun.index);
    for (const index of [...ours, ...[...this.#ports.values()].map((port) => port.index)]) {
      if (index > 0 && !there.has(index)) this.#handleRemoved(index, now);
    }
  }

  #handleInterface(changed: Interface, now: Instant): void {
    for (const master of this.#masters.values()) {
      if (master.tun.index === changed.index) this.#handleMasterInterface(master, changed, now);
    }
    for (const port of this.#ports.values()) {
      if (port.index === changed.index) this.#handlePortInterface(port, changed, now);
    }
  }

  /** A deleted interface of ours takes its master or line with it: its descriptor is good for nothing any more. */
  #handleRemoved(index: number, now: Instant): void {
    for (const master of this.#masters.values()) {
      if (master.tun.index !== index) continue;
      this.#removeMaster(master, now);
      this.#emit({ type: "masterGone", master: master.name });
    }
    for (const port of this.#ports.values()) {
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
      master.tun.setMtu(changed.mtu);
      master.bundle.mtu = changed.mtu;
      for (const slave of master.slaves.slice()) {
        if (slave.mtu !== changed.mtu) this.#free(slave as Port, true, unequal(changed.mtu, slave.mtu), now);
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
      if (port.master !== null) this.#free(port, true, unequal(port.master.tun.mtu, changed.mtu), now);
      port.setMtu(changed.mtu);
      this.#emit({ type: "mtu", name: port.name, was, mtu: changed.mtu });
    }
    if (changed.up === port.up) return;
    if (!changed.up) this.#free(port, true, `${port.name} is down`, now);
    if (port instanceof DevicePort) port.up = changed.up;
    else port.tun.up = changed.up;
    port.place(port.master, true, now);
    if (changed.up && port instanceof LinePort && port.isOpen) port.echo?.handleUp(now);
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

  #watch(fd: number, handler: Handler): void {
    const token = this.#nextToken++;
    this.#handlers.set(token, handler);
    this.#tokens.set(fd, token);
    this.#epoll.add(fd, token, EPOLLIN);
  }

  #unwatch(fd: number): void {
    const token = this.#tokens.get(fd);
    if (token === undefined) return;
    this.#epoll.remove(fd);
    this.#tokens.delete(fd);
    this.#handlers.delete(token);
  }

  #master(name: string): MasterPort {
    const master = this.#masters.get(name);
    if (master === undefined) throw unknownMaster(name);
    return master;
  }

  #port(name: string): Port {
    const port = this.#ports.get(name);
    if (port === undefined) {
      throw new EqlError(
        "LINE_UNKNOWN",
        `There is no line ${name}: \`eql status\` lists those that are there`,
        {
          details: { line: name },
        },
      );
    }
    return port;
  }

  #slaveOf(master: MasterPort, name: string): Port {
    const port = this.#ports.get(name);
    if (port?.master === master) return port;
    throw new EqlError("SLAVE_UNKNOWN", `${name} is not a slave of ${master.name}`, {
      details: { master: master.name, slave: name },
    });
  }

  #checkNew(name: string): void {
    if (!this.#masters.has(name) && !this.#ports.has(name)) return;
    throw new EqlError(
      "LINE_EXISTS",
      `There is a ${this.#ports.has(name) ? "line" : "master"} ${name} already`,
      {
        details: { line: name },
      },
    );
  }

  #ownInterface(name: string): boolean {
    if (this.#masters.has(name)) return true;
    return this.#ports.get(name) instanceof LinePort;
  }
}

const random32 = (): number => randomBytes(4).readUInt32LE(0);
