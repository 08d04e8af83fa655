import type { EqlError } from "../../errors.ts";
import type { TunnelOperations } from "../../host/engine/tunnel-messages.ts";
import type { Netlink } from "../../host/netlink.ts";
import type { Instant } from "../../time.ts";

/** What the control plane asks the engine about tunnels. */
interface TunnelEngine {
  /** Rejects with an EqlError when it is refused. */
  request<O extends keyof TunnelOperations>(
    operation: O,
    request: TunnelOperations[O]["request"],
  ): Promise<TunnelOperations[O]["reply"]>;
}

export type TunnelNetlink = Pick<
  Netlink,
  | "addAddress"
  | "addRoute"
  | "addresses"
  | "disableGeneratedAddresses"
  | "interfaces"
  | "removeRoute"
  | "routes"
  | "setUp"
>;

export interface TunnelLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What tunnels work with; all of it is the daemon's. */
export interface TunnelTools {
  readonly engine: TunnelEngine;
  readonly netlink: TunnelNetlink;
  readonly log: TunnelLog;
  /** A host's addresses, the preferred one first; rejects when it has none. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly now: () => Instant;
  /** The control socket's path. */
  readonly socket: string;
  /** To be called when there is something to review. */
  readonly changed: () => void;
}

/** Logs what was refused where nobody waits for it. Anything else than an EqlError is a bug. */
export function tellRefusal(log: TunnelLog, fields: object, error: unknown): void {
  const { name, code, message } = error as EqlError;
  if (name !== "EqlError") throw error;
  log.warn({ ...fields, code, error: message }, "failed");
}
