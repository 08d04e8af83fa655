import { after, type Instant, NEVER } from "../time.ts";
import type { AuthMachine } from "./auth-machine.ts";
import type { Proof, Verdict } from "./proof.ts";
import type { PppCrypto, Secret } from "./settings.ts";
import { printable } from "./text.ts";

const REPEAT_MS = 3000;
const MAX_TRIES = 10;
const HEADER = 4;

/** A packet of PAP or CHAP, its lengths checked. */
export interface AuthPacket {
  readonly code: number;
  readonly id: number;
  /** What follows the header. A view, valid while the packet is handled. */
  readonly data: Uint8Array;
}

/** What PAP and CHAP have in common in both roles: packets out, one of which is repeated until it is answered, and an outcome. */
export abstract class AuthExchange implements AuthMachine {
  abstract readonly protocol: number;
  outcome: "pending" | "passed" | "failed" = "pending";
  reason = "";
  name = "";
  entry: Secret | null = null;
  /** Packets that were malformed, late, or not for this role. */
  dropped = 0;
  readonly #timeoutMs: number;
  #outbox: Uint8Array[] = [];
  #giveUpAt: Instant = NEVER;
  #repeatAt: Instant = NEVER;
  #tries = 0;
  /** What is being judged. */
  #judged: Judged | null = null;
  #proof: Proof | undefined;

  /** @param timeoutMs for the whole */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Sends what this role begins with. */
  protected abstract begin(now: Instant): void;
  /** Nobody answered what {@link AuthExchange.sendUntilAnswered} sent: sends it again, or something newer in its place. */
  protected abstract again(now: Instant): void;
  /** @returns false: it is nothing that this role takes now */
  protected abstract take(packet: AuthPacket, now: Instant): boolean;

  handleUp(now: Instant): void {
    this.outcome = "pending";
    this.reason = "";
    this.name = "";
    this.entry = null;
    this.#outbox = [];
    this.#dropProof();
    this.answered();
    this.#giveUpAt = after(now, this.#timeoutMs);
    this.begin(now);
  }

  handlePacket(octets: Uint8Array, from: number, to: number, now: Instant): void {
    const length =
      to - from < HEADER ? 0 : ((octets[from + 2] as number) << 8) | (octets[from + 3] as number);
    const taken =
      length >= HEADER &&
      length <= to - from && // what is behind it is padding (RFC 1661, section 2)
      this.take(
        {
          code: octets[from] as number,
          id: octets[from + 1] as number,
          data: octets.subarray(from + HEADER, from + length),
        },
        now,
      );
    if (!taken) this.dropped++;
  }

  handleVerdict(id: number, verdict: Verdict): void {
    const judged = this.#judged;
    if (judged?.id !== id) return;
    this.#dropProof();
    judged.decide(verdict);
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#giveUpAt) this.fail(`not done after ${this.#timeoutMs / 1000} s`);
    else if (now >= this.#repeatAt) {
      if (this.#tries < MAX_TRIES) this.again(now);
      else if (this.outcome === "pending") this.fail(`no answer to ${this.#tries} packets`);
      else this.answered(); // Whoever lets us in again and again may skip a time.
    }
  }

  pollTimeout(): Instant {
    return this.#repeatAt < this.#giveUpAt ? this.#repeatAt : this.#giveUpAt;
  }

  pollPacket(): Uint8Array | undefined {
    return this.#outbox.shift();
  }

  pollProof(): Proof | undefined {
    const proof = this.#proof;
    this.#proof = undefined;
    return proof;
  }

  /** A verdict is awaited. */
  protected get isJudged(): boolean {
    return this.#judged !== null;
  }

  /** Has somebody else judge a proof. The peer has done its part: nothing is repeated until then. */
  protected defer(proof: Proof, decide: (verdict: Verdict) => void): void {
    this.#judged = { id: proof.id, decide };
    this.#proof = proof;
    this.answered();
  }

  protected send(packet: Uint8Array): void {
    this.#outbox.push(packet);
  }

  protected sendUntilAnswered(packet: Uint8Array, now: Instant): void {
    this.send(packet);
    this.#tries++;
    this.#repeatAt = after(now, REPEAT_MS);
  }

  protected answered(): void {
    this.#tries = 0;
    this.#repeatAt = NEVER;
  }

  protected pass(name: string, entry: Secret | null): void {
    this.outcome = "passed";
    this.name = name;
    this.entry = entry;
    this.#settle();
  }

  protected fail(reason: string): void {
    this.outcome = "failed";
    this.reason = reason;
    this.#settle();
  }

  #settle(): void {
    this.#dropProof();
    this.answered();
    this.#giveUpAt = NEVER;
  }

  #dropProof(): void {
    this.#judged = null;
    this.#proof = undefined;
  }
}

interface Judged {
  readonly id: number;
  decide(verdict: Verdict): void;
}

/** A proof's number: nobody has seen it before, whatever became of earlier sessions. */
export const proofId = (primitives: PppCrypto): number =>
  primitives.random(6).reduce((sum, octet) => 256 * sum + octet, 0);

/** The entry of whom a verdict has let in. */
export const judgedEntry = (client: string, server: string, addresses: readonly string[]): Secret => ({
  client,
  server,
  secret: "",
  addresses,
});

/** Writes a packet: header, and the parts one after the other. */
export function authPacket(code: number, id: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, HEADER);
  const packet = new Uint8Array(length);
  packet.set([code, id, length >> 8, length & 0xff]);
  let at = HEADER;
  for (const part of parts) {
    packet.set(part, at);
    at += part.length;
  }
  return packet;
}

/** Octets with their number in front. */
export function counted(octets: Uint8Array): Uint8Array {
  const all = new Uint8Array(1 + octets.length);
  all[0] = octets.length;
  all.set(octets, 1);
  return all;
}

/** Reads what {@link counted} wrote. @returns null: it ends too early */
export function readCounted(octets: Uint8Array, at: number): Uint8Array | null {
  const count = octets[at];
  if (count === undefined || at + 1 + count > octets.length) return null;
  return octets.subarray(at + 1, at + 1 + count);
}

/** What to say when the peer did not believe us. */
export const refusal = (method: string, message: string): string =>
  `the peer refused us by ${method}${message === "" ? "" : `: ${printable(message)}`}`;

/** What to say when we did not believe the peer. @param why "": nothing is known but that */
export const disbelief = (name: string, method: string, why: string): string =>
  `"${printable(name)}" did not prove itself by ${method}${why === "" ? "" : `: ${printable(why)}`}`;
