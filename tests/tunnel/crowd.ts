import assert from "node:assert/strict";
import { Endpoint, type EndpointSettings } from "../../src/crypto/endpoint.ts";
import type { Peer } from "../../src/crypto/peer.ts";
import type { KeyPair, Primitives } from "../../src/crypto/primitives.ts";
import { Random } from "../../src/sim/random.ts";
import { type Instant, instant } from "../../src/time.ts";
import type { Inlet, Outlet } from "../../src/tunnel/memory.ts";
import { RunTable } from "../../src/tunnel/run-table.ts";
import { type BundleShare, SCRATCH_OCTETS } from "../../src/tunnel/share.ts";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";
import { TunnelBundle } from "../../src/tunnel/tunnel-bundle.ts";
import { Segments } from "../../src/wire/segments.ts";
import { KEY_LINK, readIndex, TRANSPORT, TRANSPORT_TYPE } from "../../src/wire/tunnel-datagram.ts";
import { clearPrimitives } from "./world.ts";

/* Many clients of one server on virtual time, each with some paths; the server's time is what they have to share. */

const HEADERS = 28;
const SMALL_SLOT = 2048;
const DELAY_MS = 10;
/** What things take at the server, roughly as measured on one core. */
const LOOK_MS = 0.005;
const RECEIVE_MS = 0.02;
const SEND_MS = 0.01;
const AGREE_MS = 0.04;
const HASH_MS = 0.0075;
const SEAL_MS = 0.015;
/** Datagrams that its socket has room for. */
const ROOM = 2000;
/** That it reads before it does anything else. */
const BATCH = 256;

/** Shared secrets without any secrecy, which cost nothing. */
function cheapPrimitives(seed: number): Primitives {
  const random = new Random(seed);
  const keyPair = (privateKey: Uint8Array): KeyPair => ({
    publicKey: privateKey,
    agree: (publicKey) => publicKey.map((octet, i) => octet ^ (privateKey[i] as number)),
  });
  const fillRandom = (into: Uint8Array): void => {
    for (let i = 0; i < into.length; i++) into[i] = random.next() * 256;
  };
  const newKeyPair = (): KeyPair => {
    const key = new Uint8Array(32);
    fillRandom(key);
    return keyPair(key);
  };
  return { ...clearPrimitives, fillRandom, random: () => random.next(), keyPair, newKeyPair };
}

/** Tells what each primitive takes. */
function timed(primitives: Primitives, spend: (ms: number) => void, agreed: () => void): Primitives {
  const timedPair = (pair: KeyPair): KeyPair => ({
    publicKey: pair.publicKey,
    agree: (other) => {
      spend(AGREE_MS);
      return pair.agree(other);
    },
  });
  return {
    ...primitives,
    keyPair: (privateKey) => timedPair(primitives.keyPair(privateKey)),
    newKeyPair: () => {
      agreed();
      spend(AGREE_MS);
      return timedPair(primitives.newKeyPair());
    },
    hash: (...parts) => {
      spend(HASH_MS);
      return primitives.hash(...parts);
    },
    hmac: (key, ...parts) => {
      spend(HASH_MS);
      return primitives.hmac(key, ...parts);
    },
    sealOnce: (key, nonce, data, plain) => {
      spend(SEAL_MS);
      return primitives.sealOnce(key, nonce, data, plain);
    },
    openOnce: (key, nonce, data, sealed) => {
      spend(SEAL_MS);
      return primitives.openOnce(key, nonce, data, sealed);
    },
  };
}

interface Datagram {
  readonly octets: Uint8Array;
  readonly client: number;
  readonly link: number;
}

/** One end of the bundles: the server's, or that of one client. */
class End implements Outlet, Inlet {
  readonly bundle: TunnelBundle;
  readonly peer: Peer;
  dueAt: Instant = instant(0);
  readonly #share: BundleShare;
  readonly #send: (link: number, octets: Uint8Array) => void;
  #route = -1;

  constructor(
    share: BundleShare,
    peer: Peer,
    calls: boolean,
    send: (link: number, octets: Uint8Array) => void,
  ) {
    this.#share = share;
    this.#send = send;
    this.peer = peer;
    const settings = { calls, redundant: false };
    this.bundle = new TunnelBundle(share, peer, this, { pathChanged: () => {} }, settings, 1);
  }

