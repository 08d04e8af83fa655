import { parseAddressRange } from "../../config/address-range.ts";
import type { StationConfig } from "../../config/config.ts";
import type { StationStatus } from "../../control/messages.ts";
import { AnswerDialogue, type AnswerResult } from "../../dial/answer-dialogue.ts";
import type { DialogueEnd, DialogueEvent } from "../../dial/dialogue.ts";
import type { LoginVerdict, VerifyEvent } from "../../dial/login-prompt.ts";
import { Transcript } from "../../dial/transcript.ts";
import { EqlError } from "../../errors.ts";
import { monotonicNow } from "../../host/clock.ts";
import type { EngineClient } from "../../host/engine/client.ts";
import type { EngineLineStatus } from "../../host/engine/messages.ts";
import type { Proof } from "../../ppp/proof.ts";
import { printable, utf8Text } from "../../ppp/text.ts";
import type { LineKeeper } from "../line-keeper.ts";
import type { Logger } from "../log.ts";
import type { Talk, Talks } from "../talks.ts";
import type { Accounting } from "./accounting.ts";
import type { Authority, CallInfo, Grant, Refusal } from "./authority.ts";
import type { Callers, Place } from "./callers.ts";
import { Session } from "./session.ts";
import { dialogueSettings, welcome } from "./station-dialogue.ts";

/** What a station works with; all of it is its owner's. */
export interface StationTools {
  readonly engine: EngineClient;
  readonly keeper: LineKeeper;
  readonly log: Logger;
  readonly talks: Talks;
  readonly callers: Callers;
  readonly authority: Authority;
  readonly accounting: readonly Accounting[];
  /** Where UUCP locks go. */
  readonly lockDirectory: string;
}

/** DTR is down for so long at least, or modems do not see it. */
const SHORTEST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const LINES_KEPT = 100;
/** Mistakes of an owner's that people at the far end can make as well: the pause grows. */
const BAD_ENDS: readonly string[] = ["refused", "modem"];

/** A line on which callers are answered, one after the other, for as long as the daemon runs. */
export class Station {
  readonly #config: StationConfig;
  readonly #tools: StationTools;
  #state: StationStatus["state"] = "closed";
  #sinceMs = Date.now();
  #reason = "";
  #transcript = new Transcript([], LINES_KEPT);
  #talk: Talk | null = null;
  #session: Session | null = null;
  #carrierBps: number | null = null;
  #callerId: string | null = null;
  /** Of who has logged in, until the session has it. */
  #place: Place | null = null;
  #pauseMs = SHORTEST_PAUSE_MS;
  #isStopped = false;
  #endPause: () => void = () => {};
  #life: Promise<void> = Promise.resolve();

  constructor(config: StationConfig, tools: StationTools) {
    this.#config = config;
    this.#tools = tools;
  }

  get name(): string {
    return this.#config.line.name;
  }

  start(): void {
    this.#life = this.#live();
  }

  /** Ends the call that there is, and gives the device back. */
  async stop(reason: string): Promise<void> {
    this.#isStopped = true;
    this.#endPause();
    this.#session?.hangUp("shutdown", reason);
    await this.#talk?.close();
    await this.#life;
  }

