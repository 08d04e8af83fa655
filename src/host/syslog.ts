import { type NativeBuffer, nativeBuffer, openlog, syslog } from "./libc.ts";

const LOG_PID = 1;
const FACILITIES = { daemon: 3 << 3, local2: 18 << 3 } as const;
const LEVELS = { error: 3, warn: 4, info: 6, debug: 7 } as const;

/** The system's log; there is one in a process. Where nobody listens, what is written is lost. */
export class Syslog {
  /** The C library keeps its address. */
  readonly #ident: NativeBuffer;

  constructor(ident: string, facility: keyof typeof FACILITIES) {
    const octets = new TextEncoder().encode(ident);
    this.#ident = nativeBuffer(octets.length + 1);
    this.#ident.octets.set(octets);
    openlog(this.#ident.address, LOG_PID, FACILITIES[facility]);
  }

  write(level: keyof typeof LEVELS, text: string): void {
    syslog(LEVELS[level], text);
  }
}
