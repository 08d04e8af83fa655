import assert from "node:assert/strict";
import { type CipherName } from "../../src/crypto/cipher.ts";
import { Endpoint, type EndpointSettings } from "../../src/crypto/endpoint.ts";
import type { Peer, PeerEvent, PeerSettings } from "../../src/crypto/peer.ts";
import type { Primitives } from "../../src/crypto/primitives.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { Random } from "../../src/sim/random.ts";
import { after, type Instant, instant } from "../../src/time.ts";
import { KEY_LINK, TRANSPORT } from "../../src/wire/tunnel-datagram.ts";

/** The real ciphers with pauses that are the same for the same seed. */
const seeded = (seed: number, primitives: Primitives): Primitives => {
  const random = new Random(seed);
  return { ...primitives, random: () => random.next() };
};

/** One end, with its own clock. */
export class End {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly peer: Peer;
  readonly address: Uint8Array;
  readonly events: PeerEvent[] = [];
  /** What arrived, as text. */
  readonly heard: string[] = [];
  /** Its clock shows so much more. */
  clockMs: number;

  constructor(
    name: string,
    primitives: Primitives,
    settings: EndpointSettings,
    peer: PeerSettings,
    clockMs: number,
  ) {
    this.name = name;
    this.clockMs = clockMs;
    this.address = new TextEncoder().encode(name);
    this.endpoint = new Endpoint(primitives, settings);
    this.peer = this.endpoint.addPeer(peer, instant(clockMs));
  }

  sealed(text: string, now: Instant, link = 0): Uint8Array | null {
    const content = new TextEncoder().encode(text);
    const buffer = new Uint8Array(content.length + TRANSPORT.overhead);
    buffer.set(content, TRANSPORT.sealed);
    return this.peer.seal(link, buffer, 0, content.length, after(now, this.clockMs)) > 0 ? buffer : null;
  }
}

/** What becomes of a datagram on the way: when each copy arrives, in milliseconds; none: it is lost. */
export type Way = (datagram: Uint8Array, from: End) => readonly number[];

export interface PairOptions {
  readonly seed?: number;
  readonly primitives?: Primitives;
  readonly way?: Way;
  readonly ciphers?: readonly [CipherName, CipherName];
  readonly near?: Partial<EndpointSettings & PeerSettings> & { readonly clockMs?: number };
  readonly far?: Partial<EndpointSettings & PeerSettings> & { readonly clockMs?: number };
}

/** Two ends on virtual time. The near one begins, the far one answers. */
export class TunnelPair {
  now: Instant = instant(0);
  way: Way;
  near: End;
  far: End;
  /** All that was ever sent. */
  readonly sent: { readonly datagram: Uint8Array; readonly to: "near" | "far" }[] = [];
  readonly #underWay: { readonly at: number; readonly datagram: Uint8Array; readonly to: "near" | "far" }[] =
    [];
  readonly #make: (which: "near" | "far") => End;

  constructor(options: PairOptions = {}) {
    const primitives = seeded(options.seed ?? 1, options.primitives ?? tunnelCrypto(null));
    const nearKey = primitives.newKeyPair();
    const farKey = primitives.newKeyPair();
    const [nearCipher, farCipher] = options.ciphers ?? ["aes-256-gcm", "aes-256-gcm"];
    const presharedKey = new Uint8Array(32).fill(7);
    this.#make = (which) => {
      const near = which === "near";
      const own = near ? options.near : options.far;
      const settings = { key: near ? nearKey : farKey, cipher: near ? nearCipher : farCipher, ...own };
      const publicKey = (near ? farKey : nearKey).publicKey;
      const clockMs = own?.clockMs ?? 0;
      const peer = { publicKey, presharedKey, initiates: near, ...own };
      return new End(which, primitives, settings, peer, clockMs + this.now);
    };
    this.near = this.#make("near");
    this.far = this.#make("far");
    this.way = options.way ?? (() => [10]);
  }

  /** That end's program starts anew, and knows nothing of what was before. */
  restart(which: "near" | "far"): void {
    const { clockMs } = this[which];
    this[which] = this.#make(which);
    this[which].clockMs = clockMs;
    this[which].peer.hasten(after(this.now, clockMs));
  }

  send(from: End, datagram: Uint8Array): void {
    const to = from === this.near ? "far" : "near";
    this.sent.push({ datagram, to });
    for (const delayMs of this.way(datagram, from))
      this.#underWay.push({ at: this.now + delayMs, datagram, to });
  }

  say(from: End, text: string, link = 0): boolean {
    const datagram = from.sealed(text, this.now, link);
    if (datagram !== null) this.send(from, datagram);
    return datagram !== null;
  }

  /** What arrives at an end now, from wherever. */
  deliver(
    to: End,
    datagram: Uint8Array,
    source: Uint8Array = (to === this.near ? this.far : this.near).address,
  ): void {
    const buffer = datagram.slice();
    const now = after(this.now, to.clockMs);
    const peer = to.endpoint.handleDatagram(buffer, 0, buffer.length, source, now);
    if (peer !== null && buffer[TRANSPORT.link] !== KEY_LINK) {
      const end = TRANSPORT.sealed + buffer.length - TRANSPORT.overhead;
      to.heard.push(new TextDecoder().decode(buffer.subarray(TRANSPORT.sealed, end)));
    }
    this.#drain(to);
  }

  /** @param every called after each step */
  runFor(ms: number, every: () => void = () => {}): void {
    const end = this.now + ms;
    for (const which of [this.near, this.far]) this.#drain(which);
    for (;;) {
      const next = Math.min(
        this.#dueOf(this.near),
        this.#dueOf(this.far),
        ...this.#underWay.map(({ at }) => at),
      );
      if (next > end) break;
      this.now = instant(Math.max(this.now, next));
      for (const which of [this.near, this.far]) {
        const now = after(this.now, which.clockMs);
        if (now >= which.peer.pollTimeout()) which.peer.handleTimeout(now);
        this.#drain(which);
      }
      for (let at = this.#underWay.findIndex((one) => one.at <= this.now); at >= 0; ) {
        const [arrived] = this.#underWay.splice(at, 1);
        if (arrived !== undefined) this.deliver(this[arrived.to], arrived.datagram);
        at = this.#underWay.findIndex((one) => one.at <= this.now);
      }
      every();
    }
    this.now = instant(end);
  }

  /** Texts go through in both directions now. */
  talks(): boolean {
    const text = `${this.now}`;
    const said = this.say(this.near, text) && this.say(this.far, text);
    this.runFor(100);
    return said && this.near.heard.includes(text) && this.far.heard.includes(text);
  }

  #dueOf(end: End): number {
    return end.peer.pollTimeout() - end.clockMs;
  }

  #drain(end: End): void {
    const into = new Uint8Array(200);
    const reply = end.endpoint.pollReply(into);
    if (reply > 0) this.send(end, into.slice(0, reply));
    for (let length = end.peer.pollTransmit(into); length > 0; length = end.peer.pollTransmit(into))
      this.send(end, into.slice(0, length));
    for (let event = end.peer.pollEvent(); event !== undefined; event = end.peer.pollEvent())
      end.events.push(event);
  }
}

/** With a session that both ends have used. */
export function established(options: PairOptions = {}): TunnelPair {
  const pair = new TunnelPair(options);
  pair.runFor(100);
  assert.ok(pair.talks());
  return pair;
}