  /** Ends the call that there is. */
  hangUp(reason: string): void {
    this.#session?.hangUp("admin", reason);
    // The loop goes on when the talk has ended.
    if (this.#state === "login") this.#talk?.close().catch((error: Error) => this.#fail(error));
  }

  status(): StationStatus {
    const { user = null, address = null, protocol = null } = this.#session ?? {};
    return {
      name: this.name,
      device: this.#config.line.device,
      state: this.#state,
      since: this.#sinceMs,
      reason: this.#reason,
      user,
      address,
      protocol,
      carrierBps: this.#carrierBps,
      callerId: this.#callerId,
      transcript: this.#transcript.lines.map(({ text }) => text),
    };
  }

  /** About once a second. */
  look(lines: readonly EngineLineStatus[]): void {
    this.#session?.look(lines);
  }

  async #live(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#answerOne();
      } catch (error) {
        this.#fail(error as Error);
      }
      await this.#pause();
    }
  }

  /** Waits for a caller, and is there for it to the end. */
  async #answerOne(): Promise<void> {
    const { name: talk, device, speedBps, rtscts, lock } = this.#config.line;
    const { talks, lockDirectory } = this.#tools;
    this.#talk = await talks.open({
      talk,
      device,
      speedBps,
      rtscts,
      lockDirectory: lock ? lockDirectory : null,
    });
    try {
      if (this.#isStopped) return;
      this.#enter("waiting", "");
      const dialogue = new AnswerDialogue(dialogueSettings(this.#config.answer));
      const end = await this.#converse(this.#talk, dialogue);
      const { result } = dialogue;
      if (end.ok && result !== null && !this.#isStopped) await this.#carry(this.#talk, result);
      else if (!end.ok) this.#handleFailure(end);
    } finally {
      const [talk, place] = [this.#talk, this.#place];
      this.#talk = null;
      this.#place = null;
      // First, as a device may fail even to be closed.
      if (place !== null) await this.#tools.callers.leave(place);
      await talk?.close();
    }
  }

  async #converse(talk: Talk, dialogue: AnswerDialogue): Promise<DialogueEnd> {
    this.#transcript = new Transcript([], LINES_KEPT);
    this.#carrierBps = null;
    this.#callerId = null;
    const end = await talk.run(dialogue, (event: DialogueEvent | VerifyEvent) => {
      if (event.type === "verify") void this.#verify(talk, dialogue, event);
      else this.#handleEvent(event, dialogue);
    });
    this.#transcript.handleEnd(end, monotonicNow());
    return end;
  }

  #handleEvent(event: DialogueEvent, { callerId }: AnswerDialogue): void {
    this.#transcript.handleEvent(event, monotonicNow());
    if (event.type !== "connected") return;
    this.#carrierBps = event.carrierBps;
    this.#callerId = callerId;
    this.#enter("login", "");
    this.#tools.log.info({ line: this.name, carrierBps: event.carrierBps }, "somebody calls");
  }

  async #verify(talk: Talk, dialogue: AnswerDialogue, { user, password }: VerifyEvent): Promise<void> {
    const verdict = await this.#judgeLogin(dialogue, user, utf8Text(password));
    dialogue.handleVerdict(verdict, monotonicNow());
    talk.step();
  }

  async #judgeLogin(dialogue: AnswerDialogue, user: string, password: string): Promise<LoginVerdict> {
    const { authority } = this.#tools;
    const found = await this.#ask(() => authority.login(user, password, this.#about()), user);
    if (!found.ok) return REFUSED;
    const place = await this.#admit(found);
    if (typeof place === "string") {
      this.#warn(user, place);
      return REFUSED;
    }
    // It may have hung up meanwhile.
    if (dialogue.end !== null) {
      await this.#tools.callers.leave(place);
      return REFUSED;
    }
    this.#place = place;
    return { ok: true, protocol: found.protocol, message: welcome(this.#config.answer.message, place) };
  }

  /** Asks an authority. One that fails lets nobody in. */
  async #ask(ask: () => Promise<Grant | Refusal>, user: string): Promise<Grant | Refusal> {
    const found = await ask().catch((error: unknown): Refusal => {
      if (!(error instanceof EqlError)) throw error;
      return { ok: false, message: error.message };
    });
    if (!found.ok) this.#warn(user, found.message);
    return found;
  }

  #admit(grant: Grant): Promise<Place | string> {
    const { line, answer } = this.#config;
    const peer = line.peer === null ? null : parseAddressRange(line.peer);
    const pool = peer === null ? answer.pool : [peer];
    const { maxLines, radius, usersFile } = answer;
    const realm = radius === null ? `file ${usersFile}` : `radius ${radius}`;
    const local = line.address ?? "";
    return this.#tools.callers.admit(grant, { realm, local, mtu: line.mtu, pool, maxLines });
  }

  async #carry(talk: Talk, result: AnswerResult): Promise<void> {
    const { line, answer } = this.#config;
    const about = this.#about();
    const tools = {
      ...this.#tools,
      prove: (proof: Proof) => this.#ask(() => this.#tools.authority.prove(proof, about), proof.name),
      admit: (grant: Grant) => this.#admit(grant),
    };
    const limits = { idleMs: answer.idleMs, sessionMs: answer.sessionMs, beginMs: answer.loginWaitMs };
    const session = new Session(tools, line, about, limits, result, this.#place);
    this.#place = null;
    this.#session = session;
    this.#enter("session", "");
    try {
      await session.begin(talk);
      this.#talk = null;
      if (this.#isStopped) session.hangUp("shutdown", "User request");
    } finally {
      await session.ended;
      this.#session = null;
    }
    this.#reason = session.reason;
    this.#pauseMs = session.user === null ? this.#pauseMs * 2 : SHORTEST_PAUSE_MS;
  }

  #handleFailure(end: Extract<DialogueEnd, { readonly ok: false }>): void {
    if (this.#isStopped) return;
    const grows = BAD_ENDS.includes(end.failure);
    this.#pauseMs = grows ? this.#pauseMs * 2 : SHORTEST_PAUSE_MS;
    this.#enter("closed", end.reason);
    this.#tools.log[grows ? "warn" : "info"]({ line: this.name, reason: end.reason }, "nobody came in");
  }

  #fail(error: Error): void {
    const isNews = error.message !== this.#reason;
    this.#enter("closed", error.message);
    this.#pauseMs *= 2;
    const code = error instanceof EqlError ? error.code : undefined;
    this.#tools.log[isNews ? "warn" : "debug"](
      { line: this.name, code, error: error.message },
      "cannot answer",
    );
  }

  #pause(): Promise<void> {
    if (this.#state !== "closed") this.#enter("closed", this.#reason);
    this.#pauseMs = Math.min(this.#pauseMs, LONGEST_PAUSE_MS);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#isStopped ? 0 : this.#pauseMs);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #about(): CallInfo {
    const { name: line, device } = this.#config.line;
    return { line, device, carrierBps: this.#carrierBps, callerId: this.#callerId };
  }

  #warn(user: string, reason: string): void {
    this.#tools.log.warn({ line: this.name, user: printable(user), reason }, "not let in");
  }

  #enter(state: StationStatus["state"], reason: string): void {
    this.#state = state;
    this.#sinceMs = Date.now();
    this.#reason = reason;
  }
}

const REFUSED: LoginVerdict = { ok: false };
