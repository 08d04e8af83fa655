import { EqlError } from "../../errors.ts";
import { type Instant, instant } from "../../time.ts";
import { monotonicNow } from "../clock.ts";
import type { Wakeup } from "../epoll.ts";
import { Netlink } from "../netlink.ts";
import { Captures } from "./captures.ts";
import { InterfaceWatch } from "./interface-watch.ts";
import { type MasterEvents, MasterPort } from "./master-port.ts";
import type {
  EngineEvent,
  EngineOperation,
  EngineOperations,
  InterfaceLoad,
  NetworkLineEvent,
  PppLineEvent,
} from "./messages.ts";
import { Ports } from "./ports.ts";
import { PppPort } from "./ppp-port.ts";
import { type Port, Registry } from "./registry.ts";
import type { PortEvents, SlavePort } from "./slave-port.ts";
import { SlipPort } from "./slip-port.ts";
import { Talks } from "./talks.ts";
import { TtyPort } from "./tty-port.ts";
import { Tunnels } from "./tunnels.ts";
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
  readonly #registry = new Registry();
  readonly #talks: Talks;
  readonly #captures = new Captures();
  readonly #ports: Ports;
  readonly #interfaces: InterfaceWatch;
  readonly #tunnels = new Tunnels(this.#watcher, this.#netlink, (event) => this.#emit(event));
  readonly #failures: { port: Port; reason: string }[] = [];
  readonly #emit: (event: EngineEvent) => void;
  #running = true;

  constructor(emit: (event: EngineEvent) => void) {
    this.#emit = emit;
    this.#talks = new Talks(this.#watcher, emit);
    this.#ports = new Ports({
      watcher: this.#watcher,
      registry: this.#registry,
      netlink: this.#netlink,
      captures: this.#captures,
      events: this,
      emit,
      settle: () => this.#interfaces.handleReadable(monotonicNow()),
    });
    this.#interfaces = new InterfaceWatch(this.#netlink, this.#registry, this.#ports, this.#tunnels, emit);
    this.#watcher.watch(this.#interfaces.fd, (_events, now) => this.#interfaces.handleReadable(now));
  }

  /** False after `stop`: nothing may be asked any more. */
  get isRunning(): boolean {
    return this.#running;
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
    const now = this.#watcher.look();
    // What was done to interfaces before the request was made has happened before it.
    this.#interfaces.handleReadable(now);
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
    this.#ports.free(port as Port, true, "the peer does not answer", now, true);
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
    this.#ports.free(port as Port, true, reason, now);
  }

  interest(port: SlavePort, writable: boolean): void {
    this.#watcher.setWritable((port as TtyPort).fd, writable);
  }

  #turn(): void {
    try {
      const readUntil = this.#watcher.turn(this.#deadline());
      const { now } = this.#watcher;
      this.#pollDue(now, readUntil);
      while (this.#failures.length > 0) {
        const failure = this.#failures.shift() as { port: Port; reason: string };
        this.#ports.close(failure.port, false, failure.reason, now);
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
    let at: number = Math.min(this.#talks.timeoutAt, this.#tunnels.dueAt);
    for (const master of this.#registry.masters.values()) {
      at = Math.min(at, master.pollAt, master.timeoutAt);
    }
    for (const port of this.#registry.ports.values()) {
      at = Math.min(at, port.pollAt);
      if (port instanceof TtyPort) at = Math.min(at, port.timeoutAt);
    }
    return instant(at);
  }

  /** @param readUntil what had come by then was looked at */
  #pollDue(now: Instant, readUntil: Instant): void {
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
    this.#tunnels.turn(now, readUntil);
  }

  readonly #operations: Handlers = {
    ...this.#tunnels.operations,
    addMaster: (settings) => this.#ports.addMaster(settings),
    removeMaster: ({ name }, now) => {
      this.#ports.removeMaster(this.#registry.master(name), now);
      return null;
    },
    addLine: (settings) => this.#ports.add(settings),
    removeLine: ({ name }, now) => {
      this.#ports.remove(this.#registry.port(name), now);
      return null;
    },
    openLine: ({ name, multilink, talk }, now) => {
      const port = this.#registry.port(name);
      const takeover = talk && !port.isOpen ? { ...talk, held: this.#talks.take(talk.talk, now) } : null;
      this.#ports.open(port, multilink, takeover, now);
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
    enslave: ({ master, slave, bps }, now) => {
      this.#ports.enslave(this.#registry.master(master), slave, bps, now);
      return null;
    },
    closeLine: ({ name, reason }, now) => {
      this.#ports.close(this.#registry.port(name), true, reason, now);
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
      this.#ports.free(
        this.#registry.slaveOf(this.#registry.master(master), slave),
        true,
        "emancipated",
        now,
      );
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
      this.#captures.start(this.#registry.port(link), pipe);
      return null;
    },
    stopCapture: ({ pipe }) => {
      this.#captures.stop(pipe);
      return null;
    },
    stop: (_request, now) => {
      this.#running = false;
      for (const port of this.#registry.ports.values()) {
        try {
          port.place(null, true, now);
          this.#ports.shut(port, true, now);
        } catch (error) {
          this.#survive(error);
        }
        if (port instanceof TtyPort) port.tun.close();
      }
      for (const master of this.#registry.masters.values()) master.tun.close();
      this.#captures.stopAll();
      this.#talks.closeAll();
      this.#tunnels.closeAll(now);
      this.#interfaces.close();
      this.#netlink.close();
      return null;
    },
  };
}
