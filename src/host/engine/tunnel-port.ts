import { Endpoint } from "../../crypto/endpoint.ts";
import { keyText } from "../../crypto/key-text.ts";
import type { Peer, PeerEvent } from "../../crypto/peer.ts";
import { EqlError } from "../../errors.ts";
import { type Instant, instant } from "../../time.ts";
import type { Path } from "../../tunnel/path.ts";
import { RunTable } from "../../tunnel/run-table.ts";
import { type BundleShare, SCRATCH_OCTETS } from "../../tunnel/share.ts";
import { SlotPools, Slots } from "../../tunnel/slots.ts";
import { Coalescer } from "../../wire/coalescer.ts";
import { parsePrefix } from "../../wire/ip-address.ts";
import { flowHash } from "../../wire/ip-packet.ts";
import { PrefixTable } from "../../wire/prefix-table.ts";
import { SEGMENT_LIMIT, Segments } from "../../wire/segments.ts";
import { KEY_LINK, TRANSPORT } from "../../wire/tunnel-datagram.ts";
import { monotonicNow } from "../clock.ts";
import { datagramFilter } from "../datagram-filter.ts";
import { EMSGSIZE, nativeBuffer } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import { OffloadTun } from "../offload-tun.ts";
import { fasterCipher, tunnelCrypto } from "../tunnel-crypto.ts";
import { UdpSocket } from "../udp-socket.ts";
import { DatagramIntake } from "./datagram-intake.ts";
import { DatagramOutbox } from "./datagram-outbox.ts";
import { DueHeap } from "./due-heap.ts";
import type { EngineEvent } from "./messages.ts";
import { Routes } from "./routes.ts";
import type {
  EngineTunnelStatus,
  PathSettings,
  TunnelPeerChange,
  TunnelPeerSettings,
  TunnelSettings,
} from "./tunnel-messages.ts";
import { type PacketSink, TunnelPeer, type TunnelPeerEvents } from "./tunnel-peer.ts";
import type { Watcher } from "./watcher.ts";

const BIG_SLOTS = 768;
const BIG_SLOT = 65_536 + 256;
const SMALL_SLOTS = 4096;
const SMALL_SLOT = 2048;
const STAGING = 4 << 20;
/** Before the virtio-net header of a packet from the interface. */
const HEADROOM = 64;
const NET_HEADER = 10;
/** Runs and batches read in one go before others get their turn. */
const TUN_BATCH = 16;
const SOCKET_BATCH = 4;
/** How long nothing is missed of peers while what has come is still being read. */
const MOST_BEHIND_MS = 500;
/** A slot with less in it is not held for long: what has to wait is copied. */
const CROWDED_OCTETS = 16_384;
/** Octets of a handshake datagram. */
const LONGEST_REPLY = 152;
const IPV4_HEADERS = 28;
const IPV6_HEADERS = 48;

/**
 * An interface whose packets go by UDP paths to peers: one peer that is called, or many that call.
 *
 * 1. What the kernel sends is read as runs, goes to the peer that its destination belongs to, and into that one's bundle.
 * 2. Datagrams are opened where they were received; what is in order is put together to runs again, and written to the kernel.
 * 3. At the end of each turn of the engine, peers that something has happened to are turned, and all that they have written is sent.
 */