  get isThere(): boolean {
    return this.bundle.paths.length > 0 && this.bundle.paths.every(({ state }) => state === "alive");
  }

  deliver(): void {}

  reserve(route: number): number {
    this.#route = route;
    return SCRATCH_OCTETS;
  }

  commit(length: number): void {
    this.#send(this.#route, this.#share.memory.octets.slice(SCRATCH_OCTETS, SCRATCH_OCTETS + length));
  }

  turn(now: Instant): void {
    if (this.dueAt <= now) this.bundle.handleTimeout(now);
    this.bundle.transmit(this, now);
    while (this.peer.pollEvent() !== undefined) this.bundle.transmit(this, now);
    this.dueAt = this.bundle.pollTimeout(now);
  }
}

export interface CrowdOptions {
  readonly clients: number;
  readonly links: number;
  /** Four octets. */
  readonly addressOf: (client: number, link: number) => readonly number[];
  readonly load?: NonNullable<EndpointSettings["load"]>;
  /** How much slower than usual the server is. */
  readonly slowness?: number;
}

export class Crowd {
  now = instant(0);
  readonly clients: End[] = [];
  /** When the server took part in each handshake since it began. */
  readonly handshakes: number[] = [];
  readonly #primitives = cheapPrimitives(1);
  readonly #serverPrimitives = timed(
    this.#primitives,
    (ms) => this.#spend(ms),
    () => this.handshakes.push(this.now),
  );
  readonly #share: BundleShare;
  readonly #serverKey: KeyPair;
  readonly #keys: KeyPair[] = [];
  readonly #endpoints: Endpoint[] = [];
  readonly #options: CrowdOptions;
  #server: Endpoint | null = null;
  #peers: End[] = [];
  #byKeys = new Map<Peer, number>();
  readonly #waiting: Datagram[] = [];
  /** By millisecond of arrival: up, and down. */
  readonly #up = new Map<number, Datagram[]>();
  readonly #down = new Map<number, Datagram[]>();
  #busyUntil = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
    const { clients, links } = options;
    const octets = new Uint8Array(SCRATCH_OCTETS + 4096 + 64 * SMALL_SLOT);
    const slots = new SlotPools(new Slots(0, 0, 0, 0), new Slots(0, SCRATCH_OCTETS + 4096, SMALL_SLOT, 64));
    this.#share = {
      memory: { octets, view: new DataView(octets.buffer) },
      slots,
      runs: new RunTable(slots),
      segments: new Segments(),
      scratch: 0,
      fillRandom: (into) => this.#primitives.fillRandom(into),
    };
    this.#serverKey = this.#serverPrimitives.newKeyPair();
    const { publicKey } = this.#serverKey;
    for (let client = 0; client < clients; client++) {
      const key = this.#primitives.newKeyPair();
      this.#keys.push(key);
      const endpoint = new Endpoint(this.#primitives, { key, cipher: "aes-256-gcm" });
      this.#endpoints.push(endpoint);
      const peer = endpoint.addPeer({ publicKey, presharedKey: null, initiates: true }, this.now);
      const send = (link: number, octets: Uint8Array): void => this.#put(this.#up, { octets, client, link });
      const end = new End(this.#share, peer, true, send);
      for (let link = 0; link < links; link++) end.bundle.addPath()?.challenge(link, this.now);
      this.clients.push(end);
    }
  }

  get drops(): Readonly<Record<string, number>> {
    return { ...this.#server?.drops };
  }

  /** Clients that have all their paths, at both ends. */
  get there(): number {
    return this.#peers.filter((peer, i) => peer.isThere && this.clients[i]?.isThere).length;
  }

  startServer(): void {
    const { load } = this.#options;
    const settings = {
      key: this.#serverKey,
      cipher: "aes-256-gcm",
      tagged: true,
      ...(load !== undefined && { load }),
    } as const;
    const server = new Endpoint(this.#serverPrimitives, settings);
    this.#server = server;
    this.#peers = this.#keys.map(({ publicKey }, client) => {
      const peer = server.addPeer({ publicKey, presharedKey: null, initiates: false }, this.now);
      this.#byKeys.set(peer, client);
      return new End(this.#share, peer, false, (link, octets) => {
        this.#spend(SEND_MS);
        this.#put(this.#down, { octets, client, link });
      });
    });
    this.handshakes.length = 0;
  }

  /** It ends without a word. */
  killServer(): void {
    this.#server = null;
    this.#peers = [];
    this.#byKeys.clear();
  }

  /** Until all clients have all their paths. @returns how long that took; at most `mostMs` */
  untilThere(mostMs: number): number {
    const begun = this.now;
    while (this.now - begun < mostMs && this.there < this.clients.length) this.run(10);
    return this.now - begun;
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now = instant(this.now + 1)) this.#step();
  }

  #spend(ms: number): void {
    this.#busyUntil += ms * (this.#options.slowness ?? 1);
  }

  #put(way: Map<number, Datagram[]>, datagram: Datagram): void {
    const at = this.now + DELAY_MS;
    const others = way.get(at);
    if (others === undefined) way.set(at, [datagram]);
    else others.push(datagram);
  }

  #step(): void {
    const { now } = this;
    for (const datagram of take(this.#down, now)) this.#toClient(datagram);
    for (const client of this.clients) if (client.dueAt <= now) client.turn(now);
    const server = this.#server;
    for (const datagram of take(this.#up, now)) {
      if (this.#waiting.length < ROOM && isFor(server, datagram.octets)) this.#waiting.push(datagram);
    }
    if (server === null) {
      this.#waiting.length = 0;
      return;
    }
    this.#busyUntil = Math.max(this.#busyUntil, now);
    while (this.#busyUntil < now + 1) {
      const { links } = this.#options;
      const batch = this.#waiting.splice(0, BATCH);
      if (batch.length === 0 && server.waiting === 0) break;
      for (const datagram of batch) this.#toServer(server, datagram);
      for (let left = this.#waiting.length > 0 ? 1 : 2; left > 0; left--) {
        const route = server.answerNext(now);
        if (route < 0) break;
        this.#sendReply(server, Math.floor(route / links), route % links);
      }
    }
    for (const peer of this.#peers) if (peer.dueAt <= now) peer.turn(now);
  }

  #toClient({ octets, client, link }: Datagram): void {
    const end = this.clients[client] as End;
    const endpoint = this.#endpoints[client] as Endpoint;
    if (endpoint.handleDatagram(octets, 0, octets.length, new Uint8Array(6), this.now) !== null)
      this.#handle(endpoint, end, octets, link);
    end.dueAt = this.now;
  }

  #toServer(server: Endpoint, { octets, client, link }: Datagram): void {
    const source = Uint8Array.of(client >> 8, client & 255, ...this.#options.addressOf(client, link));
    const route = client * this.#options.links + link;
    const keys = server.handleDatagram(octets, 0, octets.length, source, this.now, route);
    this.#spend(keys === null ? LOOK_MS : RECEIVE_MS);
    if (keys !== null) {
      const end = this.#peers[this.#byKeys.get(keys) as number] as End;
      this.#handle(server, end, octets, link);
      end.dueAt = this.now;
      return;
    }
    this.#sendReply(server, client, link);
  }

  #sendReply(server: Endpoint, client: number, link: number): void {
    const reply = new Uint8Array(152);
    const length = server.pollReply(reply);
    if (length === 0) return;
    this.#spend(SEND_MS);
    this.#put(this.#down, { octets: reply.slice(0, length), client, link });
  }

  #handle(endpoint: Endpoint, { bundle }: End, octets: Uint8Array, link: number): void {
    const { openedLink, openedIndex, openedCounter } = endpoint;
    if (openedLink === KEY_LINK) {
      bundle.keyRoute = link;
      return;
    }
    const { slots, memory } = this.#share;
    const slot = slots.small.take();
    assert.ok(slot >= 0);
    const from = slots.offsetOf(slot);
    memory.octets.set(octets, from);
    const length = octets.length - TRANSPORT.overhead;
    const content = from + TRANSPORT.sealed;
    bundle.handleContent(
      openedLink,
      openedIndex,
      openedCounter,
      link,
      HEADERS,
      slot,
      content,
      length,
      true,
      this.now,
    );
    slots.release(slot);
  }
}

/** What the filter at the server's socket lets through: indices of before it began are others'. */
const isFor = (server: Endpoint | null, octets: Uint8Array): boolean =>
  octets[0] !== TRANSPORT_TYPE || readIndex(octets, TRANSPORT.receiver) >>> 16 === server?.tag;

function take(way: Map<number, Datagram[]>, at: number): readonly Datagram[] {
  const datagrams = way.get(at) ?? [];
  way.delete(at);
  return datagrams;
}
