import { after, type Instant, NEVER } from "../time.ts";
import { visible } from "./chat-text.ts";
import { ConnectWatch } from "./connect-watch.ts";
import type { DialCase, DialExpect, DialOutcome, DialScript, DialStep } from "./dial-script.ts";
import type { DialFailure, Dialogue, DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { DialogueOutput } from "./dialogue-output.ts";
import { readModemWord } from "./result-words.ts";
import { StringWatch } from "./string-watch.ts";

const SECOND_MS = 1000;
const DEFAULT_TIMEOUT_S = 45;
/** Of silence around `+++`: more than a modem's S12 as it is made. */
const GUARD_S = 1.2;
/** How long the rest of the line with CONNECT is waited for when the script is over. */
const CONNECT_REST_MS = 1000;
/** Stands in events for what is secret. */
const MASK = "********";
/** The eighth bit of an octet may be one of parity. */
const ASCII = 0x7f;

const HANG_UP: DialScript = [
  { pause: GUARD_S },
  { send: "+++", raw: true },
  { pause: GUARD_S },
  { send: "ATH" },
];

type Work =
  | { readonly type: "next" | "pause" | "rest" }
  | {
      readonly type: "expect";
      readonly step: DialExpect;
      readonly cases: readonly DialCase[];
      readonly timeoutS: number;
      readonly watch: StringWatch;
    };

const NEXT: Work = { type: "next" };

/** A script of the configuration as it is spoken on a line. Only an expect reads; what it does not read is left in `takeUnread`. */
export class ScriptDialogue implements Dialogue {
  readonly #number: string;
  readonly #output = new DialogueOutput();
  /** Null: there is a carrier already. */
  readonly #connect: ConnectWatch | null;
  /** Steps that are left, those of the innermost branch last. */
  readonly #branches: { readonly steps: DialScript; at: number }[];
  readonly #aborts: string[] = [];
  #work: Work = NEXT;
  #timeoutS = DEFAULT_TIMEOUT_S;
  #dueAt: Instant = NEVER;

  /** @param number for steps that dial @param dials whether the script makes the connection */
  constructor(script: DialScript, number: string, dials: boolean) {
    this.#number = number;
    this.#branches = [{ steps: script, at: 0 }];
    this.#connect = dials ? new ConnectWatch() : null;
  }

  get end(): DialogueEnd | null {
    return this.#output.end;
  }

  /** Octets that came while nothing was expected, and found no room. */
  get dropped(): number {
    return this.#output.dropped;
  }

  start(now: Instant): void {
    this.#run(now);
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    for (let i = from; i < to; i++) {
      this.#output.leave(octets[i] as number);
      this.#run(now);
    }
  }

  handleTimeout(now: Instant): void {
    if (this.end !== null || now < this.#dueAt) return;
    const work = this.#work;
    if (work.type === "rest") return this.#output.succeed();
    this.#work = NEXT;
    this.#dueAt = NEVER;
    if (work.type === "expect") {
      const { otherwise } = work.step;
      if (otherwise === undefined) {
        const missing = work.cases.map(({ text }) => visible(text)).join(" or ");
        return this.fail("timeout", `${missing} did not come within ${work.timeoutS} s`);
      }
      this.#enter(otherwise);
    }
    this.#run(now);
  }

  fail(failure: DialFailure, reason: string): void {
    this.#output.fail(failure, reason);
  }

  pollTimeout(): Instant {
    return this.end === null ? this.#dueAt : NEVER;
  }

  pollTransmit(): Uint8Array | "break" | undefined {
    return this.#output.pollTransmit();
  }

  pollEvent(): DialogueEvent | undefined {
    return this.#output.pollEvent();
  }

  takeUnread(): Uint8Array {
    return this.#output.takeUnread();
  }

  /** Goes on until it has to wait. */
  #run(now: Instant): void {
    while (this.end === null && this.#work.type !== "pause") {
      if (this.#work.type === "next") {
        const step = this.#nextStep();
        if (step === null) this.#finish(now);
        else this.#do(step, now);
      } else {
        const octet = this.#output.takeOctet();
        if (octet === undefined) return;
        this.#read(octet);
      }
    }
  }

  #nextStep(): DialStep | null {
    for (let branch = this.#branches.at(-1); branch !== undefined; branch = this.#branches.at(-1)) {
      const step = branch.steps[branch.at];
      branch.at += 1;
      if (step !== undefined) return step;
      this.#branches.pop();
    }
    return null;
  }

  #enter(steps: DialScript): void {
    this.#branches.push({ steps, at: 0 });
  }

  #do(step: DialStep, now: Instant): void {
    if ("send" in step) {
      this.#output.send(
        step.raw === true ? step.send : `${step.send}\r`,
        step.secret === true ? MASK : step.send,
      );
    } else if ("dial" in step) this.#output.send(`${step.dial}${this.#number}\r`);
    else if ("expect" in step) this.#expect(step, now);
    else if ("abort" in step) this.#aborts.push(...[step.abort].flat());
    else if ("timeout" in step) this.#timeoutS = step.timeout;
    else if ("pause" in step) {
      this.#work = { type: "pause" };
      this.#dueAt = after(now, step.pause * SECOND_MS);
    } else if ("break" in step) this.#output.sendBreak();
    else if ("hang-up" in step) this.#enter(HANG_UP);
    else this.#end(step.end, "the script says so");
  }

  #expect(step: DialExpect, now: Instant): void {
    const cases = [step.expect].flat().map((found) => (typeof found === "string" ? { text: found } : found));
    const texts = [...cases.map(({ text }) => text), ...this.#aborts];
    const timeoutS = step.timeout ?? this.#timeoutS;
    this.#work = { type: "expect", step, cases, timeoutS, watch: new StringWatch(texts.map(toOctets)) };
    this.#dueAt = after(now, timeoutS * SECOND_MS);
  }

  #read(octet: number): void {
    this.#output.received(octet);
    const connected = this.#connect?.handleOctet(octet) ?? null;
    if (connected !== null) this.#output.tell({ type: "connected", ...connected });
    if (this.#work.type === "rest" && this.#connect?.expects !== true) return this.#output.succeed();
    if (this.#work.type !== "expect") return;
    const found = this.#work.watch.handleOctet(octet & ASCII);
    if (found < 0) return;
    const { cases } = this.#work;
    const choice = cases[found];
    this.#work = NEXT;
    this.#dueAt = NEVER;
    if (choice === undefined) this.#abort(this.#aborts[found - cases.length] as string);
    else if (choice.end !== undefined) this.#end(choice.end, `${visible(choice.text)} came`);
    else this.#enter(choice.steps ?? []);
  }

  #abort(text: string): void {
    const word = readModemWord(text);
    this.fail(word?.type === "failure" ? word.failure : "aborted", `${visible(text)} came`);
  }

  #end(outcome: DialOutcome, reason: string): void {
    if (outcome !== "ok") this.fail(outcome, reason);
    else this.#branches.length = 0;
  }

  #finish(now: Instant): void {
    if (this.#connect?.expects !== true) return this.#output.succeed();
    this.#work = { type: "rest" };
    this.#dueAt = after(now, CONNECT_REST_MS);
  }
}

const toOctets = (text: string): Uint8Array =>
  Uint8Array.from(text, (letter) => letter.charCodeAt(0) & ASCII);