export class TunnelPort implements PacketSink, TunnelPeerEvents {
  readonly name: string;
  readonly index: number;
  readonly #settings: TunnelSettings;
  readonly #watcher: Watcher;
  readonly #netlink: Netlink;
  readonly #emit: (event: EngineEvent) => void;
  readonly #memory = nativeBuffer(SCRATCH_OCTETS + STAGING + BIG_SLOTS * BIG_SLOT + SMALL_SLOTS * SMALL_SLOT);
  readonly #slots: SlotPools;
  readonly #share: BundleShare;
  readonly #tun: OffloadTun;
  readonly #endpoint: Endpoint;
  readonly #publicKey: Uint8Array;
  readonly #routes = new Routes();
  readonly #intake: DatagramIntake;
  readonly #outbox: DatagramOutbox;
  readonly #coalescer: Coalescer;
  readonly #networks = new PrefixTable();
  readonly #peers = new Map<string, TunnelPeer>();
  readonly #byPeer = new Map<Peer, TunnelPeer>();
  /** By their ids; in all of them. */
  readonly #byId: (TunnelPeer | undefined)[] = [];
  readonly #all: TunnelPeer[] = [];
  /** When they want to be turned: most of many are silent. */
  readonly #due = new DueHeap<TunnelPeer>();
  readonly #turning: TunnelPeer[] = [];
  /** Those that this end calls. */
  readonly #called: TunnelPeer[] = [];
  readonly #listening: UdpSocket[] = [];
  readonly #sockets = new Map<string, UdpSocket[]>();
  readonly #reply = new Uint8Array(LONGEST_REPLY);
  readonly #seed: number;
  readonly drops = { noPeer: 0, malformed: 0, noSlot: 0 };
  #lastStranger: Uint8Array | null = null;
  /** More has come than was read in this turn. */
  #isBehind = false;
  /** When all that had come was read. */
  #readAt: Instant = instant(0);

