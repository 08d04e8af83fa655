import { Endpoint } from "../../crypto/endpoint.ts";
import { keyText } from "../../crypto/key-text.ts";
import type { Peer, PeerEvent } from "../../crypto/peer.ts";
import { EqlError } from "../../errors.ts";
import { type Instant, instant } from "../../time.ts";
import type { Path } from "../../tunnel/path.ts";
import { KEY_LINK, TRANSPORT } from "../../wire/tunnel-datagram.ts";
import { monotonicNow } from "../clock.ts";
import { datagramFilter } from "../datagram-filter.ts";
import { EMSGSIZE } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import { fasterCipher } from "../tunnel-crypto.ts";
import { DatagramOutbox } from "./datagram-outbox.ts";
import type { EngineEvent } from "./messages.ts";
import { Routes } from "./routes.ts";
import { TunnelInterface } from "./tunnel-interface.ts";
import type {
  EngineTunnelStatus,
  PathSettings,
  TunnelPeerChange,
  TunnelPeerSettings,
  TunnelSettings,
} from "./tunnel-messages.ts";
import { TunnelPeer, type TunnelPeerEvents } from "./tunnel-peer.ts";
import { type DatagramSink, TunnelSockets } from "./tunnel-sockets.ts";
import { STAGING, STAGING_FROM, TunnelSpace } from "./tunnel-space.ts";
import { TunnelTurns } from "./tunnel-turns.ts";
import type { Watcher } from "./watcher.ts";

/** Octets of a handshake datagram. */
const LONGEST_REPLY = 152;
/** Initiations that are answered in a turn, half a millisecond each on a fast machine; one when more came than could be read. */
const ANSWERS_A_TURN = 2;

/**
 * An interface whose packets go by UDP paths to peers: one peer that is called, or many that call.
 *
 * 1. What the kernel sends is read as runs, goes to the peer that its destination belongs to, and into that one's bundle.
 * 2. Datagrams are opened where they were received; what is in order is put together to runs again, and written to the kernel.
 * 3. At the end of each turn of the engine, peers that something has happened to are turned, and all that they have written is sent.
 */
export class TunnelPort implements DatagramSink, TunnelPeerEvents {
  readonly name: string;
  readonly index: number;
  readonly #settings: TunnelSettings;
  readonly #netlink: Netlink;
  readonly #emit: (event: EngineEvent) => void;
  readonly #space = new TunnelSpace();
  readonly #routes = new Routes();
  readonly #endpoint: Endpoint;
  readonly #publicKey: Uint8Array;
  readonly #interface: TunnelInterface;
  readonly #sockets: TunnelSockets;
  readonly #outbox: DatagramOutbox;
  readonly #turns = new TunnelTurns();
  readonly #peers = new Map<string, TunnelPeer>();
  readonly #byKeys = new Map<Peer, TunnelPeer>();
  /** Those that this end calls. */
  readonly #called = new Set<TunnelPeer>();
  readonly #reply = new Uint8Array(LONGEST_REPLY);
  readonly #seed: number;
  #lastStranger: Uint8Array | null = null;

