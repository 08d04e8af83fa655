import { endianness } from "node:os";
import koffi, { type LibraryHandle } from "koffi";
import { CIPHER_NAMES, type CipherName, type TransportCipher } from "../crypto/cipher.ts";
import { KEY_LENGTH, type Primitives } from "../crypto/primitives.ts";
import { type NativeBuffer, nativeBuffer } from "./libc.ts";

/**
 * Ciphers for datagrams by the OpenSSL that the node binary has in it (EVP, OpenSSL 3), called directly: eight times as fast as node:crypto,
 * and without an allocation. A second OpenSSL in the process, the system's, would crash it.
 *
 * The key is set once, a datagram sets the nonce alone. Three or four calls are the least: EVP_Cipher has fewer checks than EVP_*Update, and is no
 * faster; with ChaCha20-Poly1305 it also skips the check of the tag.
 */
type MakeCipher = Primitives["transportCipher"];

const P = "uintptr_t";
const TAG_LENGTH = 16;
/** Scratch memory, in octets. `params` is an OSSL_PARAM for the tag, and the end of the list: two of 40 octets. */
const AT = { key: 0, nonce: 32, done: 48, name: 56, params: 64, length: 144 } as const;
const PARAM = { name: 0, type: 8, data: 16, size: 24 } as const;
const OCTET_STRING = 5;

/** What there is once in a thread: functions, and memory for their arguments. */
class Evp {
  readonly #scratch: NativeBuffer = nativeBuffer(AT.length);
  readonly newContext: () => number;
  readonly freeContext: (context: number) => void;
  readonly encryptInit: (
    context: number,
    cipher: number,
    key: number,
    nonce: number,
    params: number,
  ) => number;
  readonly encryptUpdate: (
    context: number,
    out: number,
    done: number,
    from: number,
    length: number,
  ) => number;
  readonly encryptFinal: (context: number, out: number, done: number) => number;
  readonly getParams: (context: number, params: number) => number;
  readonly decryptInit: Evp["encryptInit"];
  readonly decryptUpdate: Evp["encryptUpdate"];
  readonly decryptFinal: Evp["encryptFinal"];
  readonly #ciphers: Readonly<Record<CipherName, number>>;
  readonly nonce: number;
  readonly done: number;
  readonly params: number;

  /** @throws Error there is no such function */
  constructor(library: LibraryHandle) {
    const declare = <F>(name: string, result: string, ...args: string[]): F =>
      library.func(name, result, args) as unknown as F;
    this.newContext = declare("EVP_CIPHER_CTX_new", P);
    this.freeContext = declare("EVP_CIPHER_CTX_free", "void", P);
    this.encryptInit = declare("EVP_EncryptInit_ex2", "int", P, P, P, P, P);
    this.encryptUpdate = declare("EVP_EncryptUpdate", "int", P, P, P, P, "int");
    this.encryptFinal = declare("EVP_EncryptFinal_ex", "int", P, P, P);
    this.getParams = declare("EVP_CIPHER_CTX_get_params", "int", P, P);
    this.decryptInit = declare("EVP_DecryptInit_ex2", "int", P, P, P, P, P);
    this.decryptUpdate = declare("EVP_DecryptUpdate", "int", P, P, P, P, "int");
    this.decryptFinal = declare("EVP_DecryptFinal_ex", "int", P, P, P);
    this.#ciphers = {
      "aes-256-gcm": declare<() => number>("EVP_aes_256_gcm", P)(),
      "chacha20-poly1305": declare<() => number>("EVP_chacha20_poly1305", P)(),
    };
    const { octets, view, address } = this.#scratch;
    this.nonce = address + AT.nonce;
    this.done = address + AT.done;
    this.params = address + AT.params;
    octets.set([0x74, 0x61, 0x67], AT.name); // "tag"
    view.setBigUint64(AT.params + PARAM.name, BigInt(address + AT.name), true);
    view.setUint32(AT.params + PARAM.type, OCTET_STRING, true);
    view.setUint32(AT.params + PARAM.size, TAG_LENGTH, true);
  }

  /** A context that has the key, to be given back to `freeContext`; 0: there is none. */
  contextFor(init: Evp["encryptInit"], name: CipherName, key: Uint8Array): number {
    const { octets, address } = this.#scratch;
    octets.set(key, AT.key);
    const context = this.newContext();
    const done = context === 0 ? 0 : init(context, this.#ciphers[name], address + AT.key, 0, 0);
    octets.fill(0, AT.key, AT.key + KEY_LENGTH);
    if (done === 1) return context;
    this.freeContext(context);
    return 0;
  }

  /** Writes what the next call needs: the nonce, and where the tag is or is to be. */
  prepare(link: number, counter: number, tag: number): void {
    const { view } = this.#scratch;
    view.setUint32(AT.nonce, link);
    view.setUint32(AT.nonce + 4, counter / 0x1_0000_0000);
    view.setUint32(AT.nonce + 8, counter);
    view.setUint32(AT.params + PARAM.data, tag, true);
    view.setUint32(AT.params + PARAM.data + 4, tag / 0x1_0000_0000, true);
  }
}

