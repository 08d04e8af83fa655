import type { Instant } from "../../time.ts";
import { Coalescer } from "../../wire/coalescer.ts";
import { parsePrefix } from "../../wire/ip-address.ts";
import { flowHash } from "../../wire/ip-packet.ts";
import { PrefixTable } from "../../wire/prefix-table.ts";
import { SEGMENT_LIMIT } from "../../wire/segments.ts";
import type { Netlink } from "../netlink.ts";
import { OffloadTun } from "../offload-tun.ts";
import type { PacketSink, TunnelPeer } from "./tunnel-peer.ts";
import type { TunnelSpace } from "./tunnel-space.ts";
import type { Watcher } from "./watcher.ts";

/** Before the virtio-net header of a packet from the interface. */
const HEADROOM = 64;
const NET_HEADER = 10;
/** Runs read in one go before others get their turn. */
const BATCH = 16;
/** Room that a packet in a small slot leaves. */
const SMALL_MARGIN = 128;

/** The network interface of a tunnel: which peer packets go to, and which ones each may send. */
export class TunnelInterface implements PacketSink {
  readonly drops = { noPeer: 0, malformed: 0, noSlot: 0 };
  readonly #space: TunnelSpace;
  readonly #watcher: Watcher;
  readonly #seed: number;
  /** Told of a peer that was given something to send. */
  readonly #enqueued: (peer: TunnelPeer) => void;
  readonly #tun: OffloadTun;
  readonly #coalescer: Coalescer;
  readonly #networks = new PrefixTable();
  /** By their ids. */
  readonly #peers: (TunnelPeer | undefined)[] = [];

  /** @throws EqlError as OffloadTun */
  constructor(
    name: string,
    watcher: Watcher,
    space: TunnelSpace,
    seed: number,
    enqueued: (peer: TunnelPeer) => void,
  ) {
    this.#space = space;
    this.#watcher = watcher;
    this.#seed = seed;
    this.#enqueued = enqueued;
    this.#tun = new OffloadTun(name, space.memory);
    this.#coalescer = new Coalescer(space.memory, this.#tun, space.slots, this.#tun);
  }

  /** @returns the index of the interface */
  begin(name: string, mtu: number, netlink: Netlink): number {
    const index = netlink.interface(name)?.index ?? 0;
    netlink.setMtu(index, mtu);
    netlink.setSegmentLimit(index, SEGMENT_LIMIT);
    netlink.disableGeneratedAddresses(index);
    this.#watcher.watch(this.#tun.fd, (_events, now) => this.#handleReadable(now));
    return index;
  }

  close(): void {
    this.#watcher.unwatch(this.#tun.fd);
    this.#tun.close();
  }

  /** Runs that the kernel did not take, because the interface was down. */
  get undelivered(): number {
    return this.#tun.unwritten;
  }

  /** An id that no peer has. */
  get freeId(): number {
    const id = this.#peers.indexOf(undefined);
    return id < 0 ? this.#peers.length : id;
  }

  /** From now on the networks of a peer lead to it, and no others do. */
  lead(peer: TunnelPeer): void {
    const { id, settings } = peer;
    this.#peers[id] = peer;
    this.#networks.remove(id);
    for (const network of settings.networks) {
      const prefix = parsePrefix(network);
      if (prefix !== null) this.#networks.set(prefix, id);
    }
    // What was another's own may not be any more.
    for (const each of this.#peers) if (each !== undefined) each.lastSource = 0;
  }

  remove({ id }: TunnelPeer): void {
    this.#networks.remove(id);
    this.#peers[id] = undefined;
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

  /** What was delivered goes to the kernel, if it has not yet. */
  flush(): void {
    this.#coalescer.flush();
  }

  #handleReadable(now: Instant): void {
    for (let i = 0; i < BATCH; i++) if (!this.#readRun(now)) return;
  }

  /** @returns false: there is nothing more to read */
  #readRun(now: Instant): boolean {
    const { memory, slots, share } = this.#space;
    const { octets } = memory;
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
    const { segments, runs } = share;
    const peer = this.#peerFor(from, length);
    if (peer === undefined || !segments.read(memory, from, length)) {
      if (peer === undefined) this.drops.noPeer++;
      else this.drops.malformed++;
      slots.release(slot);
      return true;
    }
    const { count, headLength, segmentOctets, vouched } = segments;
    if (count === 1 && length <= slots.small.size - SMALL_MARGIN) {
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
    if (peer.peer.session === null) peer.peer.want(now);
    this.#enqueued(peer);
    return true;
  }

  #peerFor(from: number, length: number): TunnelPeer | undefined {
    const { octets } = this.#space.memory;
    if (length < 20) return undefined;
    const id =
      (octets[from] as number) >> 4 === 4
        ? this.#networks.lookup(octets, from + 16, 4)
        : length < 40
          ? -1
          : this.#networks.lookup(octets, from + 24, 16);
    return id < 0 ? undefined : this.#peers[id];
  }

  #isOwnSource(peer: TunnelPeer, from: number, length: number): boolean {
    const { octets, view } = this.#space.memory;
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
}
