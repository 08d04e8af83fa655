import type { Instant } from "../time.ts";
import type { Proof, Verdict } from "./proof.ts";
import type { Secret } from "./settings.ts";

/**
 * One direction of an authentication, without I/O: `handle*` takes what happened, `poll*` gives what to do. The same for all
 * protocols and for both roles, whether we prove ourselves or the peer has to.
 */
export interface AuthMachine {
  /** PPP protocol number of its packets: PAP c023, CHAP c223. */
  readonly protocol: number;
  /** Once it is not pending any more it answers repetitions only; a later failure (CHAP) may still turn passed into failed. */
  readonly outcome: "pending" | "passed" | "failed";
  /** Why it failed, for our own log; it tells the peer nothing that an unknown name would not. */
  readonly reason: string;
  /** Who is authenticated: the peer's name when it proved itself, ours when we did. */
  readonly name: string;
  /** The secret that the peer proved itself with; null: none yet, or we proved ourselves. */
  readonly entry: Secret | null;
  /** The link is established: begin. */
  handleUp(now: Instant): void;
  /** A packet of its protocol: `octets[from, to)` from the code on. Hostile. */
  handlePacket(octets: Uint8Array, from: number, to: number, now: Instant): void;
  /** What somebody else found of a proof. One that is not awaited, or not any more, is nothing. */
  handleVerdict(id: number, verdict: Verdict): void;
  handleTimeout(now: Instant): void;
  pollTimeout(): Instant;
  /** What somebody else is to judge now; undefined: nothing. */
  pollProof(): Proof | undefined;
  /** The next packet for the peer, from the code on; undefined: none. */
  pollPacket(): Uint8Array | undefined;
}
