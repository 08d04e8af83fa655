/** The messages of the handshake: Noise's, with indices before them and MACs behind them (docs/tunnel-format.md). */
import {
  INITIATION,
  INITIATION_TYPE,
  RESPONSE,
  RESPONSE_TYPE,
  readCounter,
  readIndex,
  writeWord,
} from "../wire/tunnel-datagram.ts";
import { agreedCipher, type CipherName, cipherNumber, cipherOfNumber } from "./cipher.ts";
import { macKeyOf, markOf, writeMac } from "./macs.ts";
import { NoiseInitiator, type NoiseKeys, NoiseResponder } from "./noise.ts";
import { KEY_LENGTH, type KeyPair, type Primitives } from "./primitives.ts";

const PROLOGUE = Uint8Array.from("EQL tunnel 1", (letter) => letter.charCodeAt(0));
const EPOCH_LENGTH = 8;
const NO_KEY = new Uint8Array(KEY_LENGTH);

/** What an end is in all its handshakes. */
export interface Identity {
  readonly primitives: Primitives;
  readonly own: KeyPair;
  /** Which it does faster. */
  readonly cipher: CipherName;
  /** 8 random octets: a start of this program. */
  readonly epoch: Uint8Array;
}

/** Whom a handshake is with. */
export interface PeerKeys {
  readonly publicKey: Uint8Array;
  /** What only both ends know, besides. Null stands for zeros: there is none. */
  readonly presharedKey: Uint8Array | null;
}

/** What comes of a handshake. */
export interface Agreement {
  readonly keys: NoiseKeys;
  readonly cipher: CipherName;
  readonly remoteIndex: number;
}

/** An initiation that was sent. */
export class Initiation {
  readonly #identity: Identity;
  readonly #noise: NoiseInitiator;
  readonly localIndex: number;
  readonly datagram: Uint8Array;

  private constructor(
    identity: Identity,
    noise: NoiseInitiator,
    { localIndex, datagram }: { localIndex: number; datagram: Uint8Array },
  ) {
    this.#identity = identity;
    this.#noise = noise;
    this.localIndex = localIndex;
    this.datagram = datagram;
  }

  get mac1(): Uint8Array {
    return this.datagram.subarray(INITIATION.mac1, INITIATION.mac2);
  }

  /**
   * @param sequence greater than in all earlier ones of this epoch
   * @param cookie what the responder gave; null: nothing
   * @returns null: the peer's public key is none that keys can be agreed with
   */
  static make(
    identity: Identity,
    peer: PeerKeys,
    { localIndex, sequence, cookie }: { localIndex: number; sequence: number; cookie: Uint8Array | null },
  ): Initiation | null {
    const { primitives, own } = identity;
    const payload = new Uint8Array(INITIATION.payloadLength);
    payload.set(identity.epoch.subarray(0, EPOCH_LENGTH));
    writeWord(payload, EPOCH_LENGTH, sequence);
    payload[EPOCH_LENGTH + 4] = cipherNumber(identity.cipher);
    const keys = {
      primitives,
      prologue: PROLOGUE,
      own,
      responder: peer.publicKey,
      presharedKey: peer.presharedKey ?? NO_KEY,
    };
    const noise = NoiseInitiator.begin(keys, primitives.newKeyPair(), payload);
    if (noise === null) return null;
    const datagram = new Uint8Array(INITIATION.length);
    datagram[0] = INITIATION_TYPE;
    datagram.set(markOf(primitives, peer.publicKey), INITIATION.mark);
    writeWord(datagram, INITIATION.sender, localIndex);
    datagram.set(noise.message, INITIATION.noise);
    writeMac(primitives, macKeyOf(primitives, peer.publicKey), datagram, INITIATION.mac1);
    const initiation = new Initiation(identity, noise, { localIndex, datagram });
    if (cookie !== null) initiation.show(cookie);
    return initiation;
  }

  /** Shows the responder's cookie from now on. */
  show(cookie: Uint8Array): void {
    writeMac(this.#identity.primitives, cookie, this.datagram, INITIATION.mac2);
  }

  /** @returns null: forged, or made with another preshared key; the right one may still come */
  finish(response: Uint8Array): Agreement | null {
    const end = this.#noise.finish(response.subarray(RESPONSE.noise, RESPONSE.mac1));
    const theirs = cipherOfNumber(end?.payload[0]);
    if (end === null || theirs === undefined) return null;
    return {
      keys: end.keys,
      cipher: agreedCipher(this.#identity.cipher, theirs),
      remoteIndex: readIndex(response, RESPONSE.sender),
    };
  }
}

/** An initiation that has come: from a peer, but perhaps long ago. */
export class ReceivedInitiation {
  readonly #identity: Identity;
  readonly #noise: NoiseResponder;
  readonly #theirs: CipherName;
  readonly #remoteIndex: number;
  readonly epoch: string;
  readonly sequence: number;
  /** What tells it from all others. */
  readonly mac1: Uint8Array;

  private constructor(
    identity: Identity,
    noise: NoiseResponder,
    theirs: CipherName,
    { remoteIndex, mac1 }: { remoteIndex: number; mac1: Uint8Array },
  ) {
    this.#identity = identity;
    this.mac1 = mac1;
    this.#noise = noise;
    this.#theirs = theirs;
    this.#remoteIndex = remoteIndex;
    this.epoch = String.fromCharCode(...noise.payload.subarray(0, EPOCH_LENGTH));
    this.sequence = readCounter(noise.payload, EPOCH_LENGTH);
  }

  /** Its sender's public key. */
  get initiator(): Uint8Array {
    return this.#noise.initiator;
  }

  /** @returns null: forged, or for another key */
  static read(identity: Identity, datagram: Uint8Array): ReceivedInitiation | null {
    const message = datagram.subarray(INITIATION.noise, INITIATION.mac1);
    const noise = NoiseResponder.read(identity.primitives, PROLOGUE, identity.own, message);
    const theirs = cipherOfNumber(noise?.payload[EPOCH_LENGTH + 4]);
    if (noise === null || theirs === undefined) return null;
    return new ReceivedInitiation(identity, noise, theirs, {
      remoteIndex: readIndex(datagram, INITIATION.sender),
      mac1: datagram.slice(INITIATION.mac1, INITIATION.mac2),
    });
  }

  /** @returns null: keys cannot be agreed with what the initiator sent */
  respond(
    peer: PeerKeys,
    localIndex: number,
  ): { readonly datagram: Uint8Array; readonly agreement: Agreement } | null {
    const { primitives, cipher } = this.#identity;
    const payload = new Uint8Array(RESPONSE.payloadLength);
    payload[0] = cipherNumber(cipher);
    const end = this.#noise.finish(primitives.newKeyPair(), peer.presharedKey ?? NO_KEY, payload);
    if (end === null) return null;
    const datagram = new Uint8Array(RESPONSE.length);
    datagram[0] = RESPONSE_TYPE;
    writeWord(datagram, RESPONSE.sender, localIndex);
    writeWord(datagram, RESPONSE.receiver, this.#remoteIndex);
    datagram.set(end.message, RESPONSE.noise);
    writeMac(primitives, macKeyOf(primitives, peer.publicKey), datagram, RESPONSE.mac1);
    const agreement = {
      keys: end.keys,
      cipher: agreedCipher(cipher, this.#theirs),
      remoteIndex: this.#remoteIndex,
    };
    return { datagram, agreement };
  }
}