  constructor(
    settings: TunnelSettings,
    watcher: Watcher,
    netlink: Netlink,
    emit: (event: EngineEvent) => void,
    seed: number,
  ) {
    this.#settings = settings;
    this.name = settings.name;
    this.#netlink = netlink;
    this.#emit = emit;
    this.#seed = seed;
    const space = this.#space;
    const key = space.primitives.keyPair(settings.privateKey);
    this.#publicKey = key.publicKey;
    const tagged = settings.listen.length > 0;
    this.#endpoint = new Endpoint(space.primitives, { key, cipher: fasterCipher(), tagged });
    this.#sockets = new TunnelSockets(settings.name, watcher, space, this.#routes, this);
    this.#outbox = new DatagramOutbox(space.memory, STAGING_FROM, STAGING, this.#routes, {
      failed: (route, errno) => this.#handleFailed(route, errno),
    });
    const enqueued = (peer: TunnelPeer): void => this.#turns.mark(peer);
    this.#interface = new TunnelInterface(settings.name, watcher, space, seed, enqueued);
    try {
      this.index = this.#interface.begin(settings.name, settings.mtu, netlink);
      const filter = datagramFilter(this.#endpoint.mark, this.#endpoint.tag);
      for (const address of settings.listen) this.#sockets.listen(address, filter);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get dueAt(): Instant {
    return this.#endpoint.waiting > 0 ? instant(0) : this.#turns.dueAt;
  }

  /** The end of a turn of the engine. @param readUntil what had come by then was read, but for what sockets are behind with */
  turn(now: Instant, readUntil: Instant): void {
    this.#interface.flush();
    this.#answer(this.#sockets.isBehind ? 1 : ANSWERS_A_TURN, now);
    this.#turns.turn(this.#outbox, this.#sockets.isBehind, now, readUntil);
    this.#sockets.isBehind = false;
    // What was waited for and given up has let others go.
    this.#interface.flush();
    this.#outbox.flush();
  }

  /** @throws EqlError PEER_EXISTS */
  addPeer(settings: TunnelPeerSettings, now: Instant): void {
    if (this.#peers.has(settings.peer)) {
      throw new EqlError("PEER_EXISTS", `${this.name} has a peer ${settings.peer} already`, {
        details: { tunnel: this.name, peer: settings.peer },
      });
    }
    const { publicKey, presharedKey, servers } = settings;
    const initiates = servers.length > 0;
    const keys = this.#endpoint.addPeer({ publicKey, presharedKey, initiates }, now);
    const id = this.#interface.freeId;
    const { share } = this.#space;
    const seed = this.#seed + id;
    const peer = new TunnelPeer(settings, id, keys, share, this.#interface, this.#routes, this, seed);
    this.#peers.set(settings.peer, peer);
    this.#byKeys.set(keys, peer);
    if (initiates) this.#called.add(peer);
    this.#interface.lead(peer);
    this.#turns.mark(peer);
  }

  removePeer(name: string, now: Instant): void {
    const peer = this.#peer(name);
    peer.bundle.sayFarewell();
    peer.turn(this.#outbox, now);
    this.#outbox.flush();
    for (const path of peer.paths.keys()) this.removePath(name, path);
    peer.close();
    this.#endpoint.removePeer(peer.settings.publicKey);
    this.#interface.remove(peer);
    this.#peers.delete(name);
    this.#byKeys.delete(peer.peer);
    this.#called.delete(peer);
    this.#turns.remove(peer);
  }

  changePeer(name: string, change: TunnelPeerChange): void {
    const peer = this.#peer(name);
    peer.change(change);
    if (change.networks !== undefined) this.#interface.lead(peer);
    this.#turns.mark(peer);
  }

  /** @throws EqlError PATH_EXISTS, PATHS_FULL, PEER_UNKNOWN, and as UdpSocket */
  addPath(settings: PathSettings, now: Instant): void {
    const peer = this.#peer(settings.peer);
    const servers = settings.servers.length > 0 ? settings.servers : peer.settings.servers;
    const routes = this.#sockets.openPath(settings, servers);
    if (!peer.addPath(settings, routes, now)) {
      for (const route of routes) this.#routes.release(route);
      this.#sockets.closePath(settings.peer, settings.path);
      throw new EqlError("PATHS_FULL", `${settings.peer} has as many paths as it can have`, {
        details: { tunnel: this.name, peer: settings.peer, path: settings.path },
      });
    }
    this.#turns.mark(peer);
  }

  removePath(peerName: string, path: string): void {
    const peer = this.#peer(peerName);
    for (const route of peer.removePath(path)) this.#routes.release(route);
    this.#turns.mark(peer);
    this.#sockets.closePath(peerName, path);
  }

  /** @throws EqlError PATH_UNKNOWN */
  changePath(settings: PathSettings): void {
    const peer = this.#peer(settings.peer);
    this.#turns.mark(peer);
    if (peer.changePath(settings)) return;
    throw new EqlError("PATH_UNKNOWN", `${settings.peer} has no path ${settings.path}`, {
      details: { tunnel: this.name, peer: settings.peer, path: settings.path },
    });
  }

  close(now: Instant | null = null): void {
    if (now !== null) for (const name of this.#peers.keys()) this.removePeer(name, now);
    this.#sockets.close();
    this.#interface.close();
  }

  status(now: Instant): EngineTunnelStatus {
    const found = this.#netlink.interface(this.name);
    return {
      name: this.name,
      up: found?.up ?? false,
      mtu: found?.mtu ?? this.#settings.mtu,
      publicKey: keyText(this.#publicKey),
      listen: this.#settings.listen,
      peers: [...this.#peers.values()].map((peer) => peer.status(now)),
      drops: this.#drops(),
    };
  }

  #drops(): Record<string, number> {
    const { noPeer, malformed, noSlot } = this.#interface.drops;
    const { drops } = this.#endpoint;
    const received = this.#sockets.drops;
    return {
      ...drops,
      ...this.#outbox.drops,
      noPeer,
      malformed: malformed + drops.malformed,
      noSlot: noSlot + received.noSlot,
      undelivered: this.#interface.undelivered,
      filtered: this.#sockets.filtered,
      cutOff: received.tooLong,
      routesFull: received.noRoute,
    };
  }

  peerChanged(peer: TunnelPeer, change: PeerEvent): void {
    if (change !== "rekeyed") this.#emit({ type: "tunnelPeer", tunnel: this.name, peer: peer.name, change });
  }

  pathChanged(peer: TunnelPeer, path: Path): void {
    this.#emit({
      type: "path",
      tunnel: this.name,
      peer: peer.name,
      path: peer.nameOf(path),
      state: path.state,
      remote: peer.remoteOf(path),
    });
  }

  handleDatagram(from: number, length: number, now: Instant): void {
    const { slot, route, headers, isCrowded } = this.#sockets;
    const endpoint = this.#endpoint;
    const { octets } = this.#space.memory;
    const source = this.#routes.sourceOctets(route);
    const keys = endpoint.handleDatagram(octets, from, length, source, now, route);
    if (endpoint.isRouteKept) this.#routes.hold(route);
    if (keys === null) {
      this.#handleHandshake(route);
      return;
    }
    const peer = this.#byKeys.get(keys);
    if (peer === undefined) return;
    this.#routes.confirm(route);
    this.#turns.mark(peer);
    if (endpoint.openedLink === KEY_LINK) {
      peer.bundle.keyRoute = route;
      return;
    }
    const content = from + TRANSPORT.sealed;
    const size = length - TRANSPORT.overhead;
    peer.bundle.handleContent(
      endpoint.openedLink,
      endpoint.openedIndex,
      endpoint.openedCounter,
      route,
      headers,
      slot,
      content,
      size,
      isCrowded,
      now,
    );
  }

  endBatch(): void {
    this.#interface.flush();
  }

  /** Answers initiations that wait: who has a session does not wait for many that want one. */
  #answer(most: number, now: Instant): void {
    for (let left = most; left > 0; left--) {
      let route = this.#endpoint.answerNext(now);
      if (route < 0) return;
      for (; route >= 0; route = this.#endpoint.nextRoute()) {
        this.#handleHandshake(route);
        this.#routes.release(route);
      }
    }
  }

  #handleHandshake(route: number): void {
    const endpoint = this.#endpoint;
    const length = endpoint.pollReply(this.#reply);
    if (length > 0) {
      const at = this.#outbox.reserve(route, length);
      if (at >= 0) {
        this.#space.memory.octets.set(this.#reply.subarray(0, length), at);
        this.#outbox.commit(length);
        this.#outbox.flush();
      }
    }
    for (const peer of this.#called) this.#turns.mark(peer);
    const { stranger } = endpoint;
    if (stranger === null || stranger === this.#lastStranger) return;
    this.#lastStranger = stranger;
    this.#emit({ type: "stranger", tunnel: this.name, publicKey: keyText(stranger) });
  }

  /** What could not be sent counts as lost; only of its length can anything be learnt. */
  #handleFailed(route: number, errno: number): void {
    if (errno !== EMSGSIZE) return;
    const now = monotonicNow();
    for (const peer of this.#peers.values()) {
      if (!peer.bundle.handleTooLong(route, now)) continue;
      this.#turns.mark(peer);
      return;
    }
  }

  /** @throws EqlError PEER_UNKNOWN */
  #peer(name: string): TunnelPeer {
    const peer = this.#peers.get(name);
    if (peer !== undefined) return peer;
    throw new EqlError(
      "PEER_UNKNOWN",
      `${this.name} has no peer ${name}: \`eql status\` lists those that it has`,
      {
        details: { tunnel: this.name, peer: name },
      },
    );
  }
}
