import type { Instant } from "../time.ts";

/** Why a call came to nothing. */
export type DialFailure =
  | "busy"
  | "no-answer"
  | "no-carrier"
  | "no-dialtone"
  | "voice"
  /** The modem does not obey. */
  | "modem"
  /** What was expected did not come. */
  | "timeout"
  /** A string came on which the script gives up. */
  | "aborted"
  /** The login was refused. */
  | "refused"
  /** An external dialer failed. */
  | "command"
  /** The line was hung up, or whoever ran the dialogue has ended it. */
  | "broken";

/** What a dialogue tells of itself, in order. Secrets are masked in all of it. */
export type DialogueEvent =
  /** What goes to the line, for people. */
  | { readonly type: "sent"; readonly text: string }
  /** What came, latin1, for people. */
  | { readonly type: "received"; readonly text: string }
  /** What it does, in words. */
  | { readonly type: "note"; readonly text: string }
  /** There is a carrier, of so many bits per second (null: the modem does not say); what follows is the login. */
  | { readonly type: "connected"; readonly carrierBps: number | null };

export type DialogueEnd =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure: DialFailure; readonly reason: string };

/**
 * A conversation on a line, without I/O.
 *
 * 1. `start`; after that and after each `handle*`, `pollTransmit` and `pollEvent` until there is nothing
 * 2. what the line brings goes to `handleOctets`; the time at `pollTimeout` goes to `handleTimeout`
 * 3. `end` says how it ended; octets that it had no use for are in `takeUnread`: they belong to whoever uses the line next
 */
export interface Dialogue<Event = DialogueEvent> {
  /** Null: it is not over. */
  readonly end: DialogueEnd | null;
  start(now: Instant): void;
  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void;
  handleTimeout(now: Instant): void;
  /** Its owner ends it, as when the line was hung up. */
  fail(failure: DialFailure, reason: string): void;
  pollTimeout(): Instant;
  /** Octets for the line, or a break. */
  pollTransmit(): Uint8Array | "break" | undefined;
  pollEvent(): Event | undefined;
  takeUnread(): Uint8Array;
}
