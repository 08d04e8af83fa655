import { EqlError } from "../../errors.ts";
import { type Instant, instant, NEVER } from "../../time.ts";
import type { HeldTty } from "../held-tty.ts";
import type { EngineEvent, TalkSettings } from "./messages.ts";
import { type TalkEvents, TalkPort } from "./talk-port.ts";
import type { Watcher } from "./watcher.ts";

/** The ttys on which the control plane talks, by name. */
export class Talks implements TalkEvents {
  readonly #watcher: Watcher;
  readonly #emit: (event: EngineEvent) => void;
  readonly #talks = new Map<string, TalkPort>();

  constructor(watcher: Watcher, emit: (event: EngineEvent) => void) {
    this.#watcher = watcher;
    this.#emit = emit;
  }

  /** @throws EqlError as HeldTty.open; LINE_EXISTS */
  open(settings: TalkSettings): { readonly fd: number } {
    const { talk: name } = settings;
    if (this.#talks.has(name)) throw new EqlError("LINE_EXISTS", `${name} is talked on already`);
    const talk = new TalkPort(settings, this);
    this.#talks.set(name, talk);
    try {
      this.#watch(talk);
    } catch (error) {
      this.close(name);
      throw error;
    }
    return { fd: talk.fd };
  }

  /** To one that has ended, nothing is said: the control plane will hear of it. */
  say(name: string, octets: Uint8Array | null, now: Instant): void {
    this.#talks.get(name)?.say(octets, now);
  }

  hold(name: string, hold: boolean): void {
    const talk = this.#talks.get(name);
    if (talk === undefined) return;
    this.#watcher.unwatch(talk.fd);
    if (hold) this.#watcher.watch(talk.fd, () => this.talkFailed(talk, "hung up"), 0);
    else this.#watch(talk);
  }

  /** A lock file that cannot be removed is told as trouble: all else is given back. */
  close(name: string): void {
    try {
      this.#remove(name)?.held.close();
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      this.#emit({ type: "trouble", code: error.code, message: error.message });
    }
  }

  /**
   * Ends the talk without closing its device, which is the caller's from now on.
   * @throws EqlError LINE_UNKNOWN: it has ended
   */
  take(name: string, now: Instant): HeldTty {
    const talk = this.#remove(name);
    if (talk === undefined) throw new EqlError("LINE_UNKNOWN", `the line ${name} has hung up`);
    talk.finish(now);
    return talk.held;
  }

  closeAll(): void {
    for (const name of this.#talks.keys()) this.close(name);
  }

  get timeoutAt(): Instant {
    let at: number = NEVER;
    for (const talk of this.#talks.values()) at = Math.min(at, talk.timeoutAt);
    return instant(at);
  }

  handleTimeout(now: Instant): void {
    for (const talk of this.#talks.values()) talk.handleTimeout(now);
  }

  heard({ name }: TalkPort, octets: Uint8Array): void {
    this.#emit({ type: "heard", talk: name, octets });
  }

  talkFailed({ name }: TalkPort, reason: string): void {
    this.close(name);
    this.#emit({ type: "talkEnded", talk: name, reason });
  }

  talkInterest(talk: TalkPort, writable: boolean): void {
    this.#watcher.setWritable(talk.fd, writable);
  }

  #watch(talk: TalkPort): void {
    this.#watcher.watch(talk.fd, (events, now) => talk.handleReady(events, now));
  }

  #remove(name: string): TalkPort | undefined {
    const talk = this.#talks.get(name);
    if (talk === undefined) return undefined;
    this.#talks.delete(name);
    this.#watcher.unwatch(talk.fd);
    return talk;
  }
}
