import { AnswerDialogue, type AnswerSettings } from "../../src/dial/answer-dialogue.ts";
import type { DialogueEvent } from "../../src/dial/dialogue.ts";
import type { LoginPromptSettings, LoginVerdict, VerifyEvent } from "../../src/dial/login-prompt.ts";
import { after, type Instant, instant } from "../../src/time.ts";
import { asText, latin1 } from "./dialogue.ts";

export const LOGIN: LoginPromptSettings = {
  banner: "office\n",
  loginPrompt: "login: ",
  passwordPrompt: "Password: ",
  refusal: "Login incorrect",
  tries: 3,
  refusalMs: 2000,
};

export const DIRECT: AnswerSettings = {
  modem: null,
  waitsForPeer: false,
  login: LOGIN,
  ppp: true,
  pauseMs: 1000,
  loginLimitMs: 60_000,
};

export const MODEM = {
  init: ["ATZ", "ATE0S0=0"],
  answer: "ATA",
  rings: 1,
  commandWaitMs: 3000,
  carrierWaitMs: 60_000,
  checkMs: 600_000,
} as const;

/** An answering dialogue on virtual time, and what it has said. */
export class Answering {
  readonly dialogue: AnswerDialogue;
  readonly events: (DialogueEvent | VerifyEvent)[] = [];
  sent = "";
  now: Instant = instant(0);
  /** Judges at once; null: the test does. */
  judge: ((user: string, password: string) => LoginVerdict) | null = null;

  constructor(settings: Partial<AnswerSettings> = {}) {
    this.dialogue = new AnswerDialogue({ ...DIRECT, ...settings });
    this.dialogue.start(this.now);
    this.#drain();
  }

  get verifies(): VerifyEvent[] {
    return this.events.filter((event) => event.type === "verify");
  }

  get notes(): string[] {
    return this.events.flatMap((event) => (event.type === "note" ? [event.text] : []));
  }

  hear(what: string | Uint8Array): void {
    const octets = typeof what === "string" ? latin1(what) : what;
    this.dialogue.handleOctets(octets, 0, octets.length, this.now);
    this.#drain();
  }

  verdict(verdict: LoginVerdict): void {
    this.dialogue.handleVerdict(verdict, this.now);
    this.#drain();
  }

  run(ms: number): void {
    const end = after(this.now, ms);
    for (let due = this.dialogue.pollTimeout(); due <= end; due = this.dialogue.pollTimeout()) {
      this.now = due > this.now ? due : this.now;
      this.dialogue.handleTimeout(this.now);
      this.#drain();
    }
    this.now = end;
  }

  /** What it said since the last call. */
  takeSent(): string {
    const { sent } = this;
    this.sent = "";
    return sent;
  }

  takeUnread(): string {
    return asText(this.dialogue.takeUnread());
  }

  #drain(): void {
    const { dialogue } = this;
    for (let out = dialogue.pollTransmit(); out !== undefined; out = dialogue.pollTransmit())
      this.sent += out === "break" ? "<break>" : asText(out);
    for (let event = dialogue.pollEvent(); event !== undefined; event = dialogue.pollEvent()) {
      this.events.push(event);
      if (event.type !== "verify" || this.judge === null) continue;
      this.verdict(this.judge(event.user, asText(event.password)));
    }
  }
}
