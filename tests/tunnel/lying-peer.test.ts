import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../src/sim/random.ts";
import type { Instant } from "../../src/time.ts";
import type { Outlet } from "../../src/tunnel/memory.ts";
import { SCRATCH_OCTETS } from "../../src/tunnel/share.ts";
import { TunnelBundle } from "../../src/tunnel/tunnel-bundle.ts";
import { CONTROL, CONTROL_KINDS, isControl, writePartHeader } from "../../src/wire/tunnel-content.ts";
import { TRANSPORT } from "../../src/wire/tunnel-datagram.ts";
import { End, numbered, World } from "./world.ts";

/* A client that has a key, and says whatever it likes, at a server that has another one. */

const SEEDS = 3;
const STEPS = 250;
const LIES = 250;
const DELAY_MS = 5;
const HEADROOM = 64;
const KEPT = 400;
/** Who says these may be taken for another, or for gone. */
const CARELESS: readonly number[] = [CONTROL_KINDS.challenge, CONTROL_KINDS.proof, CONTROL_KINDS.farewell];
/** What a message that is taken may make the server say, roughly: a proof, a challenge, a report. */
const MOST_ANSWERS = 4;

class Liar implements Outlet {
  readonly world = new World([
    { rateBps: 20e6, delayMs: 5 },
    { rateBps: 10e6, delayMs: 20 },
  ]);
  readonly bundle: TunnelBundle;
  lies = false;
  /** It says nothing that keeps its packets from being taken. */
  isCareful = true;
  answers = 0;
  told = 0;
  delivered = 0;
  readonly #random: Random;
  readonly #server: End;
  readonly #client: End;
  /** Contents that were said in earnest. */
  readonly #sayings: Uint8Array[] = [];
  /** What is under way between the two. */
  readonly #mail: { readonly at: number; readonly arrive: () => void }[] = [];
  #session = 0;
  #counter = 0;
  #route = -1;
  #length = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    const { world } = this;
    this.#server = world.far;
    this.#client = new End();
    const { share, endpoint, publicKey } = this.#server;
    const peer = endpoint.addPeer(
      { publicKey: this.#client.publicKey, presharedKey: null, initiates: false },
      world.now,
    );
    const inlet = {
      deliver: (slot: number, from: number, length: number) => this.#deliver(slot, from, length),
    };
    const settings = { calls: false, redundant: seed % 2 === 0 };
    this.bundle = new TunnelBundle(share, peer, inlet, { pathChanged: () => {} }, settings, seed);
    this.#client.meet(publicKey, true, false, world.now);
    for (const route of [0, 1, 2]) this.#client.bundle.addPath()?.challenge(route, world.now);
    this.#client.onDatagram = (route, octets) => this.#post(() => this.#handleDatagram(route, octets));
  }

  reserve(route: number, length: number): number {
    this.#route = route;
    this.#length = length;
    return SCRATCH_OCTETS;
  }

