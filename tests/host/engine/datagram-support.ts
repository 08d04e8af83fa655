import assert from "node:assert/strict";
import { DatagramIntake } from "../../../src/host/engine/datagram-intake.ts";
import { DatagramOutbox } from "../../../src/host/engine/datagram-outbox.ts";
import { Routes } from "../../../src/host/engine/routes.ts";
import { nativeBuffer } from "../../../src/host/libc.ts";
import { UdpSocket, type UdpSocketOptions } from "../../../src/host/udp-socket.ts";
import { SlotPools, Slots } from "../../../src/tunnel/slots.ts";

const STAGING = 1 << 20;
const BIG = 65_536 + 256;
const SMALL = 2048;
const DEADLINE_MS = 60_000;

/** A datagram that came: how long it is, which octet fills it, and by which route. */
export interface Arrival {
  readonly length: number;
  readonly mark: number;
  readonly route: number;
}

/** Memory with all that sends and receives datagrams. */
export class DatagramEnd {
  readonly memory;
  readonly slots: SlotPools;
  readonly routes = new Routes();
  readonly outbox: DatagramOutbox;
  readonly intake: DatagramIntake;
  readonly failures: (readonly [number, number])[] = [];
  /** Messages in which the datagrams came that `receive` has returned. */
  messages = 0;

  constructor(bigSlots = 32, smallSlots = 128) {
    this.memory = nativeBuffer(STAGING + bigSlots * BIG + smallSlots * SMALL);
    this.slots = new SlotPools(
      new Slots(0, STAGING, BIG, bigSlots),
      new Slots(bigSlots, STAGING + bigSlots * BIG, SMALL, smallSlots),
    );
    this.outbox = new DatagramOutbox(this.memory, 0, STAGING, this.routes, {
      failed: (route, errno) => this.failures.push([route, errno]),
    });
    this.intake = new DatagramIntake(this.memory, this.slots, this.routes);
  }

  /** Puts a datagram into the outbox that is filled with one octet. */
  put(route: number, length: number, mark: number): void {
    const at = this.outbox.reserve(route, length);
    assert.ok(at >= 0);
    this.memory.octets.fill(mark, at, at + length);
    this.outbox.commit(length);
  }

  /** Waits for so many datagrams, and takes what else has come with them. */
  receive(socket: UdpSocket, count: number): Arrival[] {
    const arrivals: Arrival[] = [];
    const end = performance.now() + DEADLINE_MS;
    while (arrivals.length < count) {
      assert.ok(performance.now() < end, `${arrivals.length} of ${count} datagrams have come`);
      this.#read(socket, arrivals);
    }
    return arrivals;
  }

  #read(socket: UdpSocket, arrivals: Arrival[]): void {
    const { intake, memory } = this;
    const count = intake.read(socket);
    this.messages += count;
    for (let i = 0; i < count; i++) {
      const from = intake.fromOf(i);
      const end = from + intake.lengthOf(i);
      for (let at = from; at < end; at += intake.segmentOf(i)) {
        const datagram = memory.octets.subarray(at, Math.min(end, at + intake.segmentOf(i)));
        const mark = datagram[0] ?? -1;
        assert.ok(
          datagram.every((octet) => octet === mark),
          "its octets are those of one datagram",
        );
        arrivals.push({ length: datagram.length, mark, route: intake.routeOf(i) });
      }
      this.slots.release(intake.slotOf(i));
    }
  }
}

/** A socket on the loop-back. */
export const loopbackSocket = (options: Partial<UdpSocketOptions> = {}): UdpSocket =>
  new UdpSocket({ family: 4, device: null, address: "127.0.0.1", port: 0, ...options });

/** Runs with sockets, and closes them. */
export function withSockets(sockets: readonly UdpSocket[], body: () => void): void {
  try {
    body();
  } finally {
    for (const socket of sockets) socket.close();
  }
}
