import type { PathStatus } from "../control/messages.ts";
import { monotonicNow } from "../host/clock.ts";
import type { EchoEvent } from "./transfer-roles.ts";
import type { WanBond } from "./wan-bond.ts";
import { uplink, type WanWorld } from "./wan-world.ts";

/** Rates are means over so long. */
const WINDOW_MS = 1000;

export interface WanDemoLink {
  readonly name: string;
  /** At the level of IP, in each direction. */
  readonly rateBps: number;
  /** One way. */
  readonly delayMs: number;
}

export interface WanDemoScenario {
  readonly links: readonly WanDemoLink[];
  /** Of the stream. */
  readonly seconds: number;
  /** Seconds after the stream's beginning; `link` counts from 0. */
  readonly cut: { readonly link: number; readonly fromSeconds: number; readonly toSeconds: number };
}

export interface WanLinkProgress {
  readonly link: WanDemoLink;
  readonly cut: boolean;
  /** What the server is given of it now, headers included. */
  readonly bps: number;
  /** As the client's daemon tells; null: it has not yet. */
  readonly path: Pick<PathStatus, "state" | "rateBps" | "roundTripMs" | "queueMs" | "loss"> | null;
}

export interface WanProgress {
  /** Since the stream began; null: it has not yet. */
  readonly seconds: number | null;
  readonly ofSeconds: number;
  readonly links: readonly WanLinkProgress[];
  /** Payload. */
  readonly octets: number;
  readonly goodputBps: number;
  /** The last answer through the bond; null: there is none. */
  readonly pingMs: number | null;
}

/** Something that happened; times are milliseconds of CLOCK_MONOTONIC. */
export type WanNote =
  | { readonly type: "stream"; readonly at: number; readonly what: "begins" | "ends" }
  | { readonly type: "link"; readonly at: number; readonly link: WanDemoLink; readonly what: "cut" | "back" }
  | {
      readonly type: "path";
      readonly at: number;
      readonly link: WanDemoLink;
      readonly to: PathStatus["state"];
    };

interface Sample {
  readonly at: number;
  readonly octets: number;
}

/** Octets counted at some moments, and how fast they come. */
class Meter {
  #samples: Sample[] = [];

  add(at: number, octets: number): void {
    this.#samples.push({ at, octets });
    this.#samples = this.#samples.filter((sample) => sample.at >= at - WINDOW_MS);
  }

  get octets(): number {
    return this.#samples.at(-1)?.octets ?? 0;
  }

  get bps(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || first === last) return 0;
    return (8000 * (last.octets - first.octets)) / (last.at - first.at);
  }
}

interface Followed {
  readonly link: WanDemoLink;
  readonly meter: Meter;
  path: PathStatus | null;
}

/** Follows the links of a {@link WanWorld} by what the emulator and the client's daemon tell, and a stream over them. */
export class WanWatch {
  readonly #scenario: WanDemoScenario;
  readonly #links: readonly Followed[];
  readonly #received = new Meter();
  readonly #notes: WanNote[] = [];
  /** When paths came into states, for each link. */
  readonly #steps: { readonly at: number; readonly link: number; readonly to: PathStatus["state"] }[] = [];
  #beganAt: number | null = null;
  #endedAt: number | null = null;
  #cut: "not yet" | "cut" | "over" = "not yet";
  #pingMs: number | null = null;

  constructor(scenario: WanDemoScenario) {
    this.#scenario = scenario;
    this.#links = scenario.links.map((link) => ({ link, meter: new Meter(), path: null }));
  }

  /** @param at since when the cut is timed */
  handleBegun(at: number): void {
    this.#beganAt = at;
    this.#received.add(at, 0);
    this.#notes.push({ type: "stream", at, what: "begins" });
  }

  handleEnded(at: number): void {
    this.#endedAt = at;
    this.#notes.push({ type: "stream", at, what: "ends" });
  }

  handleReceived(octets: number, at: number): void {
    this.#received.add(at, octets);
  }

  handleEcho({ rttMs }: EchoEvent): void {
    this.#pingMs = rttMs;
  }

  /** Asks the emulator and the daemon; one that does not answer is passed over. */
  async look({ emulator }: WanWorld, { client }: WanBond): Promise<void> {
    const none = (): null => null;
    const [counts, status] = await Promise.all([
      emulator?.counts().catch(none) ?? null,
      client.status().catch(none),
    ]);
    const at = monotonicNow();
    this.#passCut(at);
    const paths = status?.tunnels[0]?.peers[0]?.paths ?? [];
    for (const [index, followed] of this.#links.entries()) {
      const count = counts?.links[index]?.up;
      if (counts !== null && count !== undefined) followed.meter.add(counts.at, count.octets);
      const path = paths.find(({ name }) => name === uplink(index));
      if (path !== undefined) this.#handlePath(index, followed, path, at);
    }
  }

  /** When a path was first seen in a state after a moment; null: it was not. */
  firstAfter(moment: number, link: number, state: PathStatus["state"]): number | null {
    return (
      this.#steps.find((step) => step.at >= moment && step.link === link && step.to === state)?.at ?? null
    );
  }

  progress(): WanProgress {
    const end = this.#endedAt ?? monotonicNow();
    const { cut, seconds } = this.#scenario;
    return {
      seconds: this.#beganAt === null ? null : Math.min(Math.max(end - this.#beganAt, 0) / 1000, seconds),
      ofSeconds: seconds,
      links: this.#links.map(({ link, meter, path }, index) => ({
        link,
        cut: this.#cut === "cut" && cut.link === index,
        bps: meter.bps,
        path,
      })),
      octets: this.#received.octets,
      goodputBps: this.#received.bps,
      pingMs: this.#pingMs,
    };
  }

  /** What has happened and was not taken yet, oldest first. */
  takeNotes(): readonly WanNote[] {
    return this.#notes.splice(0).toSorted((a, b) => a.at - b.at);
  }

  #passCut(now: number): void {
    const { cut } = this.#scenario;
    const { link } = this.#links[cut.link] ?? {};
    if (this.#beganAt === null || link === undefined) return;
    const fromAt = this.#beganAt + cut.fromSeconds * 1000;
    const toAt = this.#beganAt + cut.toSeconds * 1000;
    if (this.#cut === "not yet" && now >= fromAt) {
      this.#cut = "cut";
      this.#notes.push({ type: "link", at: fromAt, link, what: "cut" });
    }
    if (this.#cut === "cut" && now >= toAt) {
      this.#cut = "over";
      this.#notes.push({ type: "link", at: toAt, link, what: "back" });
    }
  }

  #handlePath(index: number, followed: Followed, path: PathStatus, at: number): void {
    if (followed.path !== null && followed.path.state !== path.state) {
      this.#steps.push({ at, link: index, to: path.state });
      this.#notes.push({ type: "path", at, link: followed.link, to: path.state });
    }
    followed.path = path;
  }
}
