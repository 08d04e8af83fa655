import type { PathStatus, TunnelPeerStatus } from "../../control/messages.ts";
import { keyText } from "../../crypto/key-text.ts";
import type { Peer, PeerEvent } from "../../crypto/peer.ts";
import { TokenBucket } from "../../crypto/token-bucket.ts";
import { type Instant, NEVER } from "../../time.ts";
import type { Inlet, Outlet } from "../../tunnel/memory.ts";
import type { Path } from "../../tunnel/path.ts";
import { Redundancy } from "../../tunnel/redundancy.ts";
import type { BundleShare } from "../../tunnel/share.ts";
import { TunnelBundle } from "../../tunnel/tunnel-bundle.ts";
import type { Scheduled } from "./due-heap.ts";
import type { Routes } from "./routes.ts";
import type { PathSettings, TunnelPeerChange, TunnelPeerSettings } from "./tunnel-messages.ts";

/** A path that was asked so often in vain is tried with the next of the peer's addresses. */
const TRIES_AN_ADDRESS = 3;
/** One that was there is waited for before another address is asked. */
const LEAVE_MS = 1000;

/** A path of ours, with the ways to each of the peer's addresses. */
interface OwnPath {
  settings: PathSettings;
  readonly path: Path;
  /** One for each of the peer's addresses that can be reached. */
  readonly routes: readonly number[];
  next: number;
}

/** What a peer tells whoever has it. */
export interface TunnelPeerEvents {
  peerChanged(peer: TunnelPeer, change: PeerEvent): void;
  pathChanged(peer: TunnelPeer, path: Path): void;
}

/** A peer of a tunnel: its bundle, and the paths to it. */
export class TunnelPeer implements Inlet, Scheduled {
  readonly name: string;
  /** What its networks stand for in the table of them. */
  readonly id: number;
  readonly peer: Peer;
  readonly bundle: TunnelBundle;
  settings: TunnelPeerSettings;
  /** When it wants to be turned. */
  dueAt: Instant = NEVER;
  isDirty = true;
  place = -1;
  receivedPackets = 0;
  receivedOctets = 0;
  /** Packets that came from addresses that are not its own. */
  foreignSources = 0;
  /** The source that was last found to be its own; 0: none yet. */
  lastSource = 0;
  /** Octets that it may send; null: as many as it likes. */
  #receiving: TokenBucket | null;
  #overLimit = 0;
  readonly #sink: PacketSink;
  readonly #routes: Routes;
  readonly #events: TunnelPeerEvents;
  readonly #own = new Map<string, OwnPath>();
  /** Routes that paths go by. */
  readonly #held = new Map<Path, number>();

