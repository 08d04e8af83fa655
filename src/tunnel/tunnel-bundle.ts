/**
 * All paths to one peer as one: the numbered bundle over UDP.
 *
 * 1. `enqueue`: runs of segments from the interface wait in the queue of `dispatch`, which sends them by paths.
 * 2. `handleContent`: what was opened is counted for its path; packets go to the lanes, and from them, in order, to the inlet.
 * 3. `transmit`, after each of these and at `pollTimeout`: handshakes, what paths have to say, reports of what came, packets.
 *
 * Both ends have a name, made anew with the bundle: by challenge and proof each path learns whom the other end takes it for. When the peer
 * has another name it began anew, and both number from 0.
 */
import type { Peer } from "../crypto/peer.ts";
import type { SessionKeys } from "../crypto/session-keys.ts";
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import {
  CONTROL,
  CONTROL_KINDS,
  DATA_HEADER,
  isControl,
  isFirstPart,
  isLastPart,
  isVouched,
  isWhole,
  LANES,
  laneOf,
  numberOf,
  PART_HEADER,
  partOffset,
} from "../wire/tunnel-content.ts";
import { MOST_LINKS, readIndex, TRANSPORT } from "../wire/tunnel-datagram.ts";
import { Report } from "../wire/tunnel-report.ts";
import { Dispatch } from "./dispatch.ts";
import { LanesIn } from "./lanes-in.ts";
import type { Inlet, Outlet } from "./memory.ts";
import { Path } from "./path.ts";
import type { Identities } from "./path-proof.ts";
import { Redundancy, type Redundant } from "./redundancy.ts";
import { type BundleShare, PADDING_SCRATCH } from "./share.ts";

/** What a bundle tells its host. */
export interface BundleEvents {
  /** The state of a path, or its route, has changed; or there is a new one. */
  pathChanged(path: Path): void;
}

export interface BundleSettings {
  /** This end knows where the peer is, and keeps paths up. */
  readonly calls: boolean;
  /** Which packets go by two paths. */
  readonly redundant: Redundant;
}

/** New keys are agreed on when nothing was heard for so long by any path: who began anew does not know these. */
const SILENCE_MS = 1000;
/** A peer does not begin anew more often; it says so more than once. */
const MEETING_MS = 200;
/** What waits is kept for so long without a path. */
const NO_PATH_MS = 2000;
const LEAST_PATIENCE_MS = 40;
const MOST_PATIENCE_MS = 2000;
const LONGEST_HANDSHAKE = 152;

export class TunnelBundle {
  readonly peer: Peer;
  readonly dispatch: Dispatch;
  readonly lanesIn: LanesIn;
  readonly paths: Path[] = [];
  /** `foreign`: by a link that there is not. `stale`: by a path that has not learnt yet who both ends are. */
  readonly drops = { malformed: 0, foreign: 0, stale: 0 };
  /** By which the last datagram about keys came; -1: none has. */
  keyRoute = -1;
  readonly #share: BundleShare;
  readonly #events: BundleEvents;
  readonly #calls: boolean;
  readonly #identities: Identities = { own: 0, peer: 0 };
  /** By the number of the link. */
  readonly #byLink: (Path | null)[] = Array.from({ length: MOST_LINKS }, () => null);
  readonly #report = new Report();
  readonly #handshake = new Uint8Array(LONGEST_HANDSHAKE);
  #session: SessionKeys | null = null;
  /** Index of this end in the session before it, and in the last one with the program that the peer was before; -1: there is none. */
  #sessionBefore = -1;
  #formerSession = -1;
  #isPending = true;
  #sessionAt: Instant = instant(0);
  #hastenedAt: Instant = instant(0);
  /** When there was a path last; at first, when there was something to send. */
  #aliveAt: Instant = NEVER;
  #metAt: Instant = instant(Number.NEGATIVE_INFINITY);

  constructor(
    share: BundleShare,
    peer: Peer,
    inlet: Inlet,
    events: BundleEvents,
    { calls, redundant }: BundleSettings,
    seed: number,
  ) {
    this.#share = share;
    this.peer = peer;
    this.#events = events;
    this.#calls = calls;
    this.dispatch = new Dispatch(share, this.paths, new Redundancy(redundant), seed);
    this.lanesIn = new LanesIn(share.slots, share.memory, inlet);
    this.#identities.own = this.#newName();
  }

  /** A path of a link that is free; it is asked who is there once it has a route to `challenge`. Null: there are as many as can be. */
  addPath(): Path | null {
    const link = this.#byLink.indexOf(null);
    return link < 0 ? null : this.#makePath(link);
  }