  constructor(
    settings: TunnelSettings,
    watcher: Watcher,
    netlink: Netlink,
    emit: (event: EngineEvent) => void,
    seed: number,
  ) {
    this.#settings = settings;
    this.name = settings.name;
    this.#watcher = watcher;
    this.#netlink = netlink;
    this.#emit = emit;
    this.#seed = seed;
    const memory = this.#memory;
    const bigFrom = SCRATCH_OCTETS + STAGING;
    this.#slots = new SlotPools(
      new Slots(0, bigFrom, BIG_SLOT, BIG_SLOTS),
      new Slots(BIG_SLOTS, bigFrom + BIG_SLOTS * BIG_SLOT, SMALL_SLOT, SMALL_SLOTS),
    );
    const primitives = tunnelCrypto(memory);
    this.#share = {
      memory,
      slots: this.#slots,
      runs: new RunTable(this.#slots),
      segments: new Segments(),
      scratch: 0,
      fillRandom: (into) => primitives.fillRandom(into),
    };
    const key = primitives.keyPair(settings.privateKey);
    this.#publicKey = key.publicKey;
    this.#endpoint = new Endpoint(primitives, {
      key,
      cipher: fasterCipher(),
      tagged: settings.listen.length > 0,
    });
    this.#intake = new DatagramIntake(memory, this.#slots, this.#routes);
    this.#outbox = new DatagramOutbox(memory, SCRATCH_OCTETS, STAGING, this.#routes, {
      failed: (route, errno) => this.#handleFailed(route, errno),
    });
    this.#tun = new OffloadTun(settings.name, memory);
    this.#coalescer = new Coalescer(memory, this.#tun, this.#slots, this.#tun);
    try {
      this.index = netlink.interface(settings.name)?.index ?? 0;
      netlink.setMtu(this.index, settings.mtu);
      netlink.setSegmentLimit(this.index, SEGMENT_LIMIT);
      netlink.disableGeneratedAddresses(this.index);
      const filter = datagramFilter(this.#endpoint.mark, this.#endpoint.tag);
      for (const address of settings.listen) {
        const socket = this.#open(null, address);
        this.#listening.push(socket);
        socket.attachFilter(filter);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    watcher.watch(this.#tun.fd, (_events, now) => this.#handleTun(now));
  }

  get dueAt(): Instant {
    return this.#due.dueAt;
  }

  /** The end of a turn of the engine. */
  turn(now: Instant): void {
    this.#coalescer.flush();
    const turning = this.#turning;
    if (!this.#isBehind) this.#readAt = now;
    // What is missing of a peer may have come, and not been read.
    const isLate = now - this.#readAt > MOST_BEHIND_MS;
    const until = this.#isBehind && !isLate ? instant(0) : now;
    this.#isBehind = false;
    // First all of them: one that is due again at once is for the next turn.
    for (let peer = this.#due.takeDue(until); peer !== undefined; peer = this.#due.takeDue(until))
      turning.push(peer);
    for (let i = 0; i < turning.length; i++) {
      const peer = turning[i] as TunnelPeer;
      peer.turn(this.#outbox, now, until);
      this.#due.set(peer, peer.dueAt);
    }
    turning.length = 0;
    // What was waited for and given up has let others go.
    this.#coalescer.flush();
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
    let id = this.#byId.indexOf(undefined);
    if (id < 0) id = this.#byId.length;
    const peer = new TunnelPeer(settings, id, keys, this.#share, this, this.#routes, this, this.#seed + id);
    this.#byId[id] = peer;
    this.#peers.set(settings.peer, peer);
    this.#byPeer.set(keys, peer);
    this.#all.push(peer);
    if (initiates) this.#called.push(peer);
    this.#mark(peer);
    this.#lead(peer);
  }

  removePeer(name: string, now: Instant): void {
    const peer = this.#peer(name);
    peer.bundle.sayFarewell();
    peer.turn(this.#outbox, now);
    this.#outbox.flush();
    for (const path of peer.paths.keys()) this.removePath(name, path);
    peer.close();
    this.#endpoint.removePeer(peer.settings.publicKey);
    this.#networks.remove(peer.id);
    this.#byId[peer.id] = undefined;
    this.#peers.delete(name);
    this.#byPeer.delete(peer.peer);
    this.#all.splice(this.#all.indexOf(peer), 1);
    const called = this.#called.indexOf(peer);
    if (called >= 0) this.#called.splice(called, 1);
    this.#due.remove(peer);
  }

  changePeer(name: string, change: TunnelPeerChange): void {
    const peer = this.#peer(name);
    peer.change(change);
    this.#mark(peer);
    if (change.networks === undefined) return;
    this.#networks.remove(peer.id);
    this.#lead(peer);
  }

  /** From now on a peer's networks lead to it. */
  #lead({ id, settings }: TunnelPeer): void {
    for (const network of settings.networks) {
      const prefix = parsePrefix(network);
      if (prefix !== null) this.#networks.set(prefix, id);
    }
    // What was another's own may not be any more.
    for (const peer of this.#all) peer.lastSource = 0;
  }

  /** @throws EqlError PATH_EXISTS, PEER_UNKNOWN, and as UdpSocket */
  addPath(settings: PathSettings, now: Instant): void {
    const peer = this.#peer(settings.peer);
    const name = `${settings.peer}/${settings.path}`;
    const details = { tunnel: this.name, peer: settings.peer, path: settings.path };
    if (this.#sockets.has(name)) {
      throw new EqlError("PATH_EXISTS", `There is a path ${settings.path} already`, { details });
    }
    const sockets: UdpSocket[] = [];
    const routes: number[] = [];
    try {
      for (const server of settings.servers.length > 0 ? settings.servers : peer.settings.servers) {
        const family = server.startsWith("[") ? 6 : 4;
        if (settings.address !== null && settings.address.includes(":") !== (family === 6)) continue;
        let socket = sockets.find((each) => each.family === family);
        if (socket === undefined) {
          socket = this.#openPath(settings, family);
          sockets.push(socket);
        }
        routes.push(this.#routes.routeFor(socket, server, null));
      }
      if (!peer.addPath(settings, routes, now)) {
        throw new EqlError("PATHS_FULL", `${settings.peer} has as many paths as it can have`, { details });
      }
    } catch (error) {
      for (const socket of sockets) this.#close(socket);
      throw error;
    }
    this.#sockets.set(name, sockets);
    this.#mark(peer);
  }

  removePath(peerName: string, path: string): void {
    const peer = this.#peer(peerName);
    for (const route of peer.removePath(path)) this.#routes.release(route);
    this.#mark(peer);
    const name = `${peerName}/${path}`;
    for (const socket of this.#sockets.get(name) ?? []) this.#close(socket);
    this.#sockets.delete(name);
  }

  /** @throws EqlError PATH_UNKNOWN */
  changePath(settings: PathSettings): void {
    const peer = this.#peer(settings.peer);
    this.#mark(peer);
    if (peer.changePath(settings)) return;
    throw new EqlError("PATH_UNKNOWN", `${settings.peer} has no path ${settings.path}`, {
      details: { tunnel: this.name, peer: settings.peer, path: settings.path },
    });
  }

  close(now: Instant | null = null): void {
    if (now !== null) for (const name of this.#peers.keys()) this.removePeer(name, now);
    for (const socket of this.#listening.splice(0)) this.#close(socket);
    this.#watcher.unwatch(this.#tun.fd);
    this.#tun.close();
  }

  status(now: Instant): EngineTunnelStatus {
    const found = this.#netlink.interface(this.name);
    return {
      name: this.name,
      up: found?.up ?? false,
      mtu: found?.mtu ?? this.#settings.mtu,
      publicKey: keyText(this.#publicKey),
      listen: this.#settings.listen,
      peers: this.#all.map((peer) => peer.status(now)),
      drops: {
        ...this.drops,
        ...this.#endpoint.drops,
        filtered: this.#listening.reduce((sum, socket) => sum + socket.dropped, 0),
      },
    };
  }

  deliver(peer: TunnelPeer, slot: number, from: number, length: number, vouched: boolean): void {
    if (!this.#isOwnSource(peer, from, length)) {
      peer.foreignSources++;
      return;
    }
    peer.receivedPackets++;
    peer.receivedOctets += length;
    this.#coalescer.take(slot, from, length, vouched);
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

  /** Something has happened to a peer: it is turned at the end of this turn. */
  #mark(peer: TunnelPeer): void {
    this.#due.set(peer, instant(0));
  }

  #handleTun(now: Instant): void {
    for (let i = 0; i < TUN_BATCH; i++) if (!this.#readRun(now)) return;
  }

  /** @returns false: there is nothing more to read */
  #readRun(now: Instant): boolean {
    const { octets } = this.#memory;
    const slots = this.#slots;
    let slot = slots.big.take();
    if (slot < 0) {
      // It is lost, as from a full queue.
      this.drops.noSlot++;
      return this.#tun.discard();
    }
    let from = slots.offsetOf(slot) + HEADROOM + NET_HEADER;
    const length = this.#tun.read(from);
    if (length <= 0) {
      slots.release(slot);
      return false;
    }
    const { segments, runs } = this.#share;
    const peer = this.#peerFor(from, length);
    if (peer === undefined || !segments.read(this.#memory, from, length)) {
      if (peer === undefined) this.drops.noPeer++;
      else this.drops.malformed++;
      slots.release(slot);
      return true;
    }
    const { count, headLength, segmentOctets, vouched } = segments;
    if (count === 1 && length <= SMALL_SLOT - 128) {
      const small = slots.small.take();
      if (small >= 0) {
        const to = slots.offsetOf(small) + HEADROOM;
        octets.copyWithin(to, from, from + length);
        slots.release(slot);
        slot = small;
        from = to;
      }
    }
    const hash = flowHash(octets, from, length, this.#seed);
    const run = runs.add(slot, from, length, count, headLength, segmentOctets, vouched);
    peer.bundle.enqueue(run, hash, now);
    this.#mark(peer);
    return true;
  }

  #peerFor(from: number, length: number): TunnelPeer | undefined {
    const { octets } = this.#memory;
    if (length < 20) return undefined;
    const id =
      (octets[from] as number) >> 4 === 4
        ? this.#networks.lookup(octets, from + 16, 4)
        : length < 40
          ? -1
          : this.#networks.lookup(octets, from + 24, 16);
    return id < 0 ? undefined : this.#byId[id];
  }

  #isOwnSource(peer: TunnelPeer, from: number, length: number): boolean {
    const { octets, view } = this.#memory;
    if (length < 20) return false;
    if ((octets[from] as number) >> 4 === 4) {
      const source = view.getUint32(from + 12);
      if (source === peer.lastSource) return true;
      if (this.#networks.lookup(octets, from + 12, 4) !== peer.id) return false;
      peer.lastSource = source;
      return true;
    }
    return length >= 40 && this.#networks.lookup(octets, from + 8, 16) === peer.id;
  }

  #handleSocket(socket: UdpSocket, now: Instant): void {
    const intake = this.#intake;
    for (let batch = 0; batch < SOCKET_BATCH; batch++) {
      const count = intake.read(socket);
      for (let i = 0; i < count; i++) {
        const slot = intake.slotOf(i);
        const route = intake.routeOf(i);
        const from = intake.fromOf(i);
        const length = intake.lengthOf(i);
        const segment = intake.segmentOf(i) || length;
        const headers = socket.family === 6 ? IPV6_HEADERS : IPV4_HEADERS;
        for (let at = 0; at < length; at += segment) {
          const size = length - at < segment ? length - at : segment;
          this.#handleDatagram(slot, route, headers, from + at, size, length >= CROWDED_OCTETS, now);
        }
        this.#slots.release(slot);
      }
      this.#coalescer.flush();
      if (!intake.isMore) return;
    }
    this.#isBehind = true;
  }

  #handleDatagram(
    slot: number,
    route: number,
    headers: number,
    from: number,
    length: number,
    isCrowded: boolean,
    now: Instant,
  ): void {
    const endpoint = this.#endpoint;
    const keys = endpoint.handleDatagram(
      this.#memory.octets,
      from,
      length,
      this.#routes.sourceOctets(route),
      now,
    );
    if (keys === null) {
      this.#handleHandshake(route);
      return;
    }
    const peer = this.#byPeer.get(keys);
    if (peer === undefined) return;
    this.#routes.confirm(route);
    this.#mark(peer);
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

  #handleHandshake(route: number): void {
    const endpoint = this.#endpoint;
    const length = endpoint.pollReply(this.#reply);
    if (length > 0) {
      const at = this.#outbox.reserve(route, length);
      if (at >= 0) {
        this.#memory.octets.set(this.#reply.subarray(0, length), at);
        this.#outbox.commit(length);
        this.#outbox.flush();
      }
    }
    for (let i = 0; i < this.#called.length; i++) this.#mark(this.#called[i] as TunnelPeer);
    const { stranger } = endpoint;
    if (stranger === null || stranger === this.#lastStranger) return;
    this.#lastStranger = stranger;
    this.#emit({ type: "stranger", tunnel: this.name, publicKey: keyText(stranger) });
  }

  /** What could not be sent counts as lost; only of its length can anything be learnt. */
  #handleFailed(route: number, errno: number): void {
    if (errno !== EMSGSIZE) return;
    const now = monotonicNow();
    for (const peer of this.#all) {
      if (!peer.bundle.handleTooLong(route, now)) continue;
      this.#mark(peer);
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

  #openPath(settings: PathSettings, family: 4 | 6): UdpSocket {
    return this.#watch(
      new UdpSocket({ family, device: settings.device, address: settings.address, port: 0 }),
    );
  }

  #open(device: string | null, listen: string): UdpSocket {
    const colon = listen.lastIndexOf(":");
    const address = listen.slice(0, colon).replace(/^\[|\]$/g, "");
    const family = address.includes(":") ? 6 : 4;
    return this.#watch(new UdpSocket({ family, device, address, port: Number(listen.slice(colon + 1)) }));
  }

  #watch(socket: UdpSocket): UdpSocket {
    this.#watcher.watch(socket.fd, (_events, now) => this.#handleSocket(socket, now));
    return socket;
  }

  #close(socket: UdpSocket): void {
    this.#watcher.unwatch(socket.fd);
    socket.close();
  }
}
