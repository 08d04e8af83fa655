/**
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (The Noise Protocol Framework, revision 34), and no other:
 *
 *     <- s
 *     ...
 *     -> e, es, s, ss     first
 *     <- e, ee, se, psk   second
 */
import { KEY_LENGTH, type KeyPair, type Primitives } from "./primitives.ts";

const TAG_LENGTH = 16;
const NONE = new Uint8Array();
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const NAME = ascii("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");

/** §4.3. */
function hkdf(primitives: Primitives, chainingKey: Uint8Array, input: Uint8Array): Uint8Array[] {
  const temporary = primitives.hmac(chainingKey, input);
  const first = primitives.hmac(temporary, Uint8Array.of(1));
  const second = primitives.hmac(temporary, first, Uint8Array.of(2));
  const third = primitives.hmac(temporary, second, Uint8Array.of(3));
  return [first, second, third];
}

const part = (parts: readonly Uint8Array[], at: number): Uint8Array => parts[at] ?? NONE;

/** §5.1, §5.2: what both ends have seen, and the keys that follow from it. A value: no method changes it. */
class SymmetricState {
  readonly #primitives: Primitives;
  readonly chainingKey: Uint8Array;
  readonly hash: Uint8Array;
  readonly #key: Uint8Array;
  /** Of the next message under this key. */
  readonly #nonce: number;

  constructor(primitives: Primitives, chainingKey: Uint8Array, hash: Uint8Array, key: Uint8Array, nonce = 0) {
    this.#primitives = primitives;
    this.chainingKey = chainingKey;
    this.hash = hash;
    this.#key = key;
    this.#nonce = nonce;
  }

