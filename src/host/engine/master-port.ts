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
import type { MasterSettings } from "./messages.ts";
import type { SlavePort } from "./slave-port.ts";
import { TunPort } from "./tun-port.ts";

const SCHEDULERS: Readonly<Record<SchedulerName, () => Scheduler>> = {
  "earliest-arrival": () => new EarliestArrival(),
  "eql-1995": () => new Eql1995(),
  "round-robin": () => new RoundRobin(),
  weighted: () => new Weighted(),
  "active-backup": () => new ActiveBackup(),
};

/** Packets read in one go before others get their turn. */
const READ_BATCH = 32;

/** A master: its interface, its bundle, and the ports of its slaves. */
export class MasterPort {
  readonly name: string;
  readonly tun: TunPort;
  readonly bundle: Bundle;
  readonly slaves: SlavePort[] = [];
  maxSlaves: number;
  minSlaves: number;
  receivedPackets = 0;
  receivedOctets = 0;
  /** When the bundle wants to be polled. */
  pollAt: Instant = NEVER;
  #scheduler: SchedulerName;

  constructor(settings: MasterSettings, netlink: Netlink, seed: number) {
    this.name = settings.name;
    this.maxSlaves = settings.maxSlaves;
    this.minSlaves = settings.minSlaves;
    this.#scheduler = settings.scheduler;
    this.tun = new TunPort(settings.name, settings.mtu, settings.queuePackets, netlink);
    this.bundle = new ClassicBundle(
      SCHEDULERS[settings.scheduler](),
      settings.mtu,
      settings.queuePackets,
      seed,
    );
  }

  set scheduler(name: SchedulerName) {
    this.#scheduler = name;
    this.bundle.scheduler = SCHEDULERS[name]();
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
    for (const slave of this.slaves) slave.flush(now);
  }

  status(): MasterStatus {
    const { bundle, tun } = this;
    const drops = bundleDrops(bundle);
    drops["queueFull"] = bundle.drops.queueFull + tun.crowdedOut;
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
      sent: { packets: bundle.sentPackets, octets: bundle.sentOctets },
      received: { packets: this.receivedPackets, octets: this.receivedOctets },
      drops: occurred(drops),
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
