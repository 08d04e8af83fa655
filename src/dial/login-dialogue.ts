import { after, type Instant, NEVER } from "../time.ts";
import type { DialFailure, Dialogue, DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { DialogueOutput } from "./dialogue-output.ts";
import { LinkWatch } from "./link-watch.ts";
import { PromptText } from "./prompt-text.ts";
import { StringWatch } from "./string-watch.ts";

export interface LoginSettings {
  readonly user: string;
  readonly password: string;
  /** Ends of what the far side asks with, in any case: `ogin:`. */
  readonly loginPrompt: string;
  readonly passwordPrompt: string;
  /** For all of it. */
  readonly waitMs: number;
  /** Said once logged in, such as "ppp"; null: nothing. */
  readonly after: string | null;
  /** What comes before the link begins; null: it begins at once. */
  readonly ready: string | null;
}

/** Stands in events for what is secret. */
const MASK = "********";
/** A prompt is one when nothing follows; what is typed sooner is often thrown away by the far side. */
const PROMPT_QUIET_MS = 200;
/** "Last login:" of a slow greeting is no second prompt. */
const REFUSAL_QUIET_MS = 1000;
/** An empty line makes far sides say again what they want. */
const POKE_AFTER_MS = 5000;
/** One that was not called has said it long ago. */
const POKE_UNCALLED_AFTER_MS = 1000;
/** Far sides refuse some 3 s after a wrong password, so silence for longer is consent. */
const CONSENT_MS = 5000;
/** A far side that was woken by noise asks again for the name. */
const MOST_NAMES = 3;
const REFUSAL = /\b(incorrect|denied|invalid|(login|logon|authentication) failed)\b/i;

type Stage =
  | "login"
  | "password"
  /** Both are said. */
  | "judged"
  /** Logged in. */
  | "ready";

/**
 * Logs in at a far side that asks for a name and a password.
 *
 * 1. waits for the prompts, and answers them
 * 2. a second prompt, or words such as "incorrect", are a refusal; the beginning of a link, or silence, is consent
 * 3. says the command, and waits for what the far side says to that
 *
 * Octets with which the far side begins PPP or SLIP end it at any point, and are left in `takeUnread`.
 */
export class LoginDialogue implements Dialogue {
  readonly #settings: LoginSettings;
  readonly #firstPokeMs: number;
  readonly #output = new DialogueOutput();
  readonly #link = new LinkWatch();
  readonly #text = new PromptText();
  readonly #ready: StringWatch;
  #stage: Stage = "login";
  #names = 0;
  #endsAt: Instant = NEVER;
  #dueAt: Instant = NEVER;

  /** @param called whether the far side was called, and not just waits at the end of the line */
  constructor(settings: LoginSettings, called: boolean) {
    this.#settings = settings;
    this.#firstPokeMs = called ? POKE_AFTER_MS : POKE_UNCALLED_AFTER_MS;
    this.#ready = new StringWatch(settings.ready === null ? [] : [toOctets(settings.ready)]);
  }

  get end(): DialogueEnd | null {
    return this.#output.end;
  }

  /** Octets that came after its end and found no room. */
  get dropped(): number {
    return this.#output.dropped;
  }

  start(now: Instant): void {
    this.#endsAt = after(now, this.#settings.waitMs);
    this.#dueAt = after(now, this.#firstPokeMs);
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    for (let i = from; i < to; i++) {
      if (this.end === null) this.#handleOctet(octets[i] as number);
      else this.#output.leave(octets[i] as number);
    }
    if (this.end === null && from < to) this.#dueAt = after(now, this.#quietMs());
  }

  handleTimeout(now: Instant): void {
    if (this.end !== null) return;
    if (now >= this.#endsAt) return this.#handleEnd();
    if (now < this.#dueAt) return;
    const stage = this.#stage;
    const { loginPrompt, passwordPrompt, user, password } = this.#settings;
    if (stage !== "ready" && this.#text.endsWith(loginPrompt)) {
      if (stage === "judged") this.fail("refused", "the far side asks for the name again");
      else if (this.#names === MOST_NAMES) this.fail("refused", "the far side does not take the name");
      else {
        this.#names += 1;
        this.#say(user, user, "password", now);
      }
    } else if ((stage === "login" || stage === "password") && this.#text.endsWith(passwordPrompt)) {
      this.#say(password, MASK, "judged", now);
    } else if (stage === "login") this.#say("", "", "login", now);
    else if (stage === "judged") this.#handleConsent(now);
    else this.#dueAt = NEVER;
  }

  fail(failure: DialFailure, reason: string): void {
    this.#output.fail(failure, reason);
  }

  pollTimeout(): Instant {
    if (this.end !== null) return NEVER;
    return this.#dueAt < this.#endsAt ? this.#dueAt : this.#endsAt;
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

  /** How long nothing may come until what came has a meaning. */
  #quietMs(): number {
    const { loginPrompt, passwordPrompt } = this.#settings;
    const asksName = this.#text.endsWith(loginPrompt);
    if (this.#stage === "judged") return asksName ? REFUSAL_QUIET_MS : CONSENT_MS;
    return asksName || this.#text.endsWith(passwordPrompt) ? PROMPT_QUIET_MS : POKE_AFTER_MS;
  }

  #handleOctet(octet: number): void {
    this.#output.received(octet);
    const begun = this.#link.handleOctet(octet, this.#stage === "judged" || this.#stage === "ready");
    if (begun !== null) {
      for (const first of begun) this.#output.leave(first);
      this.#output.note("the far side has begun the link");
      return this.#output.succeed();
    }
    const line = this.#text.handleOctet(octet);
    if (line !== null) this.#handleLine(line.trim());
    const { after: command, ready } = this.#settings;
    const waits = this.#stage === "ready" || (this.#stage === "judged" && command === null);
    if (ready !== null && waits && this.#ready.handleOctet(octet & ASCII) === 0) this.#output.succeed();
  }

  #handleLine(line: string): void {
    if (line === "NO CARRIER") this.fail("no-carrier", `the modem says ${line}`);
    else if (this.#stage === "judged" && REFUSAL.test(line)) {
      const { password } = this.#settings;
      this.fail("refused", `the far side says ${password === "" ? line : line.replaceAll(password, MASK)}`);
    }
  }

  #say(text: string, shown: string, stage: Stage, now: Instant): void {
    this.#output.send(`${text}\r`, shown);
    this.#text.clear();
    this.#stage = stage;
    this.#dueAt = after(now, stage === "judged" ? CONSENT_MS : POKE_AFTER_MS);
  }

  #handleConsent(now: Instant): void {
    const { after: command, ready } = this.#settings;
    if (command !== null) this.#say(command, command, "ready", now);
    if (ready === null) this.#output.succeed();
    else this.#dueAt = NEVER;
  }

  #handleEnd(): void {
    const { after: command, ready, waitMs } = this.#settings;
    // A far side that never stops talking has let us in.
    if (this.#stage === "judged" && command === null && ready === null) return this.#output.succeed();
    this.fail("timeout", `${MISSING[this.#stage]} within ${waitMs / 1000} s`);
  }
}

const MISSING: Readonly<Record<Stage, string>> = {
  login: "the far side did not ask for a name",
  password: "the far side did not ask for a password",
  judged: "the login did not end",
  ready: "the far side was not ready for the link",
};

/** The eighth bit may be one of parity. */
const ASCII = 0x7f;
const toOctets = (text: string): Uint8Array =>
  Uint8Array.from(text, (letter) => letter.charCodeAt(0) & ASCII);
