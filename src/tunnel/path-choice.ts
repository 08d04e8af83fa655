/**
 * Which paths carry packets, and which of them is the one for the next.
 *
 * 1. Every so often it is decided which are *eligible*: those of the best tier that there is, and none whose delay costs more than its rate is worth. What
 *    is believed of the rate of one that is left out is tried now and then.
 * 2. Of these, what is next goes by the one on which it arrives first, after what that was given before.
 */
import { type Instant, instant, NEVER } from "../time.ts";
import { type Path, TRIAL_PAUSE_MS } from "./path.ts";

/** A path that adds a share x of capacity is worth x times this of delay. */
const WORTH_MS = 1000;
/** One whose rate is being found is tried, if its delay is no longer than this; and every so often it is to be found anew. */
const TRIAL_MS = 150;
const LONGEST_TRIAL_PAUSE_MS = 10_000;
/** An overflow path, or one that comes and goes, takes what would otherwise be there so much later. */
const BESIDE_MS = 20;
/** Of no path. */
const NO_TIER = 3;
/** A full datagram takes 50 ms where no more octets pass a millisecond. */
const SLOW_PACE = 30;
/** What waits for longer where that is all there is has been sent again meanwhile by who waits for it; but so many octets may wait anyway. */
const SLOW_BACKLOG_MS = 1000;
const LEAST_BACKLOG = 4500;
/** Between two reviews. */
export const REVIEW_MS = 10;
/** A queue that is shorter than this part of the round trip leaves a lone TCP flow without enough to send after a loss. */
const TARGET_ROUND_TRIPS = 0.75;
const LEAST_TARGET_MS = 40;
const MOST_TARGET_MS = 200;

export class PathChoice {
  /** Paths that may carry packets, the one with the least delay first, as last reviewed. */
  readonly eligible: Path[] = [];
  readonly #paths: readonly Path[];
  #reviewAt: Instant = instant(0);

  constructor(paths: readonly Path[]) {
    this.#paths = paths;
  }

  /** Something about the paths has changed. */
  handleChange(): void {
    this.#reviewAt = instant(0);
  }

  /** It carries nothing until the next review. */
  leave(path: Path): void {
    const at = this.eligible.indexOf(path);
    if (at >= 0) this.eligible.splice(at, 1);
    this.handleChange();
  }

  /** It may carry packets, as last reviewed. */
  uses(path: Path): boolean {
    return this.eligible.includes(path);
  }

