import { setTimeout as delay } from "node:timers/promises";
import type { Dialogue, DialogueEnd, DialogueEvent } from "../dial/dialogue.ts";
import { monotonicNow } from "../host/clock.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type { EngineEvent, EngineOperations, TalkSettings } from "../host/engine/messages.ts";
import { BREAK_MS } from "../host/engine/talk-port.ts";
import { after, type Instant, instant } from "../time.ts";

export type Takeover = NonNullable<EngineOperations["openLine"]["request"]["talk"]>;
type TalkEvent = Extract<EngineEvent, { readonly type: "heard" | "talkEnded" }>;

/** The ttys that are talked on; what the engine hears goes to the right one. */
export class Talks {
  readonly #engine: EngineClient;
  readonly #talks = new Map<string, Talk>();

  constructor(engine: EngineClient) {
    this.#engine = engine;
  }

  /**
   * Locks and opens a tty.
   * @throws EqlError as the engine's `openTalk`
   */
  async open(settings: TalkSettings): Promise<Talk> {
    const { fd } = await this.#engine.request("openTalk", settings);
    const talk = new Talk(settings.talk, fd, this.#engine, () => this.#talks.delete(talk.name));
    this.#talks.set(talk.name, talk);
    return talk;
  }

  handleEvent(event: TalkEvent): void {
    this.#talks.get(event.talk)?.handleEvent(event);
  }
}

/** A tty on which dialogues, or other programs, talk: one after the other. It ends by `close`, `handOver`, or by itself. */
export class Talk {
  readonly name: string;
  /** Of the engine: not to be read, written or closed here, but other programs may get it while it is held. */
  readonly fd: number;
  /** Why it has ended by itself; null: it has not. */
  ended: string | null = null;
  /** Called when it ends by itself. */
  onEnded: (reason: string) => void = () => {};
  readonly #engine: EngineClient;
  readonly #forget: () => void;
  /** What came while nobody talked. */
  #unread: Uint8Array[] = [];
  /** When all breaks are over that were sent. */
  #breaksEndAt: Instant = instant(0);
  #run: { readonly dialogue: Dialogue<unknown>; step(): void } | null = null;

  constructor(name: string, fd: number, engine: EngineClient, forget: () => void) {
    this.name = name;
    this.fd = fd;
    this.#engine = engine;
    this.#forget = forget;
  }

  handleEvent(event: TalkEvent): void {
    if (event.type === "talkEnded") {
      this.ended = event.reason;
      this.#forget();
      this.#run?.dialogue.fail("broken", event.reason);
      this.onEnded(event.reason);
    } else if (this.#run === null) this.#unread.push(event.octets);
    else this.#run.dialogue.handleOctets(event.octets, 0, event.octets.length, monotonicNow());
    this.#run?.step();
  }

  /** Lets a dialogue talk to its end. What it has not read is for the next one, or for the link. */
  run<Event = DialogueEvent>(
    dialogue: Dialogue<Event>,
    onEvent: (event: Event) => void,
  ): Promise<DialogueEnd> {
    const { promise, resolve } = withResolver<DialogueEnd>();
    let timer: NodeJS.Timeout | undefined;
    const step = (): void => {
      clearTimeout(timer);
      this.#drain(dialogue, onEvent);
      if (dialogue.end === null) {
        const wait = Math.min(dialogue.pollTimeout() - monotonicNow(), LONGEST_TIMER_MS);
        timer = setTimeout(() => {
          dialogue.handleTimeout(monotonicNow());
          step();
        }, wait);
        return;
      }
      this.#run = null;
      this.#unread.unshift(dialogue.takeUnread());
      resolve(dialogue.end);
    };
    this.#run = { dialogue, step };
    dialogue.start(monotonicNow());
    for (const octets of this.#unread.splice(0)) {
      dialogue.handleOctets(octets, 0, octets.length, monotonicNow());
    }
    if (this.ended !== null) dialogue.fail("broken", this.ended);
    step();
    return promise;
  }

  /** The dialogue that runs was told something by its owner. */
  step(): void {
    this.#run?.step();
  }

  /** Leaves the line to another program, that has its descriptor. */
  async hold(): Promise<void> {
    await this.#engine.request("holdTalk", { talk: this.name, hold: true });
  }

  async resume(): Promise<void> {
    await this.#engine.request("holdTalk", { talk: this.name, hold: false });
  }

  /**
   * What `openLine` wants so that a line begins here. The talk is nobody's any more.
   * @param rateBps what the line carries; null: as it was given
   */
  async handOver(rateBps: number | null): Promise<Takeover> {
    // What was said after a break is not sent before its end.
    const breakMs = this.#breaksEndAt - monotonicNow();
    if (breakMs > 0) await delay(breakMs);
    // All that was heard before is here when this is answered.
    await this.hold();
    this.#forget();
    const early = new Uint8Array(Buffer.concat(this.#unread));
    return { talk: this.name, early, rateBps };
  }

  /** Gives the device back, which hangs a modem up. */
  async close(): Promise<void> {
    this.#forget();
    this.#run?.dialogue.fail("broken", "closed");
    this.#run?.step();
    if (this.ended === null) await this.#engine.request("closeTalk", { talk: this.name });
  }

  #drain<Event>(dialogue: Dialogue<Event>, onEvent: (event: Event) => void): void {
    for (let out = dialogue.pollTransmit(); out !== undefined; out = dialogue.pollTransmit()) {
      const octets = out === "break" ? null : out;
      if (octets === null) this.#breaksEndAt = after(later(this.#breaksEndAt, monotonicNow()), BREAK_MS);
      void this.#engine.request("say", { talk: this.name, octets }).catch(() => {}); // the engine has stopped
    }
    for (let event = dialogue.pollEvent(); event !== undefined; event = dialogue.pollEvent()) onEvent(event);
  }
}

const later = (a: Instant, b: Instant): Instant => (a > b ? a : b);

/** The longest that a timer takes. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

function withResolver<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((resolvePromise) => {
    resolve = resolvePromise;
  });
  return { promise, resolve };
}
