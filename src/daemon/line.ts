import type { LineConfig } from "../config/config.ts";
import type { PppEnd, PppEvent } from "../control/messages.ts";
import type { Proof, Verdict } from "../ppp/proof.ts";
import type { LineLife } from "./line-life.ts";

/** Whose a PPP line is that belongs to a client. */
export interface LineOwner {
  readonly wantsMultilink: boolean;
  tell(event: PppEvent): void;
  /** What its interface is to be called, now that it is up; null: as it is. */
  nameInterface(): string | null;
  /** Links with the same key lead to the same peer; null: it did not agree on multilink. */
  handleEstablished(bundleKey: string | null): Promise<void>;
  /** Judges what the peer proves itself with, where the settings of PPP defer that. */
  verify?(proof: Proof): Promise<Verdict>;
  /** Its device is closed, and it is not opened again. */
  handleClosed(end: PppEnd, reason: string): void;
}

/** What the control plane knows of a line. */
export class Line {
  readonly config: LineConfig;
  /** Index of its interface; 0 while it has none. */
  index = 0;
  /** A kernel interface that was enslaved by command without having been configured: forgotten when it is freed. */
  readonly isPassing: boolean;
  /** The master that it joins whenever it can; null: only when told. */
  wants: string | null;
  /** The master whose slave it is. */
  master: string | null = null;
  /** The master that it was taken from because its peer was silent. */
  silentFrom: string | null = null;
  /** The PPP peer's name, as it proved itself; null: it did not have to. */
  peerName: string | null = null;
  establishedMs = 0;
  /** How its PPP link ended; null: it has not, since its device was opened. */
  ended: PppEnd | null = null;
  /** Null: it is the daemon's own, and is opened again when it is lost. */
  owner: LineOwner | null = null;
  /** The name of its interface, where that is not the line's. */
  interface: string;
  /** Why it is being hung up, in words that say more than its end will; null: they do. */
  failure: string | null = null;
  /** Why it is being hung up, when that is not because somebody asked for it. */
  endsFor: PppEnd | null = null;
  readonly #closedWaiters: (() => void)[] = [];
  /** Its estimated bits per second for the next time it joins, as a command gave them; null: as they are. */
  nextBps: number | null = null;
  /** PPP: its master takes no link of a numbered bundle, or not this one. */
  isClassic = false;
  /** Keeps it up; null: it is a client's, or passing. */
  life: LineLife | null = null;
  sinceMs = Date.now();
  reason = "";

  constructor(config: LineConfig, isPassing = false) {
    this.config = config;
    this.isPassing = isPassing;
    this.wants = config.master;
    this.interface = config.name;
  }

  /** Resolves when its device is closed, or after a while. */
  untilClosed(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#closedWaiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  closed(): void {
    for (const done of this.#closedWaiters.splice(0)) done();
  }

  get name(): string {
    return this.config.name;
  }

  /** Its state changed. */
  note(reason: string): void {
    this.reason = reason;
    this.sinceMs = Date.now();
  }
}
