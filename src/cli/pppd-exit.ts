import type { PppEnd } from "../control/messages.ts";
import type { EqlErrorCode } from "../errors.ts";

/** What pppd exits with (pppd(8), EXIT STATUS). */
export const EXIT = {
  ok: 0,
  fatal: 1,
  options: 2,
  notPrivileged: 3,
  noPpp: 4,
  signal: 5,
  lock: 6,
  open: 7,
  connect: 8,
  pty: 9,
  negotiation: 10,
  peerUnauthenticated: 11,
  idle: 12,
  connectTime: 13,
  echo: 15,
  hangup: 16,
  loopback: 17,
  init: 18,
  unauthenticated: 19,
} as const;

const ENDS: Readonly<Record<PppEnd, number>> = {
  asked: EXIT.signal,
  peer: EXIT.ok,
  hangup: EXIT.hangup,
  negotiation: EXIT.negotiation,
  "no-network": EXIT.negotiation,
  "peer-unauthenticated": EXIT.peerUnauthenticated,
  unauthenticated: EXIT.unauthenticated,
  echo: EXIT.echo,
  loopback: EXIT.loopback,
};

/** @param wasUp whether a network protocol came up before */
export function exitForEnd(end: PppEnd, wasUp: boolean): number {
  return end === "peer" && !wasUp ? EXIT.negotiation : ENDS[end];
}

const ERRORS: Partial<Record<EqlErrorCode, number>> = {
  CAPABILITY_MISSING: EXIT.noPpp,
  CONFIG_INVALID: EXIT.options,
  CONFIG_UNREADABLE: EXIT.options,
  CONTROL_REFUSED: EXIT.notPrivileged,
  DEVICE_BUSY: EXIT.lock,
  DEVICE_MISSING: EXIT.open,
  DEVICE_NOT_A_TTY: EXIT.open,
  DEVICE_SETTINGS: EXIT.open,
  DEVICE_SPEED: EXIT.open,
  LINE_EXISTS: EXIT.lock,
  LOCK_FAILED: EXIT.lock,
  REQUEST_INVALID: EXIT.options,
  TUN_MISSING: EXIT.noPpp,
  TUN_OPEN_FAILED: EXIT.noPpp,
};

export const exitForError = (code: EqlErrorCode): number => ERRORS[code] ?? EXIT.fatal;