  /** Decides which paths may carry packets, if it is time. @returns whether it was */
  review(now: Instant): boolean {
    if (now < this.#reviewAt) return false;
    this.#reviewAt = instant(now + REVIEW_MS);
    const { eligible } = this;
    eligible.length = 0;
    let tier = NO_TIER;
    let restingTier = NO_TIER;
    let leastDelay = 0;
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      const its = tierOf(path);
      if (path.isUsable(now)) {
        const delay = delayOf(path, now);
        if (its < tier || (its === tier && delay < leastDelay)) leastDelay = delay;
        tier = Math.min(tier, its);
      } else if (path.life.isResting(now)) restingTier = Math.min(restingTier, its);
    }
    const isNoneUsable = tier === NO_TIER;
    if (isNoneUsable) tier = restingTier;
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      const isResting = path.life.isResting(now);
      if (isResting ? !isNoneUsable && !path.life.isWorthwhile(now) : !path.isUsable(now)) continue;
      // Only the best tier counts, but overflow paths stand beside primary ones, and those that come and go beside others.
      const isOverflow = tier === 0 && path.tier === "overflow";
      if (tierOf(path) > tier && !isOverflow) continue;
      const isBeside = isOverflow || (isResting && !isNoneUsable);
      path.handicapMs = isBeside ? BESIDE_MS + Math.max(0, leastDelay - delayOf(path, now)) : 0;
      insertByDelay(eligible, path, now);
    }
    this.#leaveOut(now);
    return true;
  }

  /** How long what waits for them may wait. @param limit octets a millisecond that leave by all of them at most */
  targetMs(limit: number): number {
    let target = LEAST_TARGET_MS;
    let rates = 0;
    let isStarting = false;
    for (let i = 0; i < this.eligible.length; i++) {
      const { rate, smoothedMs } = this.eligible[i] as Path;
      target = Math.max(target, TARGET_ROUND_TRIPS * smoothedMs);
      rates += rate.rate;
      if (rate.isStarting) isStarting = true;
    }
    // While rates are being found, what waits says nothing about them, unless it waits for the limit.
    if (isStarting && rates < limit) return MOST_TARGET_MS;
    return Math.min(MOST_TARGET_MS, target);
  }

  /** Octets that may wait for them: as many as there are, unless all of them together are slow. */
  get mostWaiting(): number {
    let pace = 0;
    for (let i = 0; i < this.eligible.length; i++) pace += (this.eligible[i] as Path).pace;
    if (pace === 0 || pace >= SLOW_PACE) return Number.POSITIVE_INFINITY;
    return Math.max(LEAST_BACKLOG, SLOW_BACKLOG_MS * pace);
  }

  /** By which so many octets arrive first after what it was given. */
  earliest(octets: number, except: Path | null, now: Instant): Path | null {
    let best: Path | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.eligible.length; i++) {
      const path = this.eligible[i] as Path;
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

  /**
   * The best path for what goes before all else: reports of gaps, repeats; null: there is none.
   * @param octets of the packet; 0: a control message, which no window limits
   */
  best(octets: number, now: Instant): Path | null {
    let best: Path | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.eligible.length; i++) {
      const path = this.eligible[i] as Path;
      const from = octets > 0 ? path.roomAt(now) : Math.max(now, path.freeAt);
      const arrival = from + octets / path.pace + delayOf(path, now) + path.handicapMs;
      if (arrival >= least) continue;
      least = arrival;
      best = path;
    }
    return best;
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
      const { isMeasured, smoothedMs, variationMs } = path.roundTrip;
      const delay = delayOf(path, now);
      if (!isMeasured || delay === Number.POSITIVE_INFINITY) continue;
      least = Math.min(least, delay);
      most = Math.max(most, delay);
      roundTrip = Math.max(roundTrip, smoothedMs + 4 * variationMs);
      silence = Math.max(silence, path.life.silenceMs);
    }
    // What a path took with it when it died comes by others; what is lost once more takes about as long.
    return roundTrip === 0 ? 0 : 1.5 * (most - least) + roundTrip + Math.max(roundTrip, silence) + 60;
  }

  /** Leaves out paths whose delay costs more than their rate is worth; but what is believed of a rate is tried now and then. */
  #leaveOut(now: Instant): void {
    const { eligible } = this;
    let rates = 0;
    let kept = 0;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      // A queue that it had when it was last used says nothing.
      const extra = kept === 0 ? 0 : path.rate.baseOneWayMs - (eligible[0] as Path).rate.baseOneWayMs;
      if (kept > 0 && extra > (WORTH_MS * path.rate.rate) / rates) {
        if (path.leftOutAt === NEVER) path.leftOutAt = now;
        // One datagram may keep others waiting for half a second.
        if (isSlow(path)) path.trialMs = LONGEST_TRIAL_PAUSE_MS;
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
}

/** One datagram takes so long by it that others should not wait for many. */
export const isSlow = (path: Path): boolean => path.pace < SLOW_PACE;

const tierOf = (path: Path): number => (path.tier === "primary" ? 0 : path.tier === "overflow" ? 1 : 2);

/** How long a datagram takes now, relative to other paths of the same peer. The queue that it last had has shrunk since. */
function delayOf(path: Path, now: Instant): number {
  const { queueMs, baseOneWayMs } = path.rate;
  const left = queueMs - (now - path.sentAt);
  return left > 0 ? baseOneWayMs + left : baseOneWayMs;
}

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