  /** What is under way on it is sent by others. */
  removePath(path: Path): void {
    this.#byLink[path.link] = null;
    this.paths.splice(this.paths.indexOf(path), 1);
    this.dispatch.retire(path);
    this.#isPending = true;
  }

  /** Takes a run, with the one reference that it has. `transmit` afterwards. */
  enqueue(run: number, hash: number, now: Instant): void {
    this.dispatch.queue.enqueue(run, hash, now);
  }

  /**
   * Takes what was opened: the content is `octets[from, from + length)` of the memory, in a slot that stays the caller's. `transmit` afterwards.
   * @param session the index of this end that the datagram was written to
   * @param headers octets of IP and UDP headers
   * @param isCrowded most of the slot is in use
   */
  handleContent(
    link: number,
    session: number,
    counter: number,
    route: number,
    headers: number,
    slot: number,
    from: number,
    length: number,
    isCrowded: boolean,
    now: Instant,
  ): void {
    const { octets } = this.#share.memory;
    const path = this.#byLink[link] ?? this.#foreignPath(link);
    if (path === null) {
      this.drops.foreign++;
      return;
    }
    const control = length > 1 && isControl(octets, from);
    const kind = control ? (octets[from + 1] as number) : 0;
    const whole = headers + TRANSPORT.overhead + length;
    path.handleArrival(route, session, counter, whole, kind === CONTROL_KINDS.proof, now);
    // It is not reported, so that it is sent again when it is not stale.
    if (!control && (!path.proof.isUnderstood || session === this.#formerSession)) {
      this.drops.stale++;
      this.#isPending = true;
      return;
    }
    path.arrivals.handle(session, counter, whole, now, !control || kind === CONTROL_KINDS.probe);
    if (control) {
      path.headers = headers;
      this.#handleControl(path, kind, route, session, from, from + length, now);
      this.#isPending = true;
    } else this.#handleData(slot, from, length, isCrowded, now);
  }

  handleTimeout(now: Instant): void {
    this.peer.handleTimeout(now);
    this.lanesIn.handleTimeout(now);
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Path;
      if (path.life.isGone(now)) {
        this.removePath(path);
        path.leave();
        this.#events.pathChanged(path);
        i--;
        continue;
      }
      if (!path.handleTimeout(now)) continue;
      this.dispatch.retire(path);
      this.#events.pathChanged(path);
      // It may be the peer that is not there any more.
      for (const other of this.paths) if (other.state === "alive") other.life.probe();
      if (this.#calls && !this.paths.some(({ state }) => state === "alive")) this.peer.hasten(now);
    }
    if (this.#calls && this.#session !== null) this.#renewInSilence(now);
  }

  /** Once in each silence: who is not answered asks again by itself. */
  #renewInSilence(now: Instant): void {
    let heardAt = this.#sessionAt;
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Path;
      if (path.state === "alive") return;
      if (path.life.heardAt > heardAt) heardAt = path.life.heardAt;
    }
    if (this.#hastenedAt >= heardAt || now < after(heardAt, SILENCE_MS)) return;
    this.#hastenedAt = now;
    this.peer.hasten(now);
  }

  pollTimeout(now: Instant): Instant {
    if (this.#isPending) return now;
    let at = earlier(this.peer.pollTimeout(), this.lanesIn.pollTimeout());
    if (this.#session === null) return at;
    at = earlier(at, this.dispatch.wakeAt);
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Path;
      at = earlier(at, path.pollTimeout(now));
      if (path.route >= 0) at = earlier(at, path.arrivals.pollTimeout());
    }
    return at;
  }

  /** Writes all datagrams that are due. The outlet is flushed by whoever owns it. */
  transmit(outlet: Outlet, now: Instant): void {
    this.#isPending = false;
    this.#sendHandshakes(outlet);
    const { session } = this.peer;
    this.#clearQueue(now);
    if (session !== this.#session) this.#useSession(session, now);
    if (session === null) return;
    this.dispatch.sender.begin(session, outlet);
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Path;
      this.#sendControls(path, now);
      while (path.arrivals.isDue(now)) if (!this.#sendReport(path, now)) break;
    }
    this.dispatch.send(now);
    this.peer.checkWear(now);
  }

  #clearQueue(now: Instant): void {
    for (let i = 0; i < this.paths.length; i++) {
      if ((this.paths[i] as Path).state !== "alive") continue;
      this.#aliveAt = now;
      return;
    }
    if (this.#aliveAt === NEVER) this.#aliveAt = now;
    if (this.dispatch.queue.packets > 0 && now >= after(this.#aliveAt, NO_PATH_MS))
      this.dispatch.dropWaiting();
  }

  /** A datagram by this route was too long for its first step. @returns false: none of its paths goes there */
  handleTooLong(route: number, now: Instant): boolean {
    const path = this.paths.find((each) => each.route === route);
    if (path === undefined) return false;
    path.search.handleTooLong(now);
    this.#isPending = true;
    return true;
  }

  /** Tells the peer that all paths end here; `transmit` sends it. */
  sayFarewell(): void {
    for (const path of this.paths) path.life.sayFarewell();
  }

  /** Lets go of all that is held. It is not used after that. */
  close(): void {
    while (this.paths.length > 0) this.removePath(this.paths[0] as Path);
    this.dispatch.restart();
    this.dispatch.queue.clear();
    this.lanesIn.reset();
  }

  #handleData(slot: number, from: number, length: number, isCrowded: boolean, now: Instant): void {
    const { octets } = this.#share.memory;
    const { lanesIn } = this;
    if (length > DATA_HEADER && isWhole(octets, from)) {
      const lane = laneOf(octets, from);
      const number = numberOf(octets, from);
      const vouched = isVouched(octets, from);
      lanesIn.handle(slot, from + DATA_HEADER, length - DATA_HEADER, lane, number, vouched, isCrowded, now);
    } else if (length > PART_HEADER && !isWhole(octets, from)) {
      lanesIn.handlePart(
        slot,
        from + PART_HEADER,
        length - PART_HEADER,
        laneOf(octets, from),
        numberOf(octets, from),
        partOffset(octets, from),
        isFirstPart(octets, from),
        isLastPart(octets, from),
        isVouched(octets, from),
        isCrowded,
        now,
      );
    } else this.drops.malformed++;
  }

  #makePath(link: number): Path {
    const path = new Path(link, this.#calls, this.#identities, this.#share);
    this.#byLink[link] = path;
    this.paths.push(path);
    if (this.#session !== null)
      path.sent.beginSession(this.#session.remoteIndex, this.#session.nextCounter(link));
    return path;
  }

  /** The end that is called learns of a path by what comes by it. */
  #foreignPath(link: number): Path | null {
    return this.#calls ? null : this.#makePath(link);
  }

  #newName(): number {
    const octets = new Uint8Array(4);
    for (;;) {
      this.#share.fillRandom(octets);
      const name = readIndex(octets, 0);
      if (name !== 0) return name;
    }
  }

  /** The peer has said who it is now. */
  #meet(name: number, session: number, now: Instant): void {
    const identities = this.#identities;
    if (name === 0 || name === identities.peer) return;
    const { localIndex } = this.peer.session ?? {};
    // What the one before said comes late.
    if (session !== localIndex || now < after(this.#metAt, MEETING_MS)) return;
    this.#metAt = now;
    const isFirst = identities.peer === 0;
    identities.peer = name;
    if (isFirst) return;
    const last = this.#session?.localIndex ?? -1;
    this.#formerSession = last === localIndex ? this.#sessionBefore : last;
    // It began anew, and knows nothing of what was numbered.
    this.dispatch.restart();
    this.lanesIn.reset();
    for (const path of this.paths) {
      path.restart(now);
      this.#events.pathChanged(path);
    }
  }

  #useSession(session: SessionKeys | null, now: Instant): void {
    this.#sessionAt = now;
    this.#sessionBefore = this.#session?.localIndex ?? -1;
    this.#session = session;
    if (session === null) return;
    for (const path of this.paths) {
      path.sent.beginSession(session.remoteIndex, session.nextCounter(path.link));
      if (this.#calls) path.renew(now);
    }
  }

  #handleControl(
    path: Path,
    kind: number,
    route: number,
    session: number,
    from: number,
    to: number,
    now: Instant,
  ): void {
    const { octets } = this.#share.memory;
    const { state, route: routeBefore } = path;
    switch (kind) {
      case CONTROL_KINDS.report:
        this.#handleReport(octets, from + 2, to, now);
        break;
      case CONTROL_KINDS.probe:
        path.arrivals.urge(now);
        break;
      case CONTROL_KINDS.challenge:
        this.#meet(path.handleChallenge(octets, from, to, route, now), session, now);
        break;
      case CONTROL_KINDS.proof:
        this.#meet(path.handleProof(octets, from, to, route, now), session, now);
        break;
      case CONTROL_KINDS.sizeProbe:
        path.search.handleProbe(octets, from, to, route);
        break;
      case CONTROL_KINDS.sizeProof:
        path.handleSizeProof(octets, from, to, now);
        break;
      case CONTROL_KINDS.skip:
        this.#handleSkip(octets, from + 2, to, now);
        break;
      case CONTROL_KINDS.farewell:
        this.#handleFarewell(path, now);
        break;
      default:
        this.drops.malformed++;
    }
    if (path.state !== state || path.route !== routeBefore) this.#events.pathChanged(path);
  }

  #handleReport(octets: Uint8Array, from: number, to: number, now: Instant): void {
    const report = this.#report;
    if (!report.read(octets, from, to)) {
      this.drops.malformed++;
      return;
    }
    const path = this.#byLink[report.link] ?? null;
    if (path === null) return;
    const { sent, rate, state } = path;
    const testedSince = sent.reportedSentAt;
    if (!sent.handleReport(report, now, this.dispatch)) return;
    path.handleReported(now);
    // What carries nothing but probes tells only its delay.
    const limited = path.limitedAt >= testedSince || !this.dispatch.choice.uses(path);
    rate.handleReport(now, sent, limited, path.fullAt >= testedSince);
    this.lanesIn.patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, report.patienceMs));
    if (path.state === state) return;
    this.dispatch.choice.handleChange();
    this.#events.pathChanged(path);
  }

  #handleSkip(octets: Uint8Array, at: number, to: number, now: Instant): void {
    if (to - at < 6) {
      this.drops.malformed++;
      return;
    }
    const number = readIndex(octets, at) & 0xffffff;
    const count = ((octets[at + 4] as number) << 8) | (octets[at + 5] as number);
    this.lanesIn.handleSkip((octets[at] as number) & (LANES - 1), number, count, now);
  }