  commit(length: number): void {
    assert.ok(length <= this.#length);
    this.answers++;
    const route = this.#route;
    const sent = this.#server.octets.slice(SCRATCH_OCTETS, SCRATCH_OCTETS + length);
    // By half of what it hears the liar learns enough.
    if (!this.lies || this.#below(2) === 0)
      this.#post(() => this.#client.handleDatagram(sent, route, this.world.now));
  }

  /** One millisecond of each: the client in earnest, its lies, the server. */
  step(lies: number): void {
    const { world, bundle } = this;
    const now = world.now;
    for (let i = 0; i < 3; i++) {
      this.#enqueue(now);
      this.#client.send(numbered(40 + this.#below(1400), 1, i), i, now);
    }
    while ((this.#mail[0]?.at ?? now + 1) <= now) this.#mail.shift()?.arrive();
    this.#client.turn(now);
    for (let i = 0; i < lies; i++) {
      this.#lie(now);
      if (this.#below(20) === 0) bundle.transmit(this, now);
    }
    let turns = 0;
    do {
      assert.ok(turns++ < 50, "it comes to rest");
      bundle.handleTimeout(now);
      bundle.transmit(this, now);
      while (bundle.peer.pollEvent() !== undefined) bundle.transmit(this, now);
    } while (bundle.pollTimeout(now) <= now);
    assert.ok(!Number.isNaN(bundle.pollTimeout(now)));
    for (const { rate, pace, size } of bundle.paths) {
      assert.ok(rate.rate > 0 && rate.window > 0 && pace > 0 && size >= 576, `${rate.rate} ${rate.window}`);
    }
    world.run(1);
  }

  #post(arrive: () => void): void {
    this.#mail.push({ at: this.world.now + DELAY_MS, arrive });
  }

  #enqueue(now: Instant): void {
    const { slots, share, octets } = this.#server;
    const slot = slots.small.take();
    assert.ok(slot >= 0, "a slot for what is to be sent");
    const from = slots.offsetOf(slot) + HEADROOM;
    const packet = numbered(40 + this.#below(1400), 2, 0);
    octets.set(packet, from);
    const run = share.runs.add(slot, from, packet.length, 1, 0, packet.length, false);
    this.bundle.enqueue(run, this.#below(30), now);
  }

  #lie(now: Instant): void {
    const kind = this.#below(12);
    const before = this.#sayings[this.#below(this.#sayings.length)] ?? new Uint8Array(8);
    if (kind < 4) this.#say(this.#mutate(before), now);
    else if (kind === 4) this.#say(this.#octets(this.#below(200)), now);
    else if (kind === 5) this.#say(this.#part(), now);
    else if (kind === 6) this.#say(this.#data(), now);
    else if (kind === 7) this.#say(this.#report(), now);
    else if (kind === 8) this.#say(this.#control(CONTROL_KINDS.skip, this.#skip()), now);
    else if (kind === 9)
      this.#say(this.#control(CONTROL_KINDS.farewell, this.#octets(this.#below(3))), now, true);
    else this.#say(this.#control(this.#below(12), this.#octets(this.#below(60))), now);
  }

  #say(content: Uint8Array, now: Instant, isRare = false): void {
    if (isRare && this.#below(20) > 0) return;
    if (this.isCareful && isControl(content, 0) && CARELESS.includes(content[1] ?? 0)) return;
    const link = this.#below(30) === 0 ? this.#below(32) : this.#below(4);
    const session = this.#below(20) === 0 ? this.#below(2 ** 32) : this.#session;
    this.#counter = this.#below(5000) === 0 ? this.#below(2 ** 32) : (this.#counter + 1) % 2 ** 32;
    const route = this.#below(10) === 0 ? this.#below(40) : link;
    this.#hear(content, link, session, this.#counter, route, now);
  }

  #hear(
    content: Uint8Array,
    link: number,
    session: number,
    counter: number,
    route: number,
    now: Instant,
  ): void {
    const { slots, octets } = this.#server;
    const slot = slots.big.take();
    assert.ok(slot >= 0, "a slot for what comes");
    const from = slots.offsetOf(slot) + HEADROOM + this.#below(4000);
    octets.set(content, from);
    const isCrowded = this.#below(3) === 0;
    this.told++;
    const { length } = content;
    this.bundle.handleContent(link, session, counter, route, 28, slot, from, length, isCrowded, now);
    slots.release(slot);
  }

  #mutate(before: Uint8Array): Uint8Array {
    const after = before.slice(0, this.#below(4) === 0 ? this.#below(before.length + 1) : before.length);
    for (let i = this.#below(4); i > 0 && after.length > 0; i--) {
      const at = this.#below(this.#below(2) === 0 ? Math.min(30, after.length) : after.length);
      after[at] = this.#below(2) === 0 ? this.#below(256) : this.#pick([0, 1, 127, 128, 255]);
    }
    return after;
  }

  #part(): Uint8Array {
    const content = this.#octets(6 + this.#below(30));
    const offset = this.#pick([0, 20, this.#below(3000), this.#below(65_536)]);
    writePartHeader(content, 0, this.#lane(), this.#number(), false, offset, this.#below(5) === 0);
    return content;
  }

  #data(): Uint8Array {
    const content = numbered(this.#pick([40, 100, 1300, 9000]), 1, 1);
    writePartHeader(content, 0, this.#lane(), this.#number(), this.#below(2) === 0, 0, true);
    return content;
  }

  #report(): Uint8Array {
    const content = this.#control(CONTROL_KINDS.report, this.#octets(26 + this.#below(130)));
    const view = new DataView(content.buffer);
    content[2] = this.#below(4);
    const session = this.bundle.peer.session?.remoteIndex ?? 0;
    // As it stands in the datagrams that the client gets.
    view.setUint32(3, session);
    const link = this.bundle.peer.session?.nextCounter(content[2]) ?? 0;
    view.setUint32(7, this.#pick([link, link - 1, this.#below(link + 1), this.#below(2 ** 32)]));
    for (let i = 28; i < content.length; i++) content[i] = this.#pick([0, 0, 1, this.#below(256), 255]);
    if (this.#below(2) === 0) view.setUint32(11, this.world.now * 1000);
    return content;
  }

  #skip(): Uint8Array {
    const octets = new Uint8Array(this.#pick([6, 6, 6, this.#below(8)]));
    const number = this.#number();
    const count = this.#pick([1, 100, 65_535]);
    octets.set([this.#lane(), number >> 16, number >> 8, number, count >> 8, count].slice(0, octets.length));
    return octets;
  }

  #control(kind: number, rest: Uint8Array): Uint8Array {
    return Uint8Array.of(CONTROL, kind, ...rest);
  }

  #lane = (): number => this.#below(this.#pick([1, 3, 16]));
  #number = (): number => this.#below(this.#pick([100, 20_000, 2 ** 24]));

  #octets(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#below(256));
  }

  #below(most: number): number {
    return Math.floor(this.#random.next() * most);
  }

  #pick<T>(all: readonly T[]): T {
    return all[this.#below(all.length)] as T;
  }

  #handleDatagram(route: number, datagram: Uint8Array): void {
    const { endpoint, octets, slots } = this.#server;
    const slot = slots.big.take();
    assert.ok(slot >= 0, "a slot for what comes");
    const from = slots.offsetOf(slot) + HEADROOM;
    octets.set(datagram, from);
    const { now } = this.world;
    const peer = endpoint.handleDatagram(octets, from, datagram.length, Uint8Array.of(100 + route), now);
    if (peer === null) {
      const reply = new Uint8Array(152);
      const length = endpoint.pollReply(reply);
      if (length > 0)
        this.#post(() => this.#client.handleDatagram(reply.slice(0, length), route, this.world.now));
    } else if (endpoint.openedLink === 255) this.bundle.keyRoute = route;
    else {
      assert.equal(peer, this.bundle.peer);
      this.#session = endpoint.openedIndex;
      const at = from + TRANSPORT.sealed;
      const content = octets.slice(at, at + datagram.length - TRANSPORT.overhead);
      this.#sayings[this.#sayings.length < KEPT ? this.#sayings.length : this.#below(KEPT)] = content;
      const { openedLink, openedIndex, openedCounter } = endpoint;
      this.#hear(content, openedLink, openedIndex, openedCounter, route, now);
    }
    slots.release(slot);
  }

  #deliver(slot: number, from: number, length: number): void {
    const { slots, octets } = this.#server;
    const start = slots.offsetOf(slot);
    const { size } = slots.big.owns(slot) ? slots.big : slots.small;
    assert.ok(length > 0 && from - 14 >= start && from + length <= start + size, "within its slot");
    octets.fill(0xee, from - 14, from);
    this.delivered++;
  }
}

describe("a peer that lies", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`hurts nobody else, and holds nothing in the end (seed ${seed})`, () => {
      const liar = new Liar(seed);
      const { world, bundle } = liar;
      const { near, far } = world;
      let sent = 0;
      const received = [0, 0];
      near.onPacket = () => void (received[0] = (received[0] as number) + 1);
      far.onPacket = () => void (received[1] = (received[1] as number) + 1);
      for (let i = 0; i < 200; i++) liar.step(0);
      assert.ok(bundle.paths.every(({ state }) => state === "alive") && liar.delivered > 100);
      const { answers, told } = liar;
      liar.lies = true;
      for (let i = 0; i < STEPS; i++) {
        for (const end of [near, far]) assert.ok(end.send(numbered(1000, 1, i), 1, world.now));
        sent++;
        liar.isCareful = i < STEPS / 2;
        liar.step(LIES);
      }
      assert.ok(
        liar.answers - answers <= MOST_ANSWERS * (liar.told - told),
        `${liar.answers} answers, ${liar.told}`,
      );
      assert.ok(
        bundle.lanesIn.drops.lost > 0 && bundle.drops.malformed > 0 && bundle.dispatch.sentPackets > 0,
      );
      bundle.close();
      world.run(500);
      assert.deepEqual(received, [sent, sent]);
      far.bundle.close();
      const { big, small } = far.slots;
      assert.deepEqual([big.count - big.free, small.count - small.free, far.share.runs.count], [0, 0, 0]);
    });
  }
});
