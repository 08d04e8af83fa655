import { after, type Instant, NEVER } from "../time.ts";
import type { DialogueOutput } from "./dialogue-output.ts";
import { TypedLine } from "./typed-line.ts";

/** Texts are latin1; a line feed in one is sent as CR LF. */
export interface LoginPromptSettings {
  /** Before the first prompt. */
  readonly banner: string;
  /** Callers' scripts wait for `ogin:`. */
  readonly loginPrompt: string;
  /** Callers' scripts wait for `ssword:`. */
  readonly passwordPrompt: string;
  readonly refusal: string;
  /** Refusals after which it gives up. */
  readonly tries: number;
  /** What the first refusal is delayed by; each further one by twice as much. */
  readonly refusalMs: number;
}

/** Somebody outside is to say whether this is right, by {@link LoginPrompt.handleVerdict}. */
export interface VerifyEvent {
  readonly type: "verify";
  /** ASCII, printable. */
  readonly user: string;
  /** As typed; never for a log. */
  readonly password: Uint8Array;
}

/** `any`: whichever the caller begins with. */
export type LoginProtocol = "slip" | "ppp" | "any";

export type LoginVerdict =
  | {
      readonly ok: true;
      readonly protocol: LoginProtocol;
      /** What is said before packets begin, as terminal servers do; latin1, may be empty. */
      readonly message: string;
    }
  | { readonly ok: false };

type LoginPromptState = "unprompted" | "name" | "password" | "verifying" | "refusing" | "granted" | "refused";

const MOST_NAME = 64;
const MOST_PASSWORD = 256;
/** An Enter key that is held down must not make more output than its line carries. */
const MOST_PROMPTS = 20;
/** Stands for what is secret. */
const MASK = "??????";

/** Asks for a login and its password until they are right, or too many were wrong. What is typed ahead is taken as an answer, but not before a refusal. */
export class LoginPrompt {
  readonly #settings: LoginPromptSettings;
  readonly #output: DialogueOutput<VerifyEvent>;
  readonly #line = new TypedLine();
  #state: LoginPromptState = "unprompted";
  #user = "";
  #protocol: LoginProtocol = "any";
  #prompts = 0;
  #refusals = 0;
  #refusalAt: Instant = NEVER;

  constructor(settings: LoginPromptSettings, output: DialogueOutput<VerifyEvent>) {
    this.#settings = settings;
    this.#output = output;
  }

  get state(): LoginPromptState {
    return this.#state;
  }

  /** Who was asked about last. */
  get user(): string {
    return this.#user;
  }

  /** What is to be spoken, once it is granted. */
  get protocol(): LoginProtocol {
    return this.#protocol;
  }

  start(): void {
    this.#say(this.#settings.banner);
    this.#ask();
  }

  /** The first octet only makes it start, where nothing else did. */
  handleOctet(octet: number, now: Instant): void {
    if (this.#state === "unprompted") {
      this.#line.handleOctet(octet);
      this.start();
    } else if (this.#state === "name" || this.#state === "password") this.#read(octet, now);
  }

  handleVerdict(verdict: LoginVerdict, now: Instant): void {
    if (this.#state !== "verifying") return;
    if (!verdict.ok) return this.#refuse(now);
    this.#protocol = verdict.protocol;
    this.#state = "granted";
    this.#say(verdict.message);
  }

  handleTimeout(now: Instant): void {
    if (this.#state !== "refusing" || now < this.#refusalAt) return;
    this.#refusalAt = NEVER;
    this.#say(`${this.#settings.refusal}\n`);
    if (this.#refusals < this.#settings.tries) this.#ask();
    else this.#state = "refused";
  }

  pollTimeout(): Instant {
    return this.#refusalAt;
  }

  #read(octet: number, now: Instant): void {
    const echo = this.#line.handleOctet(octet);
    if (this.#state === "name") {
      this.#output.received(octet);
      if (echo === null) this.#endName();
      else this.#output.echo(echo);
    } else if (echo === null) this.#endPassword(now);
  }

  #ask(): void {
    this.#prompts += 1;
    if (this.#prompts > MOST_PROMPTS) {
      this.#state = "refused";
      return;
    }
    this.#say(this.#settings.loginPrompt);
    this.#line.begin(MOST_NAME, true);
    this.#state = "name";
  }

  #endName(): void {
    const { tooLong, octets } = this.#line;
    this.#user = tooLong ? "" : String.fromCharCode(...octets).trim();
    this.#say("\n");
    // Where nothing was typed, the prompt may have been missed: it comes again.
    if (octets.length === 0) return this.#ask();
    this.#say(this.#settings.passwordPrompt);
    this.#line.begin(MOST_PASSWORD, false);
    this.#state = "password";
  }

  #endPassword(now: Instant): void {
    const { tooLong, octets } = this.#line;
    this.#output.note(`received ${MASK}`);
    this.#say("\n");
    if (tooLong || this.#user === "") return this.#refuse(now);
    this.#state = "verifying";
    this.#output.tell({ type: "verify", user: this.#user, password: octets });
  }

  #refuse(now: Instant): void {
    this.#output.note(`login of "${this.#user}" refused`);
    this.#state = "refusing";
    this.#refusalAt = after(now, this.#settings.refusalMs * 2 ** this.#refusals);
    this.#refusals += 1;
  }

  #say(text: string): void {
    if (text !== "") this.#output.send(text.replaceAll("\n", "\r\n"));
  }
}
