import { StringWatch } from "./string-watch.ts";

/** Far more than a modem's message has. */
const LONGEST = 256;

/** Collects what follows the strings of REPORT, to the next control character. */
export class ChatReport {
  #strings: { readonly pattern: Uint8Array; readonly shown: string }[] = [];
  #watch = new StringWatch([]);
  /** null: none is being collected. */
  #text: string | null = null;

  get collects(): boolean {
    return this.#text !== null;
  }

  add(pattern: Uint8Array, shown: string): void {
    this.#strings.push({ pattern, shown });
    this.restart();
  }

  remove(pattern: Uint8Array): void {
    const index = this.#strings.findIndex((string) => string.pattern.join() === pattern.join());
    if (index >= 0) this.#strings.splice(index, 1);
    this.restart();
  }

  /** What came before is not part of any string. */
  restart(): void {
    this.#watch = new StringWatch(this.#strings.map(({ pattern }) => pattern));
  }

  /** @returns a report that is complete */
  handleOctet(octet: number): string | null {
    const found = this.#watch.handleOctet(octet);
    if (this.#text !== null) {
      if (octet < 0x20 || octet === 0x7f) return this.finish();
      if (this.#text.length < LONGEST) this.#text += String.fromCharCode(octet);
    } else if (found >= 0) this.#text = this.#strings[found]?.shown ?? "";
    return null;
  }

  /** @returns the report as far as it has come */
  finish(): string | null {
    const text = this.#text;
    this.#text = null;
    return text;
  }
}