  mixHash(octets: Uint8Array, nonce: number = this.#nonce): SymmetricState {
    const hash = this.#primitives.hash(this.hash, octets);
    return new SymmetricState(this.#primitives, this.chainingKey, hash, this.#key, nonce);
  }

  mixKey(input: Uint8Array): SymmetricState {
    const keys = hkdf(this.#primitives, this.chainingKey, input);
    return new SymmetricState(this.#primitives, part(keys, 0), this.hash, part(keys, 1));
  }

  mixKeyAndHash(input: Uint8Array): SymmetricState {
    const keys = hkdf(this.#primitives, this.chainingKey, input);
    const hash = this.#primitives.hash(this.hash, part(keys, 1));
    return new SymmetricState(this.#primitives, part(keys, 0), hash, part(keys, 2));
  }

  seal(plain: Uint8Array): { readonly state: SymmetricState; readonly sealed: Uint8Array } {
    const sealed = this.#primitives.sealOnce(this.#key, this.#nonceOctets(), this.hash, plain);
    return { state: this.mixHash(sealed, this.#nonce + 1), sealed };
  }

  open(sealed: Uint8Array): { readonly state: SymmetricState; readonly plain: Uint8Array } | null {
    const plain = this.#primitives.openOnce(this.#key, this.#nonceOctets(), this.hash, sealed);
    return plain === null ? null : { state: this.mixHash(sealed, this.#nonce + 1), plain };
  }

  /** §12.3. A handshake has a handful of messages. */
  #nonceOctets(): Uint8Array {
    return Uint8Array.of(0, 0, 0, 0, this.#nonce, 0, 0, 0, 0, 0, 0, 0);
  }
}

/** Before the first message: who speaks what, and the responder's static key. */
function begin(primitives: Primitives, prologue: Uint8Array, responder: Uint8Array): SymmetricState {
  const hash = primitives.hash(NAME);
  return new SymmetricState(primitives, hash, hash, NONE).mixHash(prologue).mixHash(responder);
}

/** Keys for what follows the handshake. */
export interface NoiseKeys {
  readonly fromInitiator: Uint8Array;
  readonly fromResponder: Uint8Array;
}

function split(primitives: Primitives, state: SymmetricState): NoiseKeys {
  const keys = hkdf(primitives, state.chainingKey, NONE);
  return { fromInitiator: part(keys, 0), fromResponder: part(keys, 1) };
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const octets of parts) {
    all.set(octets, at);
    at += octets.length;
  }
  return all;
};

export interface InitiatorKeys {
  readonly primitives: Primitives;
  readonly prologue: Uint8Array;
  readonly own: KeyPair;
  readonly responder: Uint8Array;
  /** What both have beforehand; zeros: nothing. */
  readonly presharedKey: Uint8Array;
}

/** The end that begins. */
export class NoiseInitiator {
  readonly #keys: InitiatorKeys;
  readonly #ephemeral: KeyPair;
  readonly #state: SymmetricState;
  /** The first message. */
  readonly message: Uint8Array;

  private constructor(
    keys: InitiatorKeys,
    ephemeral: KeyPair,
    { state, message }: { state: SymmetricState; message: Uint8Array },
  ) {
    this.#keys = keys;
    this.#ephemeral = ephemeral;
    this.#state = state;
    this.message = message;
  }

  /** @returns null: the responder's key is none that keys can be agreed with */
  static begin(keys: InitiatorKeys, ephemeral: KeyPair, payload: Uint8Array): NoiseInitiator | null {
    const { primitives, own, responder } = keys;
    const es = ephemeral.agree(responder);
    const ss = own.agree(responder);
    if (es === null || ss === null) return null;
    const e = ephemeral.publicKey;
    const first = begin(primitives, keys.prologue, responder).mixHash(e).mixKey(e).mixKey(es);
    const s = first.seal(own.publicKey);
    const text = s.state.mixKey(ss).seal(payload);
    const message = joined(e, s.sealed, text.sealed);
    return new NoiseInitiator(keys, ephemeral, { state: text.state, message });
  }

  /** Reads the second message. What is forged is null, and changes nothing: the right one may still come. */
  finish(message: Uint8Array): { readonly payload: Uint8Array; readonly keys: NoiseKeys } | null {
    if (message.length < KEY_LENGTH + TAG_LENGTH) return null;
    const { primitives, own, presharedKey } = this.#keys;
    const e = message.subarray(0, KEY_LENGTH);
    const ee = this.#ephemeral.agree(e);
    const se = own.agree(e);
    if (ee === null || se === null) return null;
    const keyed = this.#state.mixHash(e).mixKey(e).mixKey(ee).mixKey(se).mixKeyAndHash(presharedKey);
    const text = keyed.open(message.subarray(KEY_LENGTH));
    return text && { payload: text.plain, keys: split(primitives, text.state) };
  }
}

/** The end that answers, when it has read the first message. */
export class NoiseResponder {
  readonly #primitives: Primitives;
  readonly #state: SymmetricState;
  readonly #ephemeral: Uint8Array;
  /** The initiator's key, which has proved itself; the message may be an old one all the same. */
  readonly initiator: Uint8Array;
  /** Of the first message. */
  readonly payload: Uint8Array;

  private constructor(
    primitives: Primitives,
    { state, plain }: { state: SymmetricState; plain: Uint8Array },
    ephemeral: Uint8Array,
    initiator: Uint8Array,
  ) {
    this.#primitives = primitives;
    this.#state = state;
    this.#ephemeral = ephemeral;
    this.initiator = initiator;
    this.payload = plain;
  }

  /** @returns null: forged, or for another key */
  static read(
    primitives: Primitives,
    prologue: Uint8Array,
    own: KeyPair,
    message: Uint8Array,
  ): NoiseResponder | null {
    const payloadAt = KEY_LENGTH + KEY_LENGTH + TAG_LENGTH;
    if (message.length < payloadAt + TAG_LENGTH) return null;
    const e = message.slice(0, KEY_LENGTH);
    const es = own.agree(e);
    if (es === null) return null;
    const first = begin(primitives, prologue, own.publicKey).mixHash(e).mixKey(e).mixKey(es);
    const s = first.open(message.subarray(KEY_LENGTH, payloadAt));
    const ss = s && own.agree(s.plain);
    if (ss === null) return null;
    const text = s?.state.mixKey(ss).open(message.subarray(payloadAt));
    return s && text ? new NoiseResponder(primitives, text, e, s.plain) : null;
  }

  /** Writes the second message. @returns null: the initiator's keys are none that keys can be agreed with */
  finish(
    ephemeral: KeyPair,
    presharedKey: Uint8Array,
    payload: Uint8Array,
  ): { readonly message: Uint8Array; readonly keys: NoiseKeys } | null {
    const ee = ephemeral.agree(this.#ephemeral);
    const se = ephemeral.agree(this.initiator);
    if (ee === null || se === null) return null;
    const e = ephemeral.publicKey;
    const keyed = this.#state.mixHash(e).mixKey(e).mixKey(ee).mixKey(se).mixKeyAndHash(presharedKey);
    const text = keyed.seal(payload);
    return { message: joined(e, text.sealed), keys: split(this.#primitives, text.state) };
  }
}
