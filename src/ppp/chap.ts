import type { Instant } from "../time.ts";
import { PPP_CHAP } from "../wire/ppp-packet.ts";
import {
  AuthExchange,
  type AuthPacket,
  authPacket,
  counted,
  disbelief,
  judgedEntry,
  proofId,
  readCounted,
  refusal,
} from "./auth-exchange.ts";
import type { ChallengeMint } from "./challenge-mint.ts";
import type { Verdict } from "./proof.ts";
import { findSecret, ownName } from "./secrets.ts";
import type { AuthSettings, PppCrypto, Secret } from "./settings.ts";
import { isPlainText, printable, utf8Octets, utf8Text } from "./text.ts";

/** RFC 1994, section 4. */
const CHALLENGE = 1;
const RESPONSE = 2;
const SUCCESS = 3;
const FAILURE = 4;

/** One challenge as it is answered: all that goes into the response. */
export interface ChapQuestion {
  readonly id: number;
  readonly challenge: Uint8Array;
  /** The name in the Response packet. */
  readonly name: Uint8Array;
  readonly secret: string;
}

/** What CHAP-MD5 and MS-CHAPv2 do differently with the same packets. */
export interface ChapMethod {
  readonly protocol: "chap-md5" | "mschapv2";
  readonly label: string;
  /** Octets of a response. */
  readonly responseLength: number;
  /** Whether it can answer a challenge of this many octets. */
  takesChallenge(length: number): boolean;
  respond(question: ChapQuestion): Uint8Array;
  /** @returns the message of the Success packet; null: the response is wrong. Takes as long for a wrong one. */
  check(question: ChapQuestion, response: Uint8Array): Uint8Array | null;
  /** The message of the Success packet when somebody else has judged. @param said by the verdict @returns null: that will not do */
  accept(said: string | undefined): Uint8Array | null;
  /** The message of a Failure packet. */
  failure(): Uint8Array;
  /** Whether only one who knows the secret could have sent this message with Success, where the method knows such a thing. */
  believes(question: ChapQuestion, response: Uint8Array, message: Uint8Array): boolean;
  /** What a Failure's message says to a person. */
  explain(message: string): string;
}

/** MD5 over Identifier, secret and challenge (RFC 1994, section 4.1). */
export class ChapMd5 implements ChapMethod {
  readonly protocol = "chap-md5";
  readonly label = "CHAP";
  readonly responseLength = 16;
  readonly #primitives: PppCrypto;

  constructor(primitives: PppCrypto) {
    this.#primitives = primitives;
  }

  takesChallenge(length: number): boolean {
    return length > 0;
  }

  respond({ id, challenge, secret }: ChapQuestion): Uint8Array {
    return this.#primitives.md5(Uint8Array.of(id, ...utf8Octets(secret), ...challenge));
  }

  check(question: ChapQuestion, response: Uint8Array): Uint8Array | null {
    return this.#primitives.equal(this.respond(question), response) ? this.accept() : null;
  }

  accept(): Uint8Array {
    return utf8Octets("Access granted");
  }

  failure(): Uint8Array {
    return utf8Octets("Access denied");
  }

  believes(): boolean {
    return true;
  }

  explain(message: string): string {
    return message;
  }
}

/** The peer proves itself. */
export class ChapAuthenticator extends AuthExchange {
  readonly protocol: number = PPP_CHAP;
  readonly #method: ChapMethod;
  readonly #settings: AuthSettings;
  readonly #primitives: PppCrypto;
  readonly #mint: ChallengeMint;
  #id = 0;
  #challenge: Uint8Array = new Uint8Array(0);
  /** What the Response to the last challenge was answered with. */
  #answer: Uint8Array | null = null;

  constructor(method: ChapMethod, settings: AuthSettings, primitives: PppCrypto, mint: ChallengeMint) {
    super(settings.timeoutMs);
    this.#method = method;
    this.#settings = settings;
    this.#primitives = primitives;
    this.#mint = mint;
  }

  protected begin(now: Instant): void {
    this.#id = this.#primitives.random(1)[0] as number;
    this.again(now);
  }

