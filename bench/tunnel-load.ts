import { Endpoint } from "../src/crypto/endpoint.ts";
import type { Peer } from "../src/crypto/peer.ts";
import { monotonicNow } from "../src/host/clock.ts";
import { DatagramIntake } from "../src/host/engine/datagram-intake.ts";
import { DatagramOutbox } from "../src/host/engine/datagram-outbox.ts";
import { Routes } from "../src/host/engine/routes.ts";
import { Watcher } from "../src/host/engine/watcher.ts";
import { nativeBuffer } from "../src/host/libc.ts";
import { tunnelCrypto } from "../src/host/tunnel-crypto.ts";
import { UdpSocket } from "../src/host/udp-socket.ts";
import { after, type Instant, instant, NEVER } from "../src/time.ts";
import type { Inlet } from "../src/tunnel/memory.ts";
import { RunTable } from "../src/tunnel/run-table.ts";
import { type BundleShare, SCRATCH_OCTETS } from "../src/tunnel/share.ts";
import { SlotPools, Slots } from "../src/tunnel/slots.ts";
import { TunnelBundle } from "../src/tunnel/tunnel-bundle.ts";
import { sumOf } from "../src/wire/checksum.ts";
import { parseIpAddress } from "../src/wire/ip-address.ts";
import { Segments } from "../src/wire/segments.ts";
import { KEY_LINK, TRANSPORT } from "../src/wire/tunnel-datagram.ts";
import type { LoadEvent, LoadOptions } from "./tunnel-load-options.ts";

/*
 * Many clients of one server in one process: all that a client's engine has but the interface. They send echo requests, in phases. What it is to do is its
 * argument; what has happened it writes, a line of JSON each.
 */

const STAGING = 1 << 20;
const BIG_SLOTS = 128;
const BIG_SLOT = 65_792;
const SMALL_SLOTS = 8192;
const SMALL_SLOT = 2048;
const HEADROOM = 64;
const HEADERS = 28;
const LONGEST_REPLY = 152;

const options = JSON.parse(process.argv[2] ?? "{}") as LoadOptions;
const say = (event: LoadEvent): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

const bigFrom = SCRATCH_OCTETS + STAGING;
const memory = nativeBuffer(bigFrom + BIG_SLOTS * BIG_SLOT + SMALL_SLOTS * SMALL_SLOT);
const slots = new SlotPools(
  new Slots(0, bigFrom, BIG_SLOT, BIG_SLOTS),
  new Slots(BIG_SLOTS, bigFrom + BIG_SLOTS * BIG_SLOT, SMALL_SLOT, SMALL_SLOTS),
);
const primitives = tunnelCrypto(memory);
const share: BundleShare = {
  memory,
  slots,
  runs: new RunTable(slots),
  segments: new Segments(),
  scratch: 0,
  fillRandom: (into) => primitives.fillRandom(into),
};
const routes = new Routes();
const intake = new DatagramIntake(memory, slots, routes);
const outbox = new DatagramOutbox(memory, SCRATCH_OCTETS, STAGING, routes, { failed: () => {} });
const watcher = new Watcher();
const reply = new Uint8Array(LONGEST_REPLY);
const serverKey = Buffer.from(options.serverKey, "base64");
let replies = 0;

const writeSum = (at: number, from: number, length: number): void =>
  memory.view.setUint16(at, ~sumOf(memory.octets, memory.view, from, length));

class Client implements Inlet {
  readonly bundle: TunnelBundle;
  isDirty = true;
  dueAt: Instant = NEVER;
  readonly #endpoint: Endpoint;
  readonly #peer: Peer;
  readonly #address: Uint8Array;
  #sequence = 0;

