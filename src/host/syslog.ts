import { type NativeBuffer, nativeBuffer, openlog, syslog } from "./libc.ts";

const LOG_PID = 1;
const LOG_LOCAL2 = 18 << 3;
const LEVELS = { error: 3, info: 6 } as const;

/** The system's log, facility local2; there is one in a process. */
export class Syslog {
  /** The C library keeps its address. */
  readonly #ident: NativeBuffer;

  constructor(ident: string) {
    const octets = new TextEncoder().encode(ident);
    this.#ident = nativeBuffer(octets.length + 1);
    this.#ident.octets.set(octets);
    openlog(this.#ident.address, LOG_PID, LOG_LOCAL2);
  }

  write(level: keyof typeof LEVELS, text: string): void {
    syslog(LEVELS[level], text);
  }
}
