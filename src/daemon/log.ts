import { createRequire } from "node:module";
import { type Logger, pino } from "pino";
import type { PinoPretty } from "pino-pretty";
import type { LogLevel } from "../config/config.ts";

/**
 * The daemon's log, on standard error: lines for people on a terminal, JSON otherwise. Fields, besides pino's own: `line`, `master`,
 * `tunnel`, `peer`, `path`, `remote`, `publicKey`, `servers`, `hint`,
 * `device`, `interface`, `user`, `address`, `was`, `mtu`, `reason` (words), `retryMs`, `socket`, `code` (of an EqlError), `error`. Never a packet, never a secret.
 */
export function makeLog(level: LogLevel): Logger {
  const options = { level, base: null };
  const destination = pino.destination({ dest: 2, sync: true });
  // A terminal that was closed or a disk that is full is no reason to stop carrying.
  destination.on("error", () => {});
  if (!process.stderr.isTTY) return pino(options, destination);
  // Loaded for terminals only: it is slow to load.
  const pretty = createRequire(import.meta.url)("pino-pretty") as typeof PinoPretty;
  return pino(
    options,
    pretty({ destination, sync: true, colorize: true, translateTime: "HH:MM:ss", ignore: "pid,hostname" }),
  );
}

export type { Logger };
