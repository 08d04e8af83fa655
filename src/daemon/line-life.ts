import type { LifeEvent, LifeState, LifeStatus, LifeTransition } from "../control/messages.ts";
import type { DialogueEnd } from "../dial/dialogue.ts";
import { type LineAction, LineManager, type Transition } from "../dial/line-manager.ts";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { type Instant, NEVER } from "../time.ts";
import { Caller } from "./caller.ts";
import type { Line } from "./line.ts";
import type { Logger } from "./log.ts";
import type { Takeover, Talk, Talks } from "./talks.ts";

/** What a life works with; all of it is the keeper's. */
export interface LifeTools {
  readonly log: Logger;
  readonly talks: Talks;
  /** Where UUCP locks go. */
  readonly lockDirectory: string;
  /** Begins the link: on a tty that was talked on, or, for null, on the line's own device, which is opened. */
  begin(line: Line, takeover: Takeover | null): Promise<void>;
  /** The link has begun, and its manager knows. */
  begun(line: Line): void;
  /** Ends the link properly; the device is closed when that is done. */
  hangUp(line: Line, reason: string): Promise<void>;
  /** Closes the device of the link at once, if it is open. */
  close(line: Line): Promise<void>;
  /** Its state is another one than `from`. */
  changed(line: Line, from: LifeState): void;
}

