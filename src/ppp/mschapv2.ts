import type { ChapMethod, ChapQuestion } from "./chap.ts";
import type { PppCrypto } from "./settings.ts";
import { utf8Octets, utf8Text, utf16Octets } from "./text.ts";

/** A Response's value (RFC 2759, section 4): peer challenge 16, reserved 8, NT response 24, flags 1. */
const RESPONSE_LENGTH = 49;
const CHALLENGE_LENGTH = 16;
const NT_RESPONSE_AT = 24;
const NT_RESPONSE_LENGTH = 24;
/** The authenticator's response in a Success message: `S=` and 40 hexadecimal digits. */
const PROOF_LENGTH = 42;
const PROOF = /^S=[0-9A-F]{40}$/;

const SIGNING = utf8Octets("Magic server to client signing constant");
const PADDING = utf8Octets("Pad to make it do more than one iteration");

/** Failure codes (RFC 2759, section 6). */
const FAILURES: Readonly<Record<string, string>> = {
  "646": "not at this time of day",
  "647": "the account is disabled",
  "648": "the password has expired",
  "649": "no permission to dial in",
  "691": "wrong name or password",
  "709": "the password could not be changed",
};

/** Microsoft's CHAP, version 2 (RFC 2759): the authenticator proves that it knows the password, too. */
export class MsChapV2 implements ChapMethod {
  readonly protocol = "mschapv2";
  readonly label = "MS-CHAPv2";
  readonly responseLength: number = RESPONSE_LENGTH;
  readonly #primitives: PppCrypto;

  constructor(primitives: PppCrypto) {
    this.#primitives = primitives;
  }

  takesChallenge(length: number): boolean {
    return length === CHALLENGE_LENGTH;
  }

  respond(question: ChapQuestion): Uint8Array {
    return this.respondWith(question, this.#primitives.random(CHALLENGE_LENGTH));
  }

  /** {@link MsChapV2.respond} with a peer challenge that is known beforehand. */
  respondWith(question: ChapQuestion, peerChallenge: Uint8Array): Uint8Array {
    const value = new Uint8Array(RESPONSE_LENGTH);
    value.set(peerChallenge);
    value.set(this.#ntResponse(question, peerChallenge), NT_RESPONSE_AT);
    return value;
  }

  check(question: ChapQuestion, response: Uint8Array): Uint8Array | null {
    if (response.length !== RESPONSE_LENGTH) return null;
    const expected = this.#ntResponse(question, response.subarray(0, CHALLENGE_LENGTH));
    const proof = this.#proof(question, response);
    return this.#primitives.equal(expected, ntResponseOf(response)) ? this.accept(proof) : null;
  }

  accept(said: string | undefined): Uint8Array | null {
    return said !== undefined && PROOF.test(said) ? utf8Octets(`${said} M=Access granted`) : null;
  }

  /** 691: wrong name or password; R=0: it is not to be tried again; then a challenge that nobody will answer, and the version. */
  failure(): Uint8Array {
    return utf8Octets(`E=691 R=0 C=${hex(this.#primitives.random(CHALLENGE_LENGTH))} V=3 M=Access denied`);
  }

  believes(question: ChapQuestion, response: Uint8Array, message: Uint8Array): boolean {
    const said = utf8Text(message.subarray(0, PROOF_LENGTH)).toUpperCase();
    return this.#primitives.equal(utf8Octets(said), utf8Octets(this.#proof(question, response)));
  }

  explain(message: string): string {
    const code = /\bE=(\d+)/.exec(message)?.[1];
    const text = /\bM=(.*)$/s.exec(message)?.[1];
    const words = code === undefined ? undefined : (FAILURES[code] ?? `error ${code}`);
    return [words, text].filter((part) => part).join(", ") || message;
  }

  /** RFC 2759, section 8.1: the challenge's hash under three DES keys made of the password's hash. */
  #ntResponse(question: ChapQuestion, peerChallenge: Uint8Array): Uint8Array {
    const challenge = this.#challengeHash(question, peerChallenge);
    const keys = new Uint8Array(21);
    keys.set(this.#primitives.md4(utf16Octets(question.secret)));
    const response = new Uint8Array(NT_RESPONSE_LENGTH);
    for (let n = 0; n < 3; n++) {
      response.set(this.#primitives.des(desKey(keys.subarray(7 * n, 7 * n + 7)), challenge), 8 * n);
    }
    return response;
  }

  /** RFC 2759, section 8.2. The name counts without the domain in front of it. */
  #challengeHash({ challenge, name }: ChapQuestion, peerChallenge: Uint8Array): Uint8Array {
    const user = name.subarray(name.lastIndexOf(0x5c /* \ */) + 1);
    return this.#primitives.sha1(Uint8Array.of(...peerChallenge, ...challenge, ...user)).subarray(0, 8);
  }

  /** What only one who knows the password can answer to a response (RFC 2759, section 8.7). */
  #proof(question: ChapQuestion, response: Uint8Array): string {
    const twice = this.#primitives.md4(this.#primitives.md4(utf16Octets(question.secret)));
    const digest = this.#primitives.sha1(Uint8Array.of(...twice, ...ntResponseOf(response), ...SIGNING));
    const challenge = this.#challengeHash(question, response.subarray(0, CHALLENGE_LENGTH));
    return `S=${hex(this.#primitives.sha1(Uint8Array.of(...digest, ...challenge, ...PADDING)))}`;
  }
}

const ntResponseOf = (response: Uint8Array): Uint8Array =>
  response.subarray(NT_RESPONSE_AT, NT_RESPONSE_AT + NT_RESPONSE_LENGTH);

/** 56 bits as a DES key: seven to the octet, and a parity bit that nobody looks at. */
function desKey(bits: Uint8Array): Uint8Array {
  const key = new Uint8Array(8);
  for (let at = 0; at < 8; at++) {
    const before = at === 0 ? 0 : (bits[at - 1] as number);
    key[at] = ((before << (8 - at)) | ((bits[at] ?? 0) >> at)) & 0xfe;
  }
  return key;
}

const hex = (octets: Uint8Array): string =>
  Array.from(octets, (octet) => octet.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
