/** Stable, documented, greppable: one entry per code in docs/errors.md. */
export const ERROR_CODES = [
  "ADDRESS_IN_USE",
  "ADDRESS_INVALID",
  "ADDRESS_MISSING",
  "CAPABILITY_MISSING",
  "CONFIG_INVALID",
  "CONFIG_UNREADABLE",
  "CONTROL_REFUSED",
  "CONTROL_SOCKET_FAILED",
  "DAEMON_ENDING",
  "DAEMON_FAILED",
  "DAEMON_NOT_RUNNING",
  "DAEMON_RUNNING",
  "DEVICE_BUSY",
  "DEVICE_MISSING",
  "DEVICE_NOT_A_TTY",
  "DEVICE_SETTINGS",
  "DEVICE_SPEED",
  "DIAL_FAILED",
  "INTERFACE_MISSING",
  "INTERFACE_UNSUITABLE",
  "LINE_EXISTS",
  "LINE_UNKNOWN",
  "LOCK_FAILED",
  "MASTER_DOWN",
  "MASTER_UNKNOWN",
  "MTU_MISMATCH",
  "NAME_TAKEN",
  "NETLINK_FAILED",
  "PATH_EXISTS",
  "PATH_UNKNOWN",
  "PATHS_FULL",
  "PEER_EXISTS",
  "PEER_UNKNOWN",
  "REQUEST_INVALID",
  "SLAVE_UNKNOWN",
  "SLAVE_UNSUITABLE",
  "SLAVES_FULL",
  "SYSTEM_CALL_FAILED",
  "TOOL_MISSING",
  "TRANSFER_FAILED",
  "TUN_MISSING",
  "TUN_OPEN_FAILED",
  "TUNNEL_EXISTS",
  "TUNNEL_UNKNOWN",
] as const;

export type EqlErrorCode = (typeof ERROR_CODES)[number];
export type EqlErrorDetails = Readonly<Record<string, string | number>>;

/** The only error class that leaves the package. Bugs are assertion failures, peers' bad packets are counters. */
export class EqlError extends Error {
  override readonly name = "EqlError";
  readonly code: EqlErrorCode;
  /** What an operator needs to act: link name, path, device. Never key material. */
  readonly details: EqlErrorDetails;

  constructor(
    code: EqlErrorCode,
    message: string,
    options: { details?: EqlErrorDetails; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
