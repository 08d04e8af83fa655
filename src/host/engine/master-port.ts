import type { Bundle } from "../../bundle/bundle.ts";
import { ClassicBundle } from "../../bundle/classic-bundle.ts";
import type { MasterStatus, SchedulerName } from "../../control/messages.ts";
import { ActiveBackup } from "../../scheduler/active-backup.ts";
import { EarliestArrival } from "../../scheduler/earliest-arrival.ts";
import { Eql1995 } from "../../scheduler/eql-1995.ts";
import { RoundRobin } from "../../scheduler/round-robin.ts";
import type { Scheduler } from "../../scheduler/scheduler.ts";
import { Weighted } from "../../scheduler/weighted.ts";
import { type Instant, NEVER } from "../../time.ts";
import type { Netlink } from "../netlink.ts";
import type { MasterSettings, NetworkLineEvent } from "./messages.ts";
import { timeoutOf } from "./network-driver.ts";
import { PppBundle } from "./ppp-bundle.ts";
import type { PppPort } from "./ppp-port.ts";
import type { SlavePort } from "./slave-port.ts";
import { TunPort } from "./tun-port.ts";

const SCHEDULERS: Readonly<Record<SchedulerName, () => Scheduler>> = {
  "earliest-arrival": () => new EarliestArrival(),
  "eql-1995": () => new Eql1995(),
  "round-robin": () => new RoundRobin(),
  weighted: () => new Weighted(),
  "active-backup": () => new ActiveBackup(),
};

/** What a master tells the engine. */
export interface MasterEvents {
  /** Something happened to a network protocol of its numbered bundle. */
  masterNetwork(master: MasterPort, event: NetworkLineEvent): void;
}

/** Packets read in one go before others get their turn. */
const READ_BATCH = 32;

/** A master: its interface, its bundle, and the ports of its slaves. */
export class MasterPort {
  readonly name: string;
  readonly tun: TunPort;
  bundle: Bundle;
  /** Null: its links carry whole packets without numbers. */
  ppp: PppBundle | null = null;
  readonly slaves: SlavePort[] = [];
  maxSlaves: number;
  minSlaves: number;
  receivedPackets = 0;
  receivedOctets = 0;
  /** When the bundle wants to be polled. */
  pollAt: Instant = NEVER;
  #scheduler: SchedulerName;
  readonly #seed: number;
  readonly #queuePackets: number;
  readonly #events: MasterEvents;
  /** What bundles before this one have sent and dropped. */
  readonly #before = { packets: 0, octets: 0, drops: {} as Record<string, number> };

  constructor(settings: MasterSettings, netlink: Netlink, events: MasterEvents, seed: number) {
    this.#seed = seed;
    this.#events = events;
    this.#queuePackets = settings.queuePackets;
    this.name = settings.name;
    this.maxSlaves = settings.maxSlaves;
    this.minSlaves = settings.minSlaves;
    this.#scheduler = settings.scheduler;
    this.tun = new TunPort(settings.name, settings.mtu, settings.queuePackets, netlink);
    this.bundle = this.#makeClassic();
  }

  set scheduler(name: SchedulerName) {
    this.#scheduler = name;
    this.bundle.scheduler = SCHEDULERS[name]();
  }

  /** Its interface's MTU was changed from outside. */
  setMtu(mtu: number): void {
    this.tun.setMtu(mtu);
    this.bundle.mtu = this.ppp?.mtuFor(mtu) ?? mtu;
  }

  /** The numbered bundle for a link that is about to join; it begins with the first one. */
  numberedFor(port: PppPort): PppBundle {
    if (this.ppp !== null) return this.ppp;
    const scheduler = SCHEDULERS[this.#scheduler]();
    this.ppp = new PppBundle(this, scheduler, this.#queuePackets, port, this.#seed, (event) =>
      this.#events.masterNetwork(this, event),
    );
    this.#replace(this.ppp.bundle);
    return this.ppp;
  }

  /** A link has joined the numbered bundle, or left it. */
  handleLinksChanged(now: Instant): void {
    const { ppp } = this;
    if (ppp === null) return;
    if (this.slaves.length === 1 && !ppp.isStarted) ppp.start(now);
    // A link that left took with it what others waited for.
    ppp.drain(now);
    if (this.slaves.length > 0) return;
    ppp.stop(now);
    this.ppp = null;
    this.#replace(this.#makeClassic());
  }

  /** What waits has no line to go by, and must not be lost with the old bundle: its packets are the interface's. */
  #replace(bundle: Bundle): void {
    const before = this.#before;
    this.bundle.clear();
    before.packets += this.bundle.sentPackets;
    before.octets += this.bundle.sentOctets;
    before.drops = this.#drops();
    this.bundle = bundle;
  }

  get timeoutAt(): Instant {
    return timeoutOf(this.ppp?.network ?? null);
  }

  handleTimeout(now: Instant): void {
    this.ppp?.network.handleTimeout(now);
  }

  #drops(): Record<string, number> {
    const all = { ...this.#before.drops };
    for (const [reason, count] of Object.entries(bundleDrops(this.bundle))) {
      all[reason] = (all[reason] ?? 0) + count;
    }
    return all;
  }

  #makeClassic(): ClassicBundle {
    return new ClassicBundle(SCHEDULERS[this.#scheduler](), this.tun.mtu, this.#queuePackets, this.#seed);
  }

  handleReadable(now: Instant): void {
    for (let i = 0; i < READ_BATCH; i++) {
      const packet = this.tun.readPacket();
      if (packet === null) break;
      this.bundle.enqueue(packet, now);
    }
    this.pollAt = now;
  }

  poll(now: Instant): void {
    this.pollAt = this.bundle.poll(now);
    this.ppp?.drain(now);
    for (const slave of this.slaves) slave.flush(now);
  }

  status(): MasterStatus {
    const { bundle, tun } = this;
    const drops = this.#drops();
    drops["queueFull"] = (drops["queueFull"] ?? 0) + tun.crowdedOut;
    drops["undelivered"] = tun.undelivered;
    return {
      name: this.name,
      up: tun.up,
      mtu: tun.mtu,
      scheduler: this.#scheduler,
      maxSlaves: this.maxSlaves,
      minSlaves: this.minSlaves,
      slaves: this.slaves.map((slave) => slave.name),
      queue: {
        packets: bundle.queue.count,
        octets: bundle.queue.octets,
        limitPackets: bundle.queue.limit,
      },
      sent: {
        packets: this.#before.packets + bundle.sentPackets,
        octets: this.#before.octets + bundle.sentOctets,
      },
      received: { packets: this.receivedPackets, octets: this.receivedOctets },
      drops: occurred(drops),
      multilink: this.ppp?.status() ?? null,
    };
  }
}

/** A bundle's drops by reason; `oversize` is what links call a received frame that is too long. */
export function bundleDrops({ drops }: Bundle): Record<string, number> {
  const { oversize: tooLong, ...others } = drops;
  return { ...others, tooLong };
}

/** Only what is not 0. */
export const occurred = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
