/**
 * Which packets go by which path, and when.
 *
 * 1. Segments are *committed* in the order of the run queue: they get the next numbers of their lane, and the path on which they arrive first, after what it
 *    was given before. A path with a longer delay takes what the others would bring later, so that all arrives nearly in order; if too little waits
 *    for that, it stays idle.
 * 2. As its pace allows, a path sends what it was given: each segment's headers are made, and it is sealed as one datagram.
 * 3. What was lost, or was on a path that died, goes before all else, by the path that is best then.
 *
 * Each segment that is committed, under way or to be repeated holds its run.
 */
import type { SessionKeys } from "../crypto/session-keys.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import {
  CONTROL,
  CONTROL_KINDS,
  DATA_HEADER,
  LANES,
  PART_HEADER,
  writeDataHeader,
  writePartHeader,
} from "../wire/tunnel-content.ts";
import { TRANSPORT } from "../wire/tunnel-datagram.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { Outlet } from "./memory.ts";
import { type Path, TRIAL_PAUSE_MS } from "./path.ts";
import { RunQueue } from "./run-queue.ts";
import { type BundleShare, PACKET_SCRATCH } from "./share.ts";

/** A path is given so much at a time: fewer wake-ups, and no longer queue at the bottleneck than that. */
const BURST_MS = 1;
/** What a late processor may catch up with. */
const CATCH_UP_MS = 3;
/** A path that adds a share x of capacity is worth x times this of delay. */
const WORTH_MS = 1000;
/** One whose rate is being found is tried, if its delay is no longer than this; and every so often it is to be found anew. */
const TRIAL_MS = 150;
const LONGEST_TRIAL_PAUSE_MS = 10_000;
/** Nothing is given to a path further ahead. */
const MOST_AHEAD_MS = 600;
/** An overflow path takes what would otherwise wait for so long. */
const OVERFLOW_MS = 20;
/** What has not come after so long is given up. */
const GIVE_UP_MS = 1500;
/** What comes to that so soon after is given up with it. */
const GIVE_UP_TOGETHER_MS = 250;
const MOST_SKIPPED = 0xffff;
/** A full datagram takes 50 ms where no more octets pass a millisecond. */
const SLOW_PACE = 30;
const REVIEW_MS = 10;
/** A queue that is shorter than this part of the round trip leaves a lone TCP flow without enough to send after a loss. */
const TARGET_ROUND_TRIPS = 0.75;
const LEAST_TARGET_MS = 40;
const MOST_TARGET_MS = 200;
const START_TARGET_MS = 250;

export class Dispatch {
  readonly queue: RunQueue;
  redundant: boolean;
  sentPackets = 0;
  sentOctets = 0;
  repeated = 0;
  /** `noPath`: there was none for too long. `givenUp`: repeated in vain. */
  readonly drops = { noPath: 0, givenUp: 0, refused: 0 };
  /** Octets a millisecond that leave by all paths together at most, at IP level. */
  limit: number = Number.POSITIVE_INFINITY;
  /** When there is something to do that was put off. */
  wakeAt: Instant = NEVER;
  readonly #share: BundleShare;
  readonly #paths: readonly Path[];
  readonly #repeats = new CommitQueue();
  readonly #numbers = new Uint32Array(LANES);
  /** Paths that may carry packets, the one with the least delay first, as last reviewed. */
  readonly #eligible: Path[] = [];
  #reviewAt: Instant = instant(0);
  /** What was sent last is a repeat. */
  #hasRepeated = false;
  /** When the limit lets something be committed again. */
  #freeAt: Instant = instant(0);

  constructor(share: BundleShare, paths: readonly Path[], redundant: boolean, seed: number) {
    this.#share = share;
    this.#paths = paths;
    this.redundant = redundant;
    this.queue = new RunQueue(share.runs, seed, share.memory);
  }

  /** Something about the paths has changed. */
  handleChange(): void {
    this.#reviewAt = instant(0);
  }

  /** What the path was given, and what is under way on it, is for others. */
  retire(path: Path): void {
    path.sent.abandon(this);
    this.#takeBack(path);
    const at = this.#eligible.indexOf(path);
    if (at >= 0) this.#eligible.splice(at, 1);
    this.#reviewAt = instant(0);
  }