  #handleFarewell(path: Path, now: Instant): void {
    path.life.handleFarewell(now);
    this.dispatch.retire(path);
  }

  #sendHandshakes(outlet: Outlet): void {
    const datagram = this.#handshake;
    for (;;) {
      const length = this.peer.pollTransmit(datagram);
      if (length === 0) return;
      let keyRoute = this.#calls ? -1 : this.keyRoute;
      for (const { route, candidate, state } of this.paths) {
        this.#sendHandshake(route, length, outlet);
        if (route === keyRoute) keyRoute = -1;
        if (state !== "alive" && candidate !== route) this.#sendHandshake(candidate, length, outlet);
      }
      // A peer that began anew is not where its paths were.
      this.#sendHandshake(keyRoute, length, outlet);
    }
  }

  #sendHandshake(route: number, length: number, outlet: Outlet): void {
    if (route < 0) return;
    const at = outlet.reserve(route, length);
    if (at < 0) return;
    const { octets } = this.#share.memory;
    for (let i = 0; i < length; i++) octets[at + i] = this.#handshake[i] as number;
    outlet.commit(length);
  }

  #sendControls(path: Path, now: Instant): void {
    const { memory, scratch } = this.#share;
    const { sender } = this.dispatch;
    for (;;) {
      const length = path.pollControl(memory.octets, scratch, now);
      if (length === 0) break;
      const { controlRoute, controlElicits } = path;
      sender.sendControl(path, controlRoute, length, controlElicits, now);
    }
    const size = path.sizeProbeDue(now);
    if (size === 0) return;
    const head = path.writeSizeProbe(memory.octets, scratch, now);
    const padding = scratch + PADDING_SCRATCH;
    sender.send(path, path.route, head, padding, size - head, -1, 0, false, now);
  }

  /** What came by a path is told by the same one; what is urgent, or of one that is not there, by the best. @returns false: not now */
  #sendReport(path: Path, now: Instant): boolean {
    const { memory, scratch } = this.#share;
    const { octets } = memory;
    const { arrivals } = path;
    const isFine = path.state === "alive" && !arrivals.urgent;
    const via = isFine ? path : (this.dispatch.choice.best(0, now) ?? path);
    const route = via.route >= 0 ? via.route : via.candidate;
    if (route < 0) return false;
    octets[scratch] = CONTROL;
    octets[scratch + 1] = CONTROL_KINDS.report;
    arrivals.patienceMs = this.dispatch.choice.patienceMs(now);
    path.handleReporting(now);
    const length = arrivals.write(octets, scratch + 2, PADDING_SCRATCH - 2, now);
    if (length === 0) return false;
    return this.dispatch.sender.sendControl(via, route, 2 + length, false, now);
  }
}
