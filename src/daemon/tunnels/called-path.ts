import { ANY_PATH, type PathConfig } from "../../config/tunnel-config.ts";
import { formatHostPort } from "../../config/tunnel-words.ts";
import type { Instant } from "../../time.ts";
import { hasMoved, type Uplink, type Uplinks } from "./uplinks.ts";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** What is to be done about a path: nothing, or to add it by an uplink, or to take it away, or both. */
interface Step {
  readonly remove: boolean;
  readonly add: Uplink | null;
}

const NOTHING: Step = { remove: false, add: null };

/** A configured path: whether the engine has it, and whether it should. It comes and goes with its device. */
export class CalledPath {
  config: PathConfig;
  /** It is the one that a master without lines has. */
  readonly isStandIn: boolean;
  /** Addresses of its own servers; empty: it goes to the peer's, or they are not known. */
  servers: readonly string[] = [];
  /** Why the engine has it not, in words. */
  reason = "the server is not known yet";
  #uplink: Uplink | null = null;
  #retryAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(config: PathConfig) {
    this.config = config;
    this.isStandIn = config === ANY_PATH;
  }

  /** Where it leads, if not to the peer's addresses: by an uplink, or by the one that it has. */
  places(uplink: Uplink | null = this.#uplink): readonly string[] {
    const { farPort: port } = this.config;
    if (port === null) return this.servers;
    return uplink?.farEnds.map((host) => formatHostPort({ host, port })) ?? [];
  }

  /** Whether its line is dialed when no other path is there. */
  get isReserve(): boolean {
    return this.config.dials && this.config.tier === "backup";
  }

  /** Whether it waits for addresses of its own. */
  get isLost(): boolean {
    return this.config.servers.length > 0 && this.servers.length === 0;
  }

  get isThere(): boolean {
    return this.#uplink !== null;
  }

  /** Index of the interface by which it leaves now; 0: as the routes say; null: it does not. */
  get index(): number | null {
    return this.#uplink?.index ?? null;
  }

  /** Whether it is to be tried again after a pause. */
  get isRefused(): boolean {
    return this.#retryAt > 0;
  }

  /** @param families of the server's addresses */
  next(uplinks: Uplinks, families: ReadonlySet<4 | 6>, now: Instant): Step {
    const found = uplinks.find(this.config, families);
    if (typeof found === "string") {
      this.reason = found;
      // When it comes back, it is tried at once.
      this.#rest(Number.NEGATIVE_INFINITY, FIRST_PAUSE_MS);
      return this.isThere ? { remove: true, add: null } : NOTHING;
    }
    if (this.#uplink === null) return now >= this.#retryAt ? { remove: false, add: found } : NOTHING;
    if (hasMoved(this.#uplink, found)) return { remove: true, add: found };
    this.#uplink = found;
    return NOTHING;
  }

  added(uplink: Uplink): void {
    this.#uplink = uplink;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.reason = "";
  }

  /** The engine has refused it, or given it up. */
  failed(reason: string, now: Instant): void {
    this.#uplink = null;
    this.reason = reason;
    this.#rest(now + this.#pauseMs, Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS));
  }

  removed(): void {
    this.#uplink = null;
  }

  /** It works. */
  proven(): void {
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  #rest(until: number, pauseMs: number): void {
    this.#retryAt = until;
    this.#pauseMs = pauseMs;
  }
}
