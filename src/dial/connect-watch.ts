import { LineReader, readModemWord } from "./result-words.ts";

/** Sees a modem connect in what a script reads. */
export class ConnectWatch {
  readonly #lines = new LineReader();
  #carrierBps: number | null = null;
  #isConnected = false;

  /** The line of CONNECT has begun: its rest may tell the speed. */
  get expects(): boolean {
    return !this.#isConnected && /^\s*CONNECT/i.test(this.#lines.pending);
  }

  /** @returns that there is a carrier, once, and its speed if it is known */
  handleOctet(octet: number): { readonly carrierBps: number | null } | null {
    const line = this.#isConnected ? null : this.#lines.handleOctet(octet);
    const word = line === null ? null : readModemWord(line);
    if (word?.type === "carrier") this.#carrierBps = word.bps;
    if (word?.type !== "connect") return null;
    this.#isConnected = true;
    return { carrierBps: this.#carrierBps ?? word.bps };
  }
}
