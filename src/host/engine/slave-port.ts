import { ClassicBundle } from "../../bundle/classic-bundle.ts";
import type { Member } from "../../bundle/member.ts";
import type { LineState, PppStatus } from "../../control/messages.ts";
import type { Link } from "../../link/link.ts";
import { EarliestArrival } from "../../scheduler/earliest-arrival.ts";
import { type Instant, NEVER } from "../../time.ts";
import type { MasterPort } from "./master-port.ts";
import { bundleDrops, occurred } from "./master-port.ts";
import type { EngineLineStatus, NetworkLineEvent, PppLineEvent } from "./messages.ts";

/** What a port tells the engine, to act on and to pass on. */
export interface PortEvents {
  /** The line failed; it has to be closed. */
  failed(port: SlavePort, reason: string): void;
  /** Whether a packet is the answer to the echo of some line, which takes it. */
  echoReply(octets: Uint8Array, length: number, now: Instant): boolean;
  /** The peer stopped to answer the line's echo. */
  silent(port: SlavePort, now: Instant): void;
  /** Something happened on a PPP link. */
  ppp(port: SlavePort, event: PppLineEvent): void;
  /** Something happened to a network protocol of a PPP line alone. */
  network(port: SlavePort, event: NetworkLineEvent): void;
  /** What a PPP link that has a master had agreed on holds no longer: it has to be freed, now. */
  unsettled(port: SlavePort, reason: string, now: Instant): void;
  /** Its descriptor's interest in writing changed. */
  interest(port: SlavePort, writable: boolean): void;
}

/** Packets that may wait for a line alone. */
export const SOLO_QUEUE_PACKETS = 32;
/** Longest packet of any configuration: received whatever the MTU, and room for it is there when the MTU is raised. */
export const LONGEST_PACKET = 16_384;

/** A line with its interface: alone, or carrying packets of one master. What a tty and a kernel interface have in common. */
export abstract class SlavePort {
  abstract readonly name: string;
  abstract readonly kind: "slip" | "ppp" | "device";
  abstract readonly device: string;
  abstract readonly link: Link;
  abstract readonly member: Member;
  /** Index of its network interface. */
  abstract readonly index: number;
  abstract readonly mtu: number;
  /** Its interface is administratively up. */
  abstract readonly up: boolean;
  /** Its device is open. */
  abstract readonly isOpen: boolean;
  master: MasterPort | null = null;
  /** When the bundle of the line alone wants to be polled. */
  pollAt: Instant = NEVER;
  receivedPackets = 0;
  receivedOctets = 0;
  lineSent = 0;
  lineReceived = 0;
  /** The bundle of the line alone. */
  readonly solo: ClassicBundle;
  #isAlone = false;

  constructor(mtu: number, seed: number) {
    this.solo = new ClassicBundle(new EarliestArrival(), mtu, SOLO_QUEUE_PACKETS, seed);
  }

  /** Writes the outbox to the line. */
  abstract flush(now: Instant): void;

  /** Its interface's MTU was changed from outside. What waits and is longer is dropped when its turn comes. */
  setMtu(mtu: number): void {
    this.solo.mtu = mtu;
  }

  /** Whether its link may send anything. */
  get mayCarry(): boolean {
    return this.isOpen && this.up;
  }

  get isSilent(): boolean {
    return false;
  }

  get echoMs(): number | null {
    return null;
  }

  get state(): LineState {
    if (!this.isOpen) return "closed";
    if (!this.up) return "down";
    if (this.master !== null) return "enslaved";
    return this.isSilent ? "silent" : "alone";
  }

  /** Moves the member to the bundle where it belongs. @param alive the line can still close an open frame */
  place(master: MasterPort | null, alive: boolean, now: Instant): void {
    const control = alive ? this.member.takeControl() : [];
    if (this.master !== null) {
      this.master.slaves.splice(this.master.slaves.indexOf(this), 1);
      this.master.bundle.leave(this.member, alive, now);
      this.master.pollAt = now;
    } else if (this.#isAlone) this.solo.leave(this.member, alive, now);
    if (alive) this.flush(now);
    this.master = master;
    this.#isAlone = master === null && this.mayCarry;
    if (master !== null) {
      master.slaves.push(this);
      master.bundle.join(this.member);
      master.pollAt = now;
    } else if (this.#isAlone) this.solo.join(this.member);
    for (const packet of control) (master?.bundle ?? this.solo).enqueuePinned(this.member, packet);
    this.pollAt = now;
  }

  poll(now: Instant): void {
    this.pollAt = this.solo.poll(now);
    if (this.#isAlone) this.flush(now);
  }

  status(now: Instant): EngineLineStatus {
    const { link, member } = this;
    const { pacer } = member;
    return {
      name: this.name,
      kind: this.kind,
      device: this.device,
      state: this.state,
      master: this.master?.name ?? null,
      mtu: this.mtu,
      rateGivenBps: pacer.givenBps,
      rateEstimatedBps: Math.round(pacer.estimatedBps),
      sent: { packets: member.sentPackets, octets: member.sentOctets },
      received: { packets: this.receivedPackets, octets: this.receivedOctets },
      lineOctets: { sent: this.lineSent, received: this.lineReceived },
      drops: occurred({ ...link.drops, ...this.drops() }),
      hints: this.hints(),
      backlogOctets: Math.round(pacer.backlog(now)),
      echoMs: this.echoMs,
      ppp: this.pppStatus(),
    };
  }

  pppStatus(): PppStatus | null {
    return null;
  }

  protected drops(): Record<string, number> {
    return bundleDrops(this.solo);
  }

  protected hints(): string[] {
    return [];
  }
}