  /** A new Identifier and a new challenge each time (RFC 1994, section 4.1); a Response to an older one is late. */
  protected again(now: Instant): void {
    this.#id = (this.#id + 1) & 0xff;
    this.#challenge = this.#mint.make();
    this.#answer = null;
    const name = utf8Octets(this.#settings.name);
    this.sendUntilAnswered(authPacket(CHALLENGE, this.#id, counted(this.#challenge), name), now);
  }

  protected take({ code, id, data }: AuthPacket): boolean {
    const response = readCounted(data, 0);
    if (code !== RESPONSE || id !== this.#id || response === null) return false;
    // What is being judged is the first Response, whatever a repeated one says.
    if (this.isJudged) return true;
    if (this.#answer !== null) {
      // A repeated Response means that the answer was lost: it is the same again, whatever the Response says now.
      this.send(this.#answer);
      return true;
    }
    if (this.outcome !== "pending") return false;
    const said = data.subarray(1 + response.length);
    const name = this.#settings.remoteName ?? utf8Text(said);
    if (this.#settings.deferred) this.#defer(name, response);
    else this.#judge(name, response, said);
    return true;
  }

  #defer(name: string, response: Uint8Array): void {
    const { protocol: method, responseLength } = this.#method;
    if (!this.#mayBe(name) || response.length !== responseLength) return this.#refuse(name, "");
    const id = proofId(this.#primitives);
    const [identifier, challenge] = [this.#id, this.#challenge.slice()];
    this.defer({ id, name, method, identifier, challenge, response: response.slice() }, (verdict) =>
      this.#obey(name, verdict),
    );
  }

  #obey(said: string, verdict: Verdict): void {
    if (!verdict.ok) return this.#refuse(said, verdict.message);
    const message = this.#method.accept(verdict.success);
    if (message === null) return this.#refuse(said, "whoever judged it gave no proof of its own");
    const name = verdict.name ?? said;
    this.#accept(name, judgedEntry(name, this.#settings.name, verdict.addresses), message);
  }

  /** As much work for a name that nobody has as for one that somebody has. */
  #judge(name: string, response: Uint8Array, said: Uint8Array): void {
    const { chapSecrets, name: server } = this.#settings;
    const entry = findSecret(chapSecrets, name, server);
    const question = {
      id: this.#id,
      challenge: this.#challenge,
      name: said,
      secret: entry?.secret ?? "nobody",
    };
    const success = this.#method.check(question, response);
    // An empty secret is known to all.
    const usable = entry !== null && entry.secret !== "" && this.#mayBe(name);
    if (usable && success !== null) this.#accept(name, entry, success);
    else this.#refuse(name, "");
  }

  /** Our own name could be on a response that we made (RFC 1994, section 6). */
  #mayBe(name: string): boolean {
    return name !== "" && isPlainText(name) && name !== this.#settings.name;
  }

  #accept(name: string, entry: Secret, message: Uint8Array): void {
    this.pass(name, entry);
    this.#answerWith(SUCCESS, message);
  }

  /** @param why for our own log; "": the proof says it all */
  #refuse(name: string, why: string): void {
    this.fail(disbelief(name, this.#method.label, why));
    this.#answerWith(FAILURE, this.#method.failure());
  }

  #answerWith(code: number, message: Uint8Array): void {
    this.#answer = authPacket(code, this.#id, message);
    this.send(this.#answer);
  }
}

/** We prove ourselves, as often as the peer asks. */
export class ChapAuthenticatee extends AuthExchange {
  readonly protocol: number = PPP_CHAP;
  readonly #method: ChapMethod;
  readonly #settings: AuthSettings;
  readonly #mint: ChallengeMint;
  #question: ChapQuestion | null = null;
  #response: Uint8Array = new Uint8Array(0);
  /** Whether neither Success nor Failure has come for the last Response. */
  #waiting = false;

  constructor(method: ChapMethod, settings: AuthSettings, mint: ChallengeMint) {
    super(settings.timeoutMs);
    this.#method = method;
    this.#settings = settings;
    this.#mint = mint;
  }

  /** The peer begins. */
  protected begin(): void {
    this.#question = null;
    this.#waiting = false;
  }

  protected again(now: Instant): void {
    if (this.#question !== null) this.sendUntilAnswered(this.#packet(this.#question), now);
  }

  protected take(packet: AuthPacket, now: Instant): boolean {
    if (this.outcome === "failed") return false;
    if (packet.code === CHALLENGE) return this.#takeChallenge(packet, now);
    const question = this.#question;
    if (question === null || packet.id !== question.id || !this.#waiting) return false;
    if (packet.code === SUCCESS) this.#takeSuccess(question, packet.data);
    else if (packet.code === FAILURE) {
      this.fail(refusal(this.#method.label, this.#method.explain(utf8Text(packet.data))));
    } else return false;
    this.#waiting = false;
    return true;
  }

  #takeChallenge({ id, data }: AuthPacket, now: Instant): boolean {
    const challenge = readCounted(data, 0);
    if (challenge === null || !this.#method.takesChallenge(challenge.length)) return false;
    if (this.#question?.id === id && same(this.#question.challenge, challenge)) {
      this.send(this.#packet(this.#question)); // It had not arrived.
      return true;
    }
    if (this.#mint.made(challenge)) {
      this.fail(
        "the peer sent back a challenge of ours: it lets us prove ourselves in its place, or the line is looped back",
      );
      return true;
    }
    const user = ownName(this.#settings);
    const server = this.#settings.remoteName ?? utf8Text(data.subarray(1 + challenge.length));
    const secret = this.#settings.password ?? findSecret(this.#settings.chapSecrets, user, server)?.secret;
    if (secret === undefined) {
      this.fail(`there is no CHAP secret for "${printable(user)}" with "${printable(server)}"`);
      return true;
    }
    this.#question = { id, challenge: challenge.slice(), name: utf8Octets(user), secret };
    this.#response = this.#method.respond(this.#question);
    this.#waiting = true;
    this.answered();
    this.sendUntilAnswered(this.#packet(this.#question), now);
    return true;
  }

  #takeSuccess(question: ChapQuestion, message: Uint8Array): void {
    if (this.#method.believes(question, this.#response, message)) this.pass(ownName(this.#settings), null);
    else this.fail("the peer accepted us, but does not know the secret itself");
  }

  #packet({ id, name }: ChapQuestion): Uint8Array {
    return authPacket(RESPONSE, id, counted(this.#response), name);
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, at) => octet === b[at]);
