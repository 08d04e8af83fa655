import assert from "node:assert/strict";
import type { TransportCipher } from "../../src/crypto/cipher.ts";
import { Endpoint } from "../../src/crypto/endpoint.ts";
import type { Peer } from "../../src/crypto/peer.ts";
import type { Primitives } from "../../src/crypto/primitives.ts";
import { KEY_LIMITS, type KeyLimits } from "../../src/crypto/session-keys.ts";
import { newPrivateKey, tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { type AbsenceSettings, Absences } from "../../src/sim/absences.ts";
import { Random } from "../../src/sim/random.ts";
import { WanPath, type WanSettings } from "../../src/sim/wan-path.ts";
import { earlier, type Instant, instant, NEVER } from "../../src/time.ts";
import type { Inlet, Outlet } from "../../src/tunnel/memory.ts";
import type { Path } from "../../src/tunnel/path.ts";
import { RunTable } from "../../src/tunnel/run-table.ts";
import { type BundleShare, SCRATCH_OCTETS } from "../../src/tunnel/share.ts";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";
import { TunnelBundle } from "../../src/tunnel/tunnel-bundle.ts";
import { Segments } from "../../src/wire/segments.ts";
import { TRANSPORT } from "../../src/wire/tunnel-datagram.ts";

/* Two ends of a bundle and the paths between them, on virtual time. */

const BIG_SLOTS = 64;
const BIG_SLOT = 65_792;
const SMALL_SLOTS = 4096;
const SMALL_SLOT = 2048;
const HEADERS = 28;
const HEAD_ROOM = 64;

/** Seals nothing, but tells a datagram of other keys: what costs time here is not what is tested. */
class ClearCipher implements TransportCipher {
  readonly #mark: number;

  constructor(key: Uint8Array) {
    this.#mark = key[0] as number;
  }

  seal(buffer: Uint8Array, from: number, length: number): void {
    buffer.fill(this.#mark, from + length, from + length + 16);
  }

  sealParts(
    memory: Uint8Array,
    into: number,
    head: number,
    headLength: number,
    body: number,
    bodyLength: number,
  ): void {
    memory.copyWithin(into, head, head + headLength);
    memory.copyWithin(into + headLength, body, body + bodyLength);
    this.seal(memory, into, headLength + bodyLength);
  }

  open(buffer: Uint8Array, from: number, length: number): boolean {
    return buffer[from + length - 1] === this.#mark;
  }

  release(): void {}
}

export const clearPrimitives: Primitives = {
  ...tunnelCrypto(null),
  transportCipher: (_name, key) => new ClearCipher(key),
};

/** One end: what an engine's port has, without sockets. */
export class End implements Inlet, Outlet {
  readonly octets: Uint8Array = new Uint8Array(
    SCRATCH_OCTETS + 4096 + BIG_SLOTS * BIG_SLOT + SMALL_SLOTS * SMALL_SLOT,
  );
  readonly slots: SlotPools;
  readonly share: BundleShare;
  readonly endpoint: Endpoint;
  readonly publicKey: Uint8Array;
  readonly states: string[] = [];
  /** Called with each packet that is delivered. */
  onPacket: (octets: Uint8Array, now: Instant) => void = () => {};
  onDatagram: (route: number, octets: Uint8Array) => void = () => {};
  peer!: Peer;
  bundle!: TunnelBundle;
  #route = -1;
  #now: Instant = instant(0);

  constructor(privateKey: Uint8Array = newPrivateKey(), limits: KeyLimits = KEY_LIMITS) {
    const big = SCRATCH_OCTETS + 4096;
    this.slots = new SlotPools(
      new Slots(0, big, BIG_SLOT, BIG_SLOTS),
      new Slots(BIG_SLOTS, big + BIG_SLOTS * BIG_SLOT, SMALL_SLOT, SMALL_SLOTS),
    );
    const memory = { octets: this.octets, view: new DataView(this.octets.buffer) };
    this.share = {
      memory,
      slots: this.slots,
      runs: new RunTable(this.slots),
      segments: new Segments(),
      scratch: 0,
      fillRandom: (into) => clearPrimitives.fillRandom(into),
    };
    const key = clearPrimitives.keyPair(privateKey);
    this.publicKey = key.publicKey;
    this.endpoint = new Endpoint(clearPrimitives, { key, cipher: "aes-256-gcm", limits });
  }

  meet(publicKey: Uint8Array, calls: boolean, redundant: boolean, now: Instant): void {
    this.peer = this.endpoint.addPeer({ publicKey, presharedKey: null, initiates: calls }, now);
    const pathChanged = (path: Path): void => void this.states.push(`${path.link} ${path.state}`);
    this.bundle = new TunnelBundle(this.share, this.peer, this, { pathChanged }, { calls, redundant }, 1);
  }

  reserve(route: number): number {
    this.#route = route;
    return SCRATCH_OCTETS;
  }

  commit(length: number): void {
    this.onDatagram(this.#route, this.octets.slice(SCRATCH_OCTETS, SCRATCH_OCTETS + length));
  }

  deliver(_slot: number, from: number, length: number): void {
    this.onPacket(this.octets.slice(from, from + length), this.#now);
  }

  /** A packet from the interface. @returns false: there is no room for it */
  send(packet: Uint8Array, hash: number, now: Instant): boolean {
    const slot = this.slots.small.take();
    if (slot < 0) return false;
    const from = this.slots.offsetOf(slot) + HEAD_ROOM;
    this.octets.set(packet, from);
    const run = this.share.runs.add(slot, from, packet.length, 1, 0, packet.length, false);
    this.bundle.enqueue(run, hash, now);
    return true;
  }

  handleDatagram(datagram: Uint8Array, route: number, now: Instant): void {
    this.#now = now;
    const slot = this.slots.big.take();
    assert.ok(slot >= 0, "a slot for what is received");
    const from = this.slots.offsetOf(slot) + HEAD_ROOM;
    this.octets.set(datagram, from);
    const { endpoint } = this;
    const peer = endpoint.handleDatagram(this.octets, from, datagram.length, Uint8Array.of(route), now);
    if (peer === null) {
      const reply = new Uint8Array(152);
      const length = endpoint.pollReply(reply);
      if (length > 0) this.onDatagram(route, reply.slice(0, length));
    } else if (endpoint.openedLink === 255) this.bundle.keyRoute = route;
    else {
      this.bundle.handleContent(
        endpoint.openedLink,
        endpoint.openedIndex,
        endpoint.openedCounter,
        route,
        HEADERS,
        slot,
        from + TRANSPORT.sealed,
        datagram.length - TRANSPORT.overhead,
        false,
        now,
      );
    }
    this.slots.release(slot);
  }

  turn(now: Instant): void {
    this.#now = now;
    this.bundle.handleTimeout(now);
    this.bundle.transmit(this, now);
    while (this.peer.pollEvent() !== undefined) this.bundle.transmit(this, now);
  }
}

/** A link both ways. */
export interface Way {
  readonly up: WanPath;
  readonly down: WanPath;
  /** IP packets that are longer vanish. */
  mtu: number;
  /** By which each end sees what the other one sends by it; what is sent to an earlier one is lost. */
  nearSees: number;
  farSees: number;
  /** The far end has several addresses: each route of the near end's leads to one of them, and each end sees the other's number of it. */
  hasAddresses: boolean;
}

export interface WorldOptions {
  readonly redundant?: boolean;
  readonly limits?: KeyLimits;
  /** The programs at the ends do not always get the processor, each at times of its own. */
  readonly away?: AbsenceSettings;
}

/** Routes of one way are that far apart. */
export const WAYS = 32;

interface Datagram {
  readonly octets: Uint8Array;
  readonly route: number;
}

export class World {
  near: End;
  far: End;
  readonly ways: Way[] = [];
  now: Instant = instant(0);
  /** Called at least each millisecond. */
  onTick: (now: Instant) => void = () => {};
  /** Called with all that is sent. @returns false: it is lost */
  onSend: (from: "near" | "far", way: number, octets: Uint8Array) => boolean = () => true;
  /** How often the ends were turned. */
  turns = 0;
  readonly #nearKey = newPrivateKey();
  readonly #farKey = newPrivateKey();
  readonly #options: WorldOptions;
  readonly #inboxes: { readonly near: Datagram[]; readonly far: Datagram[] } = { near: [], far: [] };
  readonly #absences: { readonly near: Absences; readonly far: Absences } | null;
  readonly #datagrams: (Datagram | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(links: readonly Partial<WanSettings>[], options: WorldOptions = {}) {
    this.#options = options;
    const { away } = options;
    const absences = (seed: number): Absences | undefined => away && new Absences(away, new Random(seed), 0);
    const [near, far] = [absences(1), absences(2)];
    this.#absences = near === undefined || far === undefined ? null : { near, far };
    for (const [i, settings] of links.entries()) {
      const up = new WanPath(settings, 2 * i + 1);
      this.ways.push({
        up,
        down: new WanPath(settings, 2 * i + 2),
        mtu: 1500,
        nearSees: i,
        farSees: i,
        hasAddresses: false,
      });
    }
    this.near = new End(this.#nearKey, options.limits);
    this.far = this.#makeFar();
    this.#meetFar();
  }

  /** The program at the far end ends without a word, and begins anew. */
  restartFar(): void {
    this.far = this.#makeFar();
  }

  /** That at the near end does, and has other ports then. */
  restartNear(): void {
    this.near = new End(this.#nearKey, this.#options.limits);
    for (const i of this.ways.keys()) this.rebind(i);
    this.#meetFar();
  }

  /** What the near end sends comes from another address from now on, and what is sent to the one before is lost. */
  rebind(way: number): void {
    (this.ways[way] as Way).farSees += WAYS;
  }

  /** What the far end sends comes from another address. */
  rebindFar(way: number): void {
    (this.ways[way] as Way).nearSees += WAYS;
  }

  #meetFar(): void {
    const { near } = this;
    near.meet(this.far.publicKey, true, this.#options.redundant ?? false, this.now);
    near.onDatagram = (route, octets) => {
      const way = this.ways[route % WAYS] as Way;
      if (!this.onSend("near", route % WAYS, octets)) return;
      this.#send(way.up, octets, way.hasAddresses ? route : way.farSees, way);
    };
    for (const way of this.ways) near.bundle.addPath()?.challenge(way.nearSees, this.now);
  }

  #makeFar(): End {
    const far = new End(this.#farKey, this.#options.limits);
    const nearKey = clearPrimitives.keyPair(this.#nearKey).publicKey;
    far.meet(nearKey, false, this.#options.redundant ?? false, this.now);
    far.onDatagram = (route, octets) => {
      const way = this.ways[route % WAYS] as Way;
      if (!this.onSend("far", route % WAYS, octets)) return;
      if (way.hasAddresses) this.#send(way.down, octets, route, way);
      else if (route === way.farSees) this.#send(way.down, octets, way.nearSees, way);
    };
    return far;
  }

  change(way: number, settings: Partial<WanSettings>): void {
    const { up, down } = this.ways[way] as Way;
    up.change(settings, this.now);
    down.change(settings, this.now);
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.#step();
      let at: Instant = earlier(instant(end), instant(this.now + 1));
      for (const { up, down } of this.ways) at = earlier(at, earlier(up.pollTimeout(), down.pollTimeout()));
      at = earlier(
        at,
        earlier(this.near.bundle.pollTimeout(this.now), this.far.bundle.pollTimeout(this.now)),
      );
      assert.notEqual(at, NEVER);
      // A machine that wants to be called again and again at once would stand still here.
      this.now = instant(Math.max(at, this.now + 0.02));
    }
  }

  #step(): void {
    const { near, far } = this.#inboxes;
    const { now } = this;
    this.onTick(now);
    for (const { up, down } of this.ways) {
      for (let handle = up.pollDelivered(now); handle >= 0; handle = up.pollDelivered(now))
        far.push(this.#take(handle));
      for (let handle = down.pollDelivered(now); handle >= 0; handle = down.pollDelivered(now))
        near.push(this.#take(handle));
      for (let handle = up.pollLost(); handle >= 0; handle = up.pollLost()) this.#take(handle);
      for (let handle = down.pollLost(); handle >= 0; handle = down.pollLost()) this.#take(handle);
    }
    this.turns++;
    this.#turn("far");
    this.#turn("near");
  }

  #turn(name: "near" | "far"): void {
    const { now } = this;
    if ((this.#absences?.[name].seenAt(now) ?? now) > now) return;
    const end = this[name];
    for (const { octets, route } of this.#inboxes[name].splice(0)) end.handleDatagram(octets, route, now);
    end.turn(now);
  }

  #send(path: WanPath, octets: Uint8Array, route: number, { mtu }: Way): void {
    if (octets.length + HEADERS > mtu) return;
    const handle = this.#free.pop() ?? this.#datagrams.length;
    this.#datagrams[handle] = { octets, route };
    if (!path.handlePacket(handle, octets.length + HEADERS, this.now)) this.#take(handle);
  }

  #take(handle: number): Datagram {
    const datagram = this.#datagrams[handle] as Datagram;
    this.#datagrams[handle] = undefined;
    this.#free.push(handle);
    return datagram;
  }
}

/** An IPv4 packet that says which one it is. */
export function numbered(length: number, flow: number, number: number): Uint8Array {
  const octets = new Uint8Array(length);
  const view = new DataView(octets.buffer);
  octets[0] = 0x45;
  view.setUint16(2, length);
  octets[9] = 17;
  view.setUint16(20, flow);
  view.setUint32(24, number);
  return octets;
}

export const numberIn = (octets: Uint8Array): number =>
  new DataView(octets.buffer, octets.byteOffset).getUint32(24);
export const flowIn = (octets: Uint8Array): number =>
  new DataView(octets.buffer, octets.byteOffset).getUint16(20);