  constructor(privateKey: string, address: string, seed: number, now: Instant) {
    const key = primitives.keyPair(Buffer.from(privateKey, "base64"));
    this.#endpoint = new Endpoint(primitives, { key, cipher: "aes-256-gcm" });
    this.#peer = this.#endpoint.addPeer({ publicKey: serverKey, presharedKey: null, initiates: true }, now);
    this.#address = parseIpAddress(address) as Uint8Array;
    const settings = { calls: true, redundant: false };
    this.bundle = new TunnelBundle(share, this.#peer, this, { pathChanged: () => {} }, settings, seed);
    for (const [link, device] of options.devices.entries()) {
      const socket = new UdpSocket({ family: 4, device, address: null, port: 0, offloads: false });
      const path = this.bundle.addPath();
      path?.challenge(routes.routeFor(socket, options.servers[link] as string, null), now);
      watcher.watch(socket.fd, (_events, at) => this.#handleSocket(socket, at));
    }
  }

  get isAlive(): boolean {
    return this.bundle.paths.every(({ state }) => state === "alive");
  }

  deliver(): void {
    replies++;
  }

  sendEcho(length: number, now: Instant): void {
    const slot = slots.small.take();
    if (slot < 0) return;
    const from = slots.offsetOf(slot) + HEADROOM;
    const { octets, view } = memory;
    octets.fill(0, from, from + length);
    octets[from] = 0x45;
    view.setUint16(from + 2, length);
    octets[from + 8] = 64;
    octets[from + 9] = 1;
    octets.set(this.#address, from + 12);
    octets.set(parseIpAddress(options.target) as Uint8Array, from + 16);
    writeSum(from + 10, from, 20);
    octets[from + 20] = 8;
    view.setUint16(from + 26, this.#sequence++ & 0xffff);
    writeSum(from + 22, from + 20, length - 20);
    const run = share.runs.add(slot, from, length, 1, 0, length, false);
    this.bundle.enqueue(run, 1, now);
    this.isDirty = true;
  }

  turn(now: Instant): void {
    this.isDirty = false;
    if (this.dueAt <= now) this.bundle.handleTimeout(now);
    this.bundle.transmit(outbox, now);
    while (this.#peer.pollEvent() !== undefined) this.isDirty = true;
    this.dueAt = this.isDirty ? now : this.bundle.pollTimeout(now);
  }

  #handleSocket(socket: UdpSocket, now: Instant): void {
    const count = intake.read(socket);
    for (let i = 0; i < count; i++) {
      const [slot, route, from, length] = [
        intake.slotOf(i),
        intake.routeOf(i),
        intake.fromOf(i),
        intake.lengthOf(i),
      ];
      this.#handleDatagram(slot, route, from, length, now);
      slots.release(slot);
    }
    this.isDirty = true;
  }

  #handleDatagram(slot: number, route: number, from: number, length: number, now: Instant): void {
    const endpoint = this.#endpoint;
    const { octets } = memory;
    if (endpoint.handleDatagram(octets, from, length, routes.sourceOctets(route), now) === null) {
      const size = endpoint.pollReply(reply);
      const at = size > 0 ? outbox.reserve(route, size) : -1;
      if (at < 0) return;
      octets.set(reply.subarray(0, size), at);
      outbox.commit(size);
      return;
    }
    routes.confirm(route);
    const { openedLink: link, openedIndex, openedCounter } = endpoint;
    if (link === KEY_LINK) {
      this.bundle.keyRoute = route;
      return;
    }
    const content = from + TRANSPORT.sealed;
    const size = length - TRANSPORT.overhead;
    this.bundle.handleContent(
      link,
      openedIndex,
      openedCounter,
      route,
      HEADERS,
      slot,
      content,
      size,
      true,
      now,
    );
  }
}

const begun = monotonicNow();
const clients = options.clients.map(
  ({ privateKey, address }, i) => new Client(privateKey, address, i + 1, begun),
);
say({ event: "begun", at: begun });

let isFull = false;
let phase = -1;
let phaseEnd: number = NEVER;
let sent = 0;
let sendAt: number = NEVER;
let turnOf = 0;
let lookAt = 0;

function nextPhase(now: Instant): boolean {
  if (phase >= 0) {
    const queues = clients.map(({ bundle }) => bundle.dispatch.queue.drops);
    const delayed = queues.reduce((sum, drops) => sum + drops.delayed + drops.queueFull, 0);
    say({ event: "end", phase, at: now, sent, replies, delayed, cpuSeconds: process.cpuUsage().user / 1e6 });
    sent = replies = 0;
  }
  phase++;
  const next = options.phases[phase];
  if (next === undefined) return false;
  phaseEnd = now + next.seconds * 1000;
  sendAt = next.packetsPerSecond > 0 ? now : NEVER;
  return true;
}

for (let now = begun; ; ) {
  let due: number = Math.min(phaseEnd, sendAt, now + 20);
  for (const client of clients) {
    if (client.isDirty || client.dueAt <= now) client.turn(now);
    due = Math.min(due, client.isDirty ? 0 : client.dueAt);
  }
  outbox.flush();
  now = watcher.turn(instant(due));
  const { packetsPerSecond = 0, octets = 100 } = options.phases[phase] ?? {};
  while (sendAt <= now) {
    clients[turnOf++ % clients.length]?.sendEcho(octets, now);
    sent++;
    sendAt = after(instant(sendAt), 1000 / packetsPerSecond);
  }
  if (now >= lookAt) {
    lookAt = now + 20;
    const alive = clients.reduce((sum, client) => sum + (client.isAlive ? 1 : 0), 0);
    if ((alive === clients.length) !== isFull) {
      isFull = alive === clients.length;
      say({ event: isFull ? "alive" : "missing", at: now });
      if (isFull && phase < 0) nextPhase(now);
    }
  }
  if (now >= phaseEnd && !nextPhase(now)) break;
}
process.exit(0);
