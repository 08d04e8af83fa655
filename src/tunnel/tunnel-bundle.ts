/**
 * All paths to one peer as one: the numbered bundle over UDP.
 *
 * 1. `enqueue`: runs of segments from the interface wait in the queue of `dispatch`, which sends them by paths.
 * 2. `handleContent`: what was opened is counted for its path; packets go to the lanes, and from them, in order, to the inlet.
 * 3. `transmit`, after each of these and at `pollTimeout`: handshakes, what paths have to say, reports of what came, packets.
 *
 * `Meeting` knows who both ends are: when the peer began anew, both number from 0.
 */
import type { Peer } from "../crypto/peer.ts";
import type { SessionKeys } from "../crypto/session-keys.ts";
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { CONTROL_KINDS, isControl } from "../wire/tunnel-content.ts";
import { MOST_LINKS, TRANSPORT } from "../wire/tunnel-datagram.ts";
import { ControlIntake } from "./control-intake.ts";
import { ControlSender } from "./control-sender.ts";
import { handleData } from "./data-intake.ts";
import { Dispatch } from "./dispatch.ts";
import { LanesIn } from "./lanes-in.ts";
import { Meeting } from "./meeting.ts";
import type { Inlet, Outlet } from "./memory.ts";
import { Path } from "./path.ts";
import { Redundancy, type Redundant } from "./redundancy.ts";
import type { BundleEvents, BundleShare } from "./share.ts";

export interface BundleSettings {
  /** This end knows where the peer is, and keeps paths up. */
  readonly calls: boolean;
  /** Which packets go by two paths. */
  readonly redundant: Redundant;
}

/** New keys are agreed on when nothing was heard for so long by any path: who began anew does not know these. */
const SILENCE_MS = 1000;
/** What waits is kept for so long without a path. */
const NO_PATH_MS = 2000;

export class TunnelBundle {
  readonly peer: Peer;
  readonly dispatch: Dispatch;
  readonly lanesIn: LanesIn;
  readonly paths: Path[] = [];
  /** `foreign`: by a link that there is not. `stale`: by a path that has not learnt yet who both ends are. */
  readonly drops = { malformed: 0, foreign: 0, stale: 0 };
  /** By which the last datagram about keys came, and another one since something was said; -1: none has. */
  readonly #keyRoutes = [-1, -1];
  readonly #share: BundleShare;
  readonly #events: BundleEvents;
  readonly #calls: boolean;
  readonly #meeting: Meeting;
  readonly #intake: ControlIntake;
  readonly #controls: ControlSender;
  /** By the number of the link. */
  readonly #byLink: (Path | null)[] = Array.from({ length: MOST_LINKS }, () => null);
  #session: SessionKeys | null = null;
  #isPending = true;
  #sessionAt: Instant = instant(0);
  #hastenedAt: Instant = instant(0);
  /** When there was a path last; at first, when there was something to send. */
  #aliveAt: Instant = NEVER;

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
    this.#meeting = new Meeting(share);
    this.#intake = new ControlIntake(share, events, this.drops, this.dispatch, this.lanesIn, this.#byLink);
    this.#controls = new ControlSender(share, this.dispatch);
  }

  /** A datagram about keys came by that route: a peer that began anew is not where its paths were. */
  set keyRoute(route: number) {
    const routes = this.#keyRoutes;
    if (route === routes[0]) return;
    routes[1] = routes[0] as number;
    routes[0] = route;
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
    if (!control && (!path.proof.isUnderstood || session === this.#meeting.formerSession)) {
      this.drops.stale++;
      this.#isPending = true;
      return;
    }
    path.arrivals.handle(session, counter, whole, now, !control || kind === CONTROL_KINDS.probe);
    if (control) {
      path.headers = headers;
      this.#handleControl(path, kind, route, session, from, from + length, now);
      this.#isPending = true;
    } else if (!handleData(this.lanesIn, octets, slot, from, length, isCrowded, now)) this.drops.malformed++;
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

  /** Begins once in each silence: who is not answered asks again by itself, and soon while that is wanted. */
  #renewInSilence(now: Instant): void {
    let heardAt = this.#sessionAt;
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Path;
      if (path.state === "alive") return;
      if (path.life.heardAt > heardAt) heardAt = path.life.heardAt;
    }
    if (now < after(heardAt, SILENCE_MS)) return;
    this.peer.want(now);
    if (this.#hastenedAt >= heardAt) return;
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
    this.#controls.sendHandshakes(this.peer, this.paths, this.#calls ? [] : this.#keyRoutes, outlet);
    this.#keyRoutes[1] = -1;
    const { session } = this.peer;
    this.#clearQueue(now);
    if (session !== this.#session) this.#useSession(session, now);
    if (session === null) return;
    this.dispatch.sender.begin(session, outlet);
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Path;
      this.#controls.sendControls(path, now);
      this.#controls.sendReports(path, now);
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

  #makePath(link: number): Path {
    const path = new Path(link, this.#calls, this.#meeting.identities, this.#share);
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

  /** It began anew, and knows nothing of what was numbered. */
  #beginAnew(now: Instant): void {
    this.dispatch.restart();
    this.lanesIn.reset();
    for (const path of this.paths) {
      path.restart(now);
      this.#events.pathChanged(path);
    }
  }

  #useSession(session: SessionKeys | null, now: Instant): void {
    this.#sessionAt = now;
    this.#meeting.handleSession(session?.localIndex ?? -1);
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
    const { state, route: routeBefore } = path;
    const name = this.#intake.handle(path, kind, route, from, to, now);
    const current = this.peer.session?.localIndex ?? -1;
    if (this.#meeting.handleName(name, session, current, now)) this.#beginAnew(now);
    if (path.state !== state || path.route !== routeBefore) this.#events.pathChanged(path);
  }
}