  #takeBack(path: Path): void {
    const { runs } = this.#share;
    const { commits } = path;
    while (commits.count > 0) {
      const { run, segment } = commits;
      const octets = runs.octetsOf(run, segment);
      commits.advance(octets);
      this.#repeats.push(run, segment, 1, octets);
    }
  }

  /** All that has a number is dropped, and numbers begin anew. */
  restart(): void {
    for (const path of this.#paths) this.retire(path);
    while (this.#repeats.count > 0) this.#dropRepeat();
    this.queue.dropBegun();
    this.#numbers.fill(0);
  }

  /** There is no path, and has been none for long: what waits would only take room that others need. */
  dropWaiting(): void {
    this.drops.noPath += this.queue.packets;
    this.queue.clear();
  }

  /** By SentLog. */
  acked(run: number, _segment: number): void {
    if (run >= 0) this.#share.runs.release(run);
  }

  /** By SentLog. */
  lost(run: number, segment: number): void {
    if (run < 0) return;
    const { runs } = this.#share;
    // Another path has carried it, too, if there is one.
    if (this.redundant && this.#eligible.length > 1) runs.release(run);
    else this.#repeats.push(run, segment, 1, runs.octetsOf(run, segment));
  }

  /** Sends what is due. The outlet is flushed by whoever owns it. */
  send(session: SessionKeys, outlet: Outlet, now: Instant): void {
    this.wakeAt = NEVER;
    if (now >= this.#reviewAt) this.#review(now);
    const eligible = this.#eligible;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      if (path.freeAt < now - CATCH_UP_MS) path.freeAt = instant(now - CATCH_UP_MS);
      path.isOpen = path.freeAt <= now;
      path.rate.handleTimeout(now);
    }
    this.#sendRepeats(session, outlet, now);
    for (let sent = true; sent; ) {
      this.#commit(now);
      sent = false;
      for (let i = 0; i < eligible.length; i++) {
        const path = eligible[i] as Path;
        if (path.commits.count > 0 && hasRoom(path, now)) {
          this.#drain(path, session, outlet, now);
          sent = true;
        }
      }
    }
    this.#planWake(now);
  }

  /** The best path for what matters most: reports of gaps, repeats; null: there is none. */
  best(octets: number, now: Instant): Path | null {
    let best: Path | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#eligible.length; i++) {
      const path = this.#eligible[i] as Path;
      const arrival = Math.max(now, path.freeAt) + octets / path.pace + delayOf(path, now);
      if (arrival >= least) continue;
      least = arrival;
      best = path;
    }
    return best;
  }

  /** It may carry packets, as last reviewed. */
  uses(path: Path): boolean {
    return this.#eligible.includes(path);
  }

  /**
   * How long what this end sends should be waited for at the other end when something before it is missing, milliseconds. As it is told seldom, it
   * is so long that it holds for paths, too, that come back.
   */
  patienceMs(now: Instant): number {
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    let roundTrip = 0;
    let silence = 0;
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      const delay = delayOf(path, now);
      if (!path.roundTrip.isMeasured || delay === Number.POSITIVE_INFINITY) continue;
      least = Math.min(least, delay);
      most = Math.max(most, delay);
      roundTrip = Math.max(roundTrip, path.smoothedMs + 4 * path.roundTrip.variationMs);
      silence = Math.max(silence, path.life.silenceMs);
    }
    // What a path took with it when it died comes by others; what is lost once more takes about as long.
    return roundTrip === 0 ? 0 : 1.5 * (most - least) + roundTrip + Math.max(roundTrip, silence) + 60;
  }

  /** Decides which paths may carry packets. */
  #review(now: Instant): void {
    this.#reviewAt = instant(now + REVIEW_MS);
    const eligible = this.#eligible;
    eligible.length = 0;
    let tier = 2;
    // Those that come and go are better than none.
    let isAnyUsable = false;
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      if (!path.isUsable(now)) continue;
      isAnyUsable = true;
      tier = Math.min(tier, tierOf(path));
    }
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      if (isAnyUsable ? !path.isUsable(now) : path.state !== "alive") continue;
      // Overflow paths stand beside primary ones, with a delay on top; else only the best tier counts.
      path.handicapMs = tier === 0 && path.tier === "overflow" ? OVERFLOW_MS : 0;
      if (tierOf(path) === tier || path.handicapMs > 0) insertByDelay(eligible, path, now);
    }
    this.#leaveOut(now);
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      if (path.commits.count > 0 && !eligible.includes(path)) this.#takeBack(path);
    }
    // While rates are being found, what waits says nothing about them.
    let target = LEAST_TARGET_MS;
    for (let i = 0; i < eligible.length; i++) {
      const { rate, smoothedMs } = eligible[i] as Path;
      target = Math.max(target, rate.isStarting ? START_TARGET_MS : TARGET_ROUND_TRIPS * smoothedMs);
    }
    this.queue.targetMs = Math.min(MOST_TARGET_MS, target);
  }

  /** Leaves out paths whose delay costs more than their rate is worth; but what is believed of a rate is tried now and then. */
  #leaveOut(now: Instant): void {
    const eligible = this.#eligible;
    let rates = 0;
    let kept = 0;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      // A queue that it had when it was last used says nothing.
      const extra = kept === 0 ? 0 : path.rate.baseOneWayMs - (eligible[0] as Path).rate.baseOneWayMs;
      if (kept > 0 && extra > (WORTH_MS * path.rate.rate) / rates) {
        if (path.leftOutAt === NEVER) path.leftOutAt = now;
        // One datagram may keep others waiting for half a second.
        if (path.pace < SLOW_PACE) path.trialMs = LONGEST_TRIAL_PAUSE_MS;
        if (now - path.leftOutAt >= path.trialMs) {
          path.leftOutAt = now;
          path.trialMs = Math.min(LONGEST_TRIAL_PAUSE_MS, 2 * path.trialMs);
          path.rate.handleTrial(now);
        }
        if (extra > TRIAL_MS || !path.rate.isStarting) {
          path.limitedAt = now;
          continue;
        }
      } else {
        path.leftOutAt = NEVER;
        path.trialMs = TRIAL_PAUSE_MS;
      }
      rates += path.rate.rate;
      eligible[kept++] = path;
    }
    eligible.length = kept;
  }

  /** Gives segments to paths, in order, until every open path has some, or none would be better for them. */
  #commit(now: Instant): void {
    const { queue } = this;
    const { runs } = this.#share;
    while (queue.octets > 0 && this.#freeAt <= now && this.#isWanted(now)) {
      const next = queue.peekOctets();
      const path = this.#earliest(next, null, now);
      if (path === null) return;
      if (path.freeAt - now + path.commits.octets / path.pace > MOST_AHEAD_MS) return;
      const most = Math.max(next, path.rate.rate * BURST_MS);
      if (!queue.take(most, now)) return;
      const { run, segment, count } = queue;
      this.#number(run, segment, count, queue.lane, now);
      const octets = octetsOf(runs, run, segment, count);
      runs.hold(run, count);
      // It goes before what waits, so that does not count.
      if (queue.isSparse) (this.best(octets, now) ?? path).commits.pushUrgent(run, segment, count, octets);
      else path.commits.push(run, segment, count, octets);
      if (this.redundant) this.#commitTwice(path, run, segment, count, octets, now);
      queue.releaseTaken();
    }
  }

  #commitTwice(first: Path, run: number, segment: number, count: number, octets: number, now: Instant): void {
    const path = this.#earliest(octets, first, now);
    if (path === null) return;
    this.#share.runs.hold(run, count);
    path.commits.push(run, segment, count, octets);
  }

  /** Whether an open path has nothing, which is noted of those that get nothing. */
  #isWanted(now: Instant): boolean {
    for (let i = 0; i < this.#eligible.length; i++) {
      const path = this.#eligible[i] as Path;
      if (path.commits.count === 0 && hasRoom(path, now)) return true;
    }
    return false;
  }

  #earliest(octets: number, except: Path | null, now: Instant): Path | null {
    let best: Path | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#eligible.length; i++) {
      const path = this.#eligible[i] as Path;
      if (path === except) continue;
      const free = path.freeAt > now ? path.freeAt : now;
      const arrival =
        free + (path.commits.octets + octets) / path.pace + delayOf(path, now) + path.handicapMs;
      if (arrival >= least) continue;
      least = arrival;
      best = path;
    }
    return best;
  }

  #number(run: number, segment: number, count: number, lane: number, now: Instant): void {
    const { runs } = this.#share;
    if (!runs.isNumbered(run)) {
      runs.setNumbers(run, lane, this.#numbers[lane] as number, segment);
      runs.setSince(run, now);
    }
    this.#numbers[lane] = ((this.#numbers[lane] as number) + count) & 0xffffff;
  }

  #drain(path: Path, session: SessionKeys, outlet: Outlet, now: Instant): void {
    const { commits } = path;
    const { runs } = this.#share;
    while (commits.count > 0 && hasRoom(path, now)) {
      const { run, segment } = commits;
      if (!this.#sendSegment(path, run, segment, session, outlet, now)) return;
      const octets = runs.octetsOf(run, segment);
      commits.advance(octets);
      this.sentPackets++;
      this.sentOctets += octets;
    }
  }

  #sendRepeats(session: SessionKeys, outlet: Outlet, now: Instant): void {
    const repeats = this.#repeats;
    const { runs } = this.#share;
    while (repeats.count > 0) {
      const { run, segment } = repeats;
      if (now - runs.sinceOf(run) > GIVE_UP_MS) {
        this.#giveUp(session, outlet, now);
        continue;
      }
      const octets = runs.octetsOf(run, segment);
      const path = this.best(octets, now);
      if (path === null || !hasRoom(path, now)) return;
      // Where each takes long, what is new takes turns with them: it may be a ping.
      if (this.#hasRepeated && path.pace < SLOW_PACE && this.queue.octets > 0) {
        this.#hasRepeated = false;
        return;
      }
      if (!this.#sendSegment(path, run, segment, session, outlet, now)) return;
      repeats.advance(octets);
      this.repeated++;
      this.#hasRepeated = true;
    }
  }

  /** Drops the first repeat, with those next to it that are nearly as late: one message tells of all. */
  #giveUp(session: SessionKeys, outlet: Outlet, now: Instant): void {
    const repeats = this.#repeats;
    const { runs } = this.#share;
    const lane = runs.laneOf(repeats.run);
    const first = runs.numberOf(repeats.run, repeats.segment);
    let count = 0;
    do {
      this.#dropRepeat();
      count++;
    } while (
      repeats.count > 0 &&
      count < MOST_SKIPPED &&
      now - runs.sinceOf(repeats.run) > GIVE_UP_MS - GIVE_UP_TOGETHER_MS &&
      runs.laneOf(repeats.run) === lane &&
      runs.numberOf(repeats.run, repeats.segment) === ((first + count) & 0xffffff)
    );
    this.#skip(lane, first, count, session, outlet, now);
  }

  #dropRepeat(): void {
    const { runs } = this.#share;
    const { run, segment } = this.#repeats;
    this.#repeats.advance(runs.octetsOf(run, segment));
    runs.release(run);
    this.drops.givenUp++;
  }

  /** Tells that numbers will not come. */
  #skip(
    lane: number,
    number: number,
    count: number,
    session: SessionKeys,
    outlet: Outlet,
    now: Instant,
  ): void {
    const path = this.best(0, now);
    if (path === null) return;
    const { memory, scratch } = this.#share;
    const { octets } = memory;
    octets[scratch] = CONTROL;
    octets[scratch + 1] = CONTROL_KINDS.skip;
    octets[scratch + 2] = lane;
    octets[scratch + 3] = number >>> 16;
    octets[scratch + 4] = number >>> 8;
    octets[scratch + 5] = number;
    octets[scratch + 6] = count >>> 8;
    octets[scratch + 7] = count;
    this.sendContent(path, path.route, 8, 0, 0, -1, 0, false, session, outlet, now);
  }

  /** @returns false: there is no room for it now */
  #sendSegment(
    path: Path,
    run: number,
    segment: number,
    session: SessionKeys,
    outlet: Outlet,
    now: Instant,
  ): boolean {
    const { memory, scratch, runs, segments } = this.#share;
    const { octets, view } = memory;
    const length = runs.octetsOf(run, segment);
    const from = runs.fromOf(run);
    const headLength = runs.headLengthOf(run);
    const bodyOctets = runs.segmentOctetsOf(run);
    if (length + DATA_HEADER > path.contentMax)
      return this.#sendParts(path, run, segment, session, outlet, now);
    writeDataHeader(octets, scratch, runs.laneOf(run), runs.numberOf(run, segment), runs.isVouched(run));
    let body = from;
    if (headLength > 0) {
      segments.writeHead(
        octets,
        view,
        from,
        runs.lengthOf(run),
        headLength,
        bodyOctets,
        segment,
        scratch + DATA_HEADER,
      );
      body = from + headLength + segment * bodyOctets;
    }
    const head = DATA_HEADER + headLength;
    return this.sendContent(
      path,
      path.route,
      head,
      body,
      length - headLength,
      run,
      segment,
      true,
      session,
      outlet,
      now,
    );
  }

  /** A packet that is too long for a datagram of this path goes in parts. */
  #sendParts(
    path: Path,
    run: number,
    segment: number,
    session: SessionKeys,
    outlet: Outlet,
    now: Instant,
  ): boolean {
    const { memory, scratch, runs, segments } = this.#share;
    const { octets, view } = memory;
    const length = runs.octetsOf(run, segment);
    const headLength = runs.headLengthOf(run);
    let packet = runs.fromOf(run);
    if (headLength > 0) {
      const bodyOctets = runs.segmentOctetsOf(run);
      const body = packet + headLength + segment * bodyOctets;
      const whole = scratch + PACKET_SCRATCH;
      segments.writeHead(octets, view, packet, runs.lengthOf(run), headLength, bodyOctets, segment, whole);
      octets.copyWithin(whole + headLength, body, body + length - headLength);
      packet = whole;
    }
    const most = path.contentMax - PART_HEADER;
    for (let offset = 0; offset < length; offset += most) {
      const size = Math.min(most, length - offset);
      const isLast = offset + size === length;
      writePartHeader(
        octets,
        scratch,
        runs.laneOf(run),
        runs.numberOf(run, segment),
        runs.isVouched(run),
        offset,
        isLast,
      );
      const isSent = this.sendContent(
        path,
        path.route,
        PART_HEADER,
        packet + offset,
        size,
        run,
        segment,
        true,
        session,
        outlet,
        now,
      );
      // The first part took the segment's hold on the run.
      if (isSent && !isLast) runs.hold(run);
      if (isSent) continue;
      if (offset === 0) return false;
      this.#repeats.push(run, segment, 1, length);
      return true;
    }
    return true;
  }

  /**
   * Seals and sends one datagram, whose content begins in the scratch, with `head` octets, and goes on at `body`.
   * @returns false: there is no room for it, or the keys are worn out
   */
  sendContent(
    path: Path,
    route: number,
    head: number,
    body: number,
    bodyLength: number,
    run: number,
    segment: number,
    elicits: boolean,
    session: SessionKeys,
    outlet: Outlet,
    now: Instant,
  ): boolean {
    const { memory, scratch } = this.#share;
    const at = outlet.reserve(route, TRANSPORT.overhead + head + bodyLength);
    if (at < 0) return false;
    const length = session.sealParts(path.link, memory.octets, at, scratch, head, body, bodyLength);
    if (length === 0) return false;
    outlet.commit(length);
    const whole = length + path.headers;
    path.sentDatagrams++;
    path.sentOctets += whole;
    path.sentAt = now;
    path.sent.add(now, whole, run, segment, elicits);
    path.freeAt = instant(
      (path.freeAt > now - CATCH_UP_MS ? path.freeAt : now - CATCH_UP_MS) + whole / path.rate.rate,
    );
    if (this.limit !== Number.POSITIVE_INFINITY)
      this.#freeAt = instant(Math.max(this.#freeAt, now - CATCH_UP_MS) + whole / this.limit);
    return true;
  }

  #planWake(now: Instant): void {
    const waiting = this.queue.octets > 0 || this.#repeats.count > 0;
    let at: number = NEVER;
    for (let i = 0; i < this.#eligible.length; i++) {
      const path = this.#eligible[i] as Path;
      // A full window opens with a report, or when it is found that none comes.
      if (path.sent.inFlight >= path.rate.window) {
        if (waiting || path.commits.count > 0) path.fullAt = now;
        continue;
      }
      const isHeld = path.commits.count === 0 && this.#freeAt > now;
      if (path.commits.count === 0 && (isHeld || path.freeAt <= now)) path.limitedAt = now;
      if (path.commits.count > 0 || waiting) {
        const freeAt = isHeld && this.#freeAt > path.freeAt ? this.#freeAt : path.freeAt;
        at = Math.min(at, freeAt);
      }
    }
    if (this.#repeats.count > 0) at = Math.min(at, now + REVIEW_MS);
    this.wakeAt = instant(at <= now ? now + BURST_MS / 4 : at);
  }
}

const tierOf = (path: Path): number => (path.tier === "primary" ? 0 : path.tier === "overflow" ? 1 : 2);

/** How long a datagram takes now, relative to other paths of the same peer. The queue that it last had has shrunk since. */
function delayOf(path: Path, now: Instant): number {
  const { queueMs, baseOneWayMs } = path.rate;
  const left = queueMs - (now - path.sentAt);
  return left > 0 ? baseOneWayMs + left : baseOneWayMs;
}

const hasRoom = (path: Path, now: Instant): boolean =>
  path.isOpen && path.freeAt <= now + BURST_MS && path.sent.inFlight < path.rate.window;

function insertByDelay(paths: Path[], path: Path, now: Instant): void {
  let at = paths.length;
  paths.push(path);
  const delay = delayOf(path, now) + path.handicapMs;
  while (at > 0) {
    const before = paths[at - 1] as Path;
    if (delayOf(before, now) + before.handicapMs <= delay) break;
    paths[at] = before;
    at--;
  }
  paths[at] = path;
}

function octetsOf(runs: BundleShare["runs"], run: number, segment: number, count: number): number {
  const first = runs.octetsOf(run, segment);
  return count === 1 ? first : (count - 1) * first + runs.octetsOf(run, segment + count - 1);
}