const GROWTH = 1.7;
/** Pauses of a line that does not dial. */
const DIRECT_FIRST_PAUSE_MS = 500;
const DIRECT_LONGEST_PAUSE_MS = 30_000;
const HANG_UP_LIMIT_MS = 10_000;
/** For all before the number is dialed, and for a dialer that is not ours. */
const DIALING_LIMIT_MS = 180_000;
const MOST_TRANSITIONS = 50;
/** The longest that a timer takes. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** The life of a line: brings it up, and keeps it up while it is wanted, as its {@link LineManager} decides. */
export class LineLife {
  readonly #line: Line;
  readonly #tools: LifeTools;
  readonly #manager: LineManager;
  readonly #caller: Caller;
  readonly #history: LifeTransition[] = [];
  readonly #watchers = new Set<(event: LifeEvent) => void>();
  #timer: NodeJS.Timeout | undefined;
  #sinceMs = Date.now();
  #retryAtMs: number | null = null;
  #talk: Talk | null = null;
  #opening: Promise<void> = Promise.resolve();
  #stopped = false;
  #resolveEnded = (): void => {};
  /** Resolves when it has stopped. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#resolveEnded = resolve;
  });

  constructor(line: Line, tools: LifeTools) {
    this.#line = line;
    this.#tools = tools;
    this.#caller = new Caller(line, (text) => this.#tell({ event: "text", text }));
    const { dial } = line.config;
    this.#manager = new LineManager(
      {
        numbers: dial?.numbers ?? [],
        dials: dial !== null,
        firstPauseMs: dial?.firstPauseMs ?? DIRECT_FIRST_PAUSE_MS,
        longestPauseMs: dial?.longestPauseMs ?? DIRECT_LONGEST_PAUSE_MS,
        pauseGrowth: GROWTH,
        attempts: dial?.attempts ?? null,
        dialLimitMs: DIALING_LIMIT_MS + (dial?.modem?.carrierWaitMs ?? 0),
        loginLimitMs: dial?.loginWaitMs ?? NEVER,
        // A direct line waits for its peer as long as its protocol does.
        linkLimitMs: dial?.linkWaitMs ?? NEVER,
        hangUpLimitMs: HANG_UP_LIMIT_MS,
        sessionLimitMs: dial?.sessionLimitMs ?? null,
        idleLimitMs: null,
      },
      // Only calls are to be spread.
      dial === null ? () => 0.5 : Math.random,
    );
  }

  /** Something happened to the line. */
  handle(tell: (manager: LineManager, now: Instant) => void): void {
    if (this.#stopped) return;
    tell(this.#manager, monotonicNow());
    this.#drain();
  }

  /**
   * Opens the device of a line that does not dial, for the first time; a line that dials is brought up on its own time.
   * @throws EqlError the device cannot be opened; the life has ended then
   */
  async begin(): Promise<void> {
    if (this.#line.config.dial !== null) return;
    await this.#tools.begin(this.#line, null);
    this.handle((manager, now) => {
      manager.handleWanted("configured", now);
      // Its first opening is done already.
      manager.pollAction();
      manager.handleOpened(now);
      this.#began(manager, now);
    });
  }

  /** Tells where the line stands and what was said, then what happens. @returns stops watching */
  watch(watcher: (event: LifeEvent) => void): () => void {
    const { state, reason } = this.#manager;
    for (const text of this.#caller.lines) watcher({ event: "text", text });
    watcher({ event: "state", at: this.#sinceMs, state, reason });
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Does nothing any more, and gives the device back if it is talked on; a link is left to its keeper. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#resolveEnded();
    clearTimeout(this.#timer);
    await this.#caller.abort();
    await this.#opening.catch(() => {});
    await this.#talk?.close();
  }

  get state(): LineManager["state"] {
    return this.#manager.state;
  }

  get reason(): string {
    return this.#manager.reason;
  }

  /** NEVER: no attempt waits. */
  get retryAt(): Instant {
    return this.#manager.retryAt;
  }

  /** When an attempt is due, in milliseconds since 1970; null: none waits. */
  get retryAtMs(): number | null {
    return this.#retryAtMs;
  }

  status(): LifeStatus {
    const { state, reason, number, attempt, carrierBps } = this.#manager;
    return {
      state,
      since: this.#sinceMs,
      reason,
      number,
      attempt,
      carrierBps,
      history: [...this.#history],
      transcript: this.#caller.lines,
    };
  }

  #drain(): void {
    const manager = this.#manager;
    for (let event = manager.pollEvent(); event !== undefined; event = manager.pollEvent()) this.#note(event);
    for (let action = manager.pollAction(); action !== undefined; action = manager.pollAction()) {
      this.#act(action).catch((error: Error) => this.#survive(error));
    }
    clearTimeout(this.#timer);
    const wait = Math.min(manager.pollTimeout() - monotonicNow(), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.handle((each, now) => each.handleTimeout(now)), wait);
  }

  #note({ at, from, to, reason }: Transition): void {
    const line = this.#line;
    const wallAt = wallClock(at);
    this.#sinceMs = wallAt;
    this.#retryAtMs = this.retryAt === NEVER ? null : wallClock(this.retryAt);
    this.#history.push({ at: wallAt, from, to, reason });
    if (this.#history.length > MOST_TRANSITIONS) this.#history.shift();
    this.#tools.log.debug({ line: line.name, from, to, reason }, "state");
    this.#tell({ event: "state", at: wallAt, state: to, reason });
    this.#tools.changed(line, from);
  }

  async #act(action: LineAction): Promise<void> {
    switch (action.type) {
      case "open":
        await this.#open();
        break;
      case "dial":
        await this.#dial(action.number);
        break;
      case "carry":
        // A direct line's link began with its opening.
        if (this.#talk !== null) await this.#carry(this.#talk);
        break;
      case "hangUp":
        if (this.#line.config.kind === "ppp") await this.#tools.hangUp(this.#line, action.reason);
        else await this.#close();
        break;
      case "close":
        await this.#close();
        break;
    }
  }

  async #open(): Promise<void> {
    const isDirect = this.#line.config.dial === null;
    this.#opening = isDirect ? this.#tools.begin(this.#line, null) : this.#openTalk();
    try {
      await this.#opening;
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      this.handle((manager, now) => manager.handleOpenFailed(error.message, now));
      return;
    }
    // Whoever did not wait for it closes it.
    if (this.#stopped || this.#manager.state !== "locking") return;
    this.handle((manager, now) => {
      manager.handleOpened(now);
      if (isDirect) this.#began(manager, now);
    });
    if (isDirect) this.#tools.begun(this.#line);
  }

  async #openTalk(): Promise<void> {
    const { name, device, speedBps, rtscts, lock } = this.#line.config;
    const lockDirectory = lock ? this.#tools.lockDirectory : null;
    this.#talk = await this.#tools.talks.open({ talk: name, device, speedBps, rtscts, lockDirectory });
  }

  /** SLIP and kernel interfaces have nothing to agree on. */
  #began(manager: LineManager, now: Instant): void {
    if (this.#line.config.kind !== "ppp") manager.handleUp(now);
  }

  async #dial(number: string | null): Promise<void> {
    const talk = this.#talk;
    if (talk === null) return;
    const end = await this.#caller
      .call(talk, number, (carrierBps) => {
        this.handle((manager, now) => manager.handleCarrier(carrierBps, now));
      })
      .catch((error: unknown): DialogueEnd => {
        if (!(error instanceof EqlError)) throw error;
        return { ok: false, failure: "broken", reason: error.message };
      });
    this.handle((manager, now) => {
      if (end.ok) manager.handleDialed(now);
      else manager.handleDialFailed(end.failure, end.reason, now);
    });
  }

  async #carry(talk: Talk): Promise<void> {
    const { rateBps, speedBps } = this.#line.config;
    // What was configured is what the owner knows better.
    const carrierBps = rateBps === speedBps ? this.#manager.carrierBps : null;
    try {
      const takeover = await talk.handOver(carrierBps);
      this.#talk = null;
      await this.#tools.begin(this.#line, takeover);
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      this.handle((manager, now) => manager.handleLost(error.message, now));
      return;
    }
    this.handle((manager, now) => this.#began(manager, now));
    this.#tools.begun(this.#line);
  }

  /** Whatever it is that has the device, or is about to. */
  async #close(): Promise<void> {
    await this.#caller.abort();
    await this.#opening.catch(() => {}); // told where it was begun
    const talk = this.#talk;
    this.#talk = null;
    if (talk === null) await this.#tools.close(this.#line);
    else await talk.close();
    this.handle((manager, now) => manager.handleClosed(now));
  }

  #tell(event: LifeEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }

  #survive(error: Error): void {
    if (!this.#stopped) this.#tools.log.error({ line: this.#line.name, error: error.message }, "failed");
  }
}

/** An instant of the monotonic clock in milliseconds since 1970. */
const wallClock = (at: Instant): number => Math.round(Date.now() + (at - monotonicNow()));