  constructor(
    settings: TunnelPeerSettings,
    id: number,
    peer: Peer,
    share: BundleShare,
    sink: PacketSink,
    routes: Routes,
    events: TunnelPeerEvents,
    seed: number,
  ) {
    this.settings = settings;
    this.name = settings.peer;
    this.id = id;
    this.peer = peer;
    this.#sink = sink;
    this.#routes = routes;
    this.#events = events;
    const { sendBps, receiveBps } = settings;
    this.#receiving = bucketOf(receiveBps);
    const calls = settings.servers.length > 0;
    this.bundle = new TunnelBundle(
      share,
      peer,
      this,
      { pathChanged: (path) => this.#handleChange(path) },
      { calls, redundant: settings.redundant },
      seed,
    );
    this.bundle.dispatch.limit = limitOf(sendBps);
  }

  change(change: TunnelPeerChange): void {
    const { sendBps, receiveBps, redundant } = change;
    this.settings = { ...this.settings, ...change };
    const { dispatch } = this.bundle;
    if (sendBps !== undefined) dispatch.limit = limitOf(sendBps);
    if (receiveBps !== undefined) this.#receiving = bucketOf(receiveBps);
    if (redundant !== undefined) dispatch.redundancy = new Redundancy(redundant);
  }

  deliver(slot: number, from: number, length: number, vouched: boolean, now: Instant): void {
    if (this.#receiving !== null && !this.#receiving.take(now, length)) {
      this.#overLimit++;
      return;
    }
    this.#sink.deliver(this, slot, from, length, vouched);
  }

  get paths(): ReadonlyMap<string, OwnPath> {
    return this.#own;
  }

  /** @param routes one for each of its addresses, in the order in which they are tried */
  addPath(settings: PathSettings, routes: readonly number[], now: Instant): boolean {
    const path = this.bundle.addPath();
    if (path === null) return false;
    const own: OwnPath = { settings, path, routes, next: 0 };
    this.#own.set(settings.path, own);
    apply(path, settings);
    this.#call(own, own.next, now);
    this.peer.hasten(now);
    this.isDirty = true;
    return true;
  }

  /** @returns the routes that are free now */
  removePath(name: string): readonly number[] {
    const own = this.#own.get(name);
    if (own === undefined) return [];
    this.#own.delete(name);
    this.bundle.removePath(own.path);
    this.#letGo(own.path);
    this.isDirty = true;
    return own.routes;
  }

  /** The peer is removed. */
  close(): void {
    for (const path of this.#held.keys()) this.#letGo(path);
    this.bundle.close();
  }

  #letGo(path: Path): void {
    const held = this.#held.get(path) ?? -1;
    if (held >= 0) this.#routes.release(held);
    this.#held.delete(path);
  }

  changePath(settings: PathSettings): boolean {
    const own = this.#own.get(settings.path);
    if (own === undefined) return false;
    own.settings = settings;
    apply(own.path, settings);
    own.path.tell(0 as Instant);
    this.isDirty = true;
    return true;
  }

  /** What was due by `until`, then all that is to be sent. */
  turn(outlet: Outlet, now: Instant, until: Instant = now): void {
    this.isDirty = false;
    const { bundle, peer } = this;
    if (this.dueAt <= until) bundle.handleTimeout(now);
    if (this.#own.size > 0) this.#tryAddresses(now);
    bundle.transmit(outlet, now);
    for (let event = peer.pollEvent(); event !== undefined; event = peer.pollEvent()) {
      this.#events.peerChanged(this, event);
      // What is to be sent now that there are keys.
      this.isDirty = true;
    }
    this.dueAt = this.isDirty ? now : bundle.pollTimeout(now);
  }

  nameOf(path: Path): string {
    for (const [name, own] of this.#own) if (own.path === path) return name;
    return `link ${path.link}`;
  }

  remoteOf(path: Path): string | null {
    return path.route < 0 ? null : this.#routes.remoteText(path.route);
  }

  status(now: Instant): TunnelPeerStatus {
    const { bundle, peer } = this;
    const { dispatch, lanesIn } = bundle;
    return {
      name: this.name,
      publicKey: keyText(this.settings.publicKey),
      session: peer.session === null ? "none" : "established",
      cipher: peer.session?.cipher ?? null,
      redundant: dispatch.redundancy.chosen,
      paths: bundle.paths.map((path) => this.#statusOf(path, now)),
      queue: { packets: dispatch.queue.packets, octets: dispatch.queue.octets },
      sent: { packets: dispatch.sentPackets, octets: dispatch.sentOctets, repeated: dispatch.repeated },
      received: { packets: this.receivedPackets, octets: this.receivedOctets },
      drops: {
        ...dispatch.drops,
        ...dispatch.queue.drops,
        ...lanesIn.drops,
        ...bundle.drops,
        foreignSource: this.foreignSources,
        overLimit: this.#overLimit,
      },
    };
  }

  /** Before there are keys all paths go round with the handshakes, afterwards each with its challenges. */
  #tryAddresses(now: Instant): void {
    for (const own of this.#own.values()) {
      const { path, routes } = own;
      if (routes.length < 2 || path.state === "alive") continue;
      if (this.peer.session === null) {
        const next = Math.max(0, this.peer.attempts - 1) % routes.length;
        if (next !== own.next) this.#call(own, next, now);
      } else if (
        path.candidate < 0 ? now - path.life.changedAt >= LEAVE_MS : path.proof.challenges > TRIES_AN_ADDRESS
      ) {
        let next = (own.next + 1) % routes.length;
        // Where it was it is asked anyway.
        if (routes[next] === path.route) next = (next + 1) % routes.length;
        this.#call(own, next, now);
      }
    }
  }

  #call(own: OwnPath, next: number, now: Instant): void {
    own.next = next;
    const route = own.routes[next];
    if (route === undefined) return;
    own.path.headers = this.#routes.isIpv6(route) ? 48 : 28;
    own.path.challenge(route, now);
  }

  /** The route of a path is its own as long as it goes by it. */
  #handleChange(path: Path): void {
    const held = this.#held.get(path) ?? -1;
    if (path.route !== held) {
      if (path.route >= 0) this.#routes.hold(path.route);
      if (held >= 0) this.#routes.release(held);
      if (path.route >= 0) this.#held.set(path, path.route);
      else this.#held.delete(path);
    }
    this.#events.pathChanged(this, path);
  }

  #statusOf(path: Path, now: Instant): PathStatus {
    const { rate } = path;
    const own = [...this.#own.values()].find((each) => each.path === path);
    return {
      name: this.nameOf(path),
      device: own?.settings.device ?? null,
      tier: path.tier,
      state: path.state,
      local: path.route < 0 ? null : this.#routes.localText(path.route),
      remote: this.remoteOf(path),
      rateBps: Math.round(rate.rate * 8000),
      roundTripMs: path.roundTrip.isMeasured ? path.smoothedMs : null,
      queueMs: path.isUsable(now) ? rate.queueMs : 0,
      loss: rate.lossRate,
      mtu: path.size,
      sent: { datagrams: path.sentDatagrams, octets: path.sentOctets, lost: path.lostDatagrams },
      received: { datagrams: path.receivedDatagrams, octets: path.receivedOctets },
    };
  }
}

/** Takes packets of peers. */
export interface PacketSink {
  deliver(peer: TunnelPeer, slot: number, from: number, length: number, vouched: boolean): void;
}

const bucketOf = (bps: number | null): TokenBucket | null =>
  bps === null ? null : new TokenBucket(bps / 8, burstOf(bps));

/** Octets a millisecond. */
const limitOf = (bps: number | null): number => (bps === null ? Number.POSITIVE_INFINITY : bps / 8000);

/** What is taken at once, octets: of a quarter of a second, so that the windows of TCP grow, and no less than a run. */
const burstOf = (bps: number): number => Math.max(65_536, bps / 32);

function apply(path: Path, settings: PathSettings): void {
  path.tier = settings.tier;
  path.rate.ceiling = settings.sendBps === null ? Number.POSITIVE_INFINITY : settings.sendBps / 8000;
  path.proof.receiveLimit = settings.receiveBps === null ? 0 : Math.ceil(settings.receiveBps / 1000);
}