class EvpTransportCipher implements TransportCipher {
  readonly #evp: Evp;
  readonly #octets: Uint8Array;
  readonly #address: number;
  /** For memory whose address is not known: the few datagrams that are about the session. */
  readonly #elsewhere: TransportCipher;
  readonly #name: CipherName;
  readonly #key: Uint8Array;
  /* Made when they are needed, for a session uses each key one way. 0: none. */
  #sealing = 0;
  #opening = 0;
  #isReleased = false;

  constructor(evp: Evp, memory: NativeBuffer, name: CipherName, key: Uint8Array, elsewhere: TransportCipher) {
    this.#evp = evp;
    this.#octets = memory.octets;
    this.#address = memory.address;
    this.#elsewhere = elsewhere;
    this.#name = name;
    this.#key = key.slice();
  }

  seal(buffer: Uint8Array, from: number, length: number, link: number, counter: number): void {
    if (buffer !== this.#octets) {
      this.#elsewhere.seal(buffer, from, length, link, counter);
      return;
    }
    const evp = this.#evp;
    if (this.#sealing === 0) this.#sealing = this.#contextFor(evp.encryptInit);
    const context = this.#sealing;
    const text = this.#textAt(from, length + TAG_LENGTH);
    evp.prepare(link, counter, text + length);
    // What is not sealed must not be sent as if it were.
    if (
      context === 0 ||
      evp.encryptInit(context, 0, 0, evp.nonce, 0) !== 1 ||
      evp.encryptUpdate(context, text, evp.done, text, length) !== 1 ||
      evp.encryptFinal(context, text + length, evp.done) !== 1 ||
      evp.getParams(context, evp.params) !== 1
    )
      throw new Error("a datagram was not sealed");
  }

  open(buffer: Uint8Array, from: number, length: number, link: number, counter: number): boolean {
    if (buffer !== this.#octets) return this.#elsewhere.open(buffer, from, length, link, counter);
    const evp = this.#evp;
    if (this.#opening === 0) this.#opening = this.#contextFor(evp.decryptInit);
    const context = this.#opening;
    const textLength = length - TAG_LENGTH;
    if (textLength < 0 || context === 0) return false;
    const text = this.#textAt(from, length);
    evp.prepare(link, counter, text + textLength);
    return (
      evp.decryptInit(context, 0, 0, evp.nonce, evp.params) === 1 &&
      evp.decryptUpdate(context, text, evp.done, text, textLength) === 1 &&
      evp.decryptFinal(context, text + textLength, evp.done) === 1
    );
  }

  release(): void {
    this.#evp.freeContext(this.#sealing);
    this.#evp.freeContext(this.#opening);
    this.#sealing = this.#opening = 0;
    this.#isReleased = true;
    this.#key.fill(0);
    this.#elsewhere.release();
  }

  #contextFor(init: Evp["encryptInit"]): number {
    return this.#isReleased ? 0 : this.#evp.contextFor(init, this.#name, this.#key);
  }

  /** Native code writes wherever it is told to. */
  #textAt(from: number, length: number): number {
    if (from < 0 || length < 0 || from + length > this.#octets.length)
      throw new RangeError("outside the memory");
    return this.#address + from;
  }
}

/** Datagrams that the one seals the other opens, and what was changed it does not. */
function agree(one: TransportCipher, other: TransportCipher, octets: Uint8Array): boolean {
  const text = Uint8Array.from({ length: 100 }, (_, at) => at);
  for (const length of [0, 1, 100]) {
    octets.set(text);
    one.seal(octets, 0, length, 3, 0x1_0000_0002);
    octets[length] = (octets[length] ?? 0) ^ 1;
    const kept = octets.slice();
    if (other.open(octets, 0, length + TAG_LENGTH, 3, 0x1_0000_0002)) return false;
    octets.set(kept);
    octets[length] = (octets[length] ?? 0) ^ 1;
    if (!other.open(octets, 0, length + TAG_LENGTH, 3, 0x1_0000_0002)) return false;
    if (text.some((octet, at) => at < length && octet !== octets[at])) return false;
  }
  return true;
}

function isRight(evp: Evp, reference: MakeCipher): boolean {
  const memory = nativeBuffer(200);
  const key = new Uint8Array(KEY_LENGTH).fill(9);
  return CIPHER_NAMES.every((name) => {
    const known = reference(name, key);
    const tried = new EvpTransportCipher(evp, memory, name, key, known);
    const right = agree(tried, known, memory.octets) && agree(known, tried, memory.octets);
    tried.release();
    return right;
  });
}

/**
 * Ciphers that are fast in `memory`. For each thread it is called by itself.
 * @param reference what they have to agree with, and what is used for octets that lie elsewhere
 * @returns null: this node has no such functions, or they do something else than is thought
 */
export function evpCiphers(
  memory: NativeBuffer,
  reference: MakeCipher,
  openLibrary: () => LibraryHandle = () => koffi.load(null),
): MakeCipher | null {
  // The layout of OSSL_PARAM, and how its fields are written, hold for these.
  if (koffi.sizeof("size_t") !== 8 || endianness() !== "LE") return null;
  try {
    const evp = new Evp(openLibrary());
    if (!isRight(evp, reference)) return null;
    return (name, key) => new EvpTransportCipher(evp, memory, name, key, reference(name, key));
  } catch {
    return null;
  }
}
