/** What the peer says besides packets, given to what it is about. */
import type { Instant } from "../time.ts";
import { CONTROL_KINDS, LANES } from "../wire/tunnel-content.ts";
import { readIndex } from "../wire/tunnel-datagram.ts";
import { Report } from "../wire/tunnel-report.ts";
import type { Dispatch } from "./dispatch.ts";
import type { LanesIn } from "./lanes-in.ts";
import type { Path } from "./path.ts";
import type { BundleEvents, BundleShare } from "./share.ts";

const LEAST_PATIENCE_MS = 40;
const MOST_PATIENCE_MS = 2000;

export class ControlIntake {
  readonly #share: BundleShare;
  readonly #events: BundleEvents;
  readonly #drops: { malformed: number };
  readonly #dispatch: Dispatch;
  readonly #lanesIn: LanesIn;
  /** By the number of the link. */
  readonly #byLink: readonly (Path | null)[];
  readonly #report = new Report();

  constructor(
    share: BundleShare,
    events: BundleEvents,
    drops: { malformed: number },
    dispatch: Dispatch,
    lanesIn: LanesIn,
    byLink: readonly (Path | null)[],
  ) {
    this.#share = share;
    this.#events = events;
    this.#drops = drops;
    this.#dispatch = dispatch;
    this.#lanesIn = lanesIn;
    this.#byLink = byLink;
  }

  /**
   * Takes a control message that came by a path: `octets[from, to)` of the memory. Who is told when the path changes by it is the caller.
   * @returns the name that the peer says it has; 0: it says none
   */
  handle(path: Path, kind: number, route: number, from: number, to: number, now: Instant): number {
    const { octets } = this.#share.memory;
    switch (kind) {
      case CONTROL_KINDS.report:
        this.#handleReport(octets, from + 2, to, now);
        break;
      case CONTROL_KINDS.probe:
        path.arrivals.urge(now);
        break;
      case CONTROL_KINDS.challenge:
        return path.handleChallenge(octets, from, to, route, now);
      case CONTROL_KINDS.proof:
        return path.handleProof(octets, from, to, route, now);
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
        path.life.handleFarewell(now);
        this.#dispatch.retire(path);
        break;
      default:
        this.#drops.malformed++;
    }
    return 0;
  }

  #handleReport(octets: Uint8Array, from: number, to: number, now: Instant): void {
    const report = this.#report;
    if (!report.read(octets, from, to)) {
      this.#drops.malformed++;
      return;
    }
    const path = this.#byLink[report.link] ?? null;
    if (path === null) return;
    const dispatch = this.#dispatch;
    const { sent, rate, state } = path;
    const testedSince = sent.reportedSentAt;
    if (!sent.handleReport(report, now, dispatch)) return;
    path.handleReported(now);
    // What carries nothing but probes tells only its delay.
    const limited = path.limitedAt >= testedSince || !dispatch.choice.uses(path);
    rate.handleReport(now, sent, limited, path.fullAt >= testedSince);
    this.#lanesIn.patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, report.patienceMs));
    if (path.state === state) return;
    dispatch.choice.handleChange();
    this.#events.pathChanged(path);
  }

  #handleSkip(octets: Uint8Array, at: number, to: number, now: Instant): void {
    if (to - at < 6) {
      this.#drops.malformed++;
      return;
    }
    const number = readIndex(octets, at) & 0xffffff;
    const count = ((octets[at + 4] as number) << 8) | (octets[at + 5] as number);
    this.#lanesIn.handleSkip((octets[at] as number) & (LANES - 1), number, count, now);
  }
}
