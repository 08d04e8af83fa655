import type { AddressRange } from "../../config/address-range.ts";
import type { Proof } from "../../ppp/proof.ts";

/** Who knows whether a caller is let in: the users' file, or RADIUS servers. Neither way of asking says which of name and secret was wrong. */
export interface Authority {
  /** A name and a password as they were typed at a login prompt. */
  login(user: string, password: string, about: CallInfo): Promise<Grant | Refusal>;
  /** What a PPP peer proves itself with. */
  prove(proof: Proof, about: CallInfo): Promise<Grant | Refusal>;
}

/** The call that somebody wants in by. */
export interface CallInfo {
  readonly line: string;
  readonly device: string;
  /** Bits per second; null: not known. */
  readonly carrierBps: number | null;
  /** The caller's number, as the modem told it; null: it did not. */
  readonly callerId: string | null;
}

/** What a caller who was let in may do. Null: no limit of the account's own. */
export interface Grant {
  readonly ok: true;
  /** The account's name, which is not always the one that was typed. */
  readonly user: string;
  readonly protocol: "slip" | "ppp" | "any";
  /** The caller's address; null: one of the pool. */
  readonly address: string | null;
  /** Addresses of which it is given one, instead of the line's pool; null or left out: it has no such ones. */
  readonly pool?: readonly AddressRange[] | null;
  /** Networks behind it. */
  readonly routes?: readonly string[];
  readonly maxLines: number | null;
  readonly idleMs: number | null;
  readonly sessionMs: number | null;
  readonly mtu: number | null;
  /** What an MS-CHAPv2 peer has to be told, `S=…`: proof that whoever let it in knows its password. */
  readonly success?: string;
  /** For whoever is told of the session's beginning and end; nobody else looks into it. */
  readonly accounting?: unknown;
}

export interface Refusal {
  readonly ok: false;
  /** For our own log; what the caller is told does not depend on it. */
  readonly message: string;
}
