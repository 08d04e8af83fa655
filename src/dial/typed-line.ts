const BACKSPACE = 0x08;
const LF = 0x0a;
const CR = 0x0d;
const CONTROL_U = 0x15;
const DEL = 0x7f;
const EIGHTH_BIT = 0x80;
/** Takes the last octet off the terminal. */
const RUBOUT = "\b \b";

/**
 * Lines as somebody types them at prompts, one after the other: backspace and DEL take an octet back, ^U takes all, other control
 * characters are nothing. A line ends with CR, LF or both.
 */
export class TypedLine {
  #most = 0;
  #ascii = true;
  #octets: number[] = [];
  #tooLong = false;
  #afterCr = false;
  #parity = false;

  /** What is typed so far, without its end. */
  get octets(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }

  /** More was typed than is kept. */
  get tooLong(): boolean {
    return this.#tooLong;
  }

  /**
   * Begins another line.
   * @param most octets that are kept
   * @param ascii the line can have no eighth bit but one of parity, and if it has one, the lines after it have too
   */
  begin(most: number, ascii: boolean): void {
    this.#most = most;
    this.#ascii = ascii;
    this.#clear();
  }

  /** @returns its echo, or null: the line is complete */
  handleOctet(raw: number): string | null {
    this.#parity ||= this.#ascii && (raw & EIGHTH_BIT) !== 0;
    const octet = this.#parity ? raw & ~EIGHTH_BIT : raw;
    const afterCr = this.#afterCr;
    this.#afterCr = octet === CR;
    if (octet === CR || (octet === LF && !afterCr)) return null;
    if (octet === BACKSPACE || octet === DEL) return this.#octets.pop() === undefined ? "" : RUBOUT;
    if (octet === CONTROL_U) return RUBOUT.repeat(this.#clear());
    if (octet < 0x20) return "";
    if (this.#octets.length === this.#most) {
      this.#tooLong = true;
      return "";
    }
    this.#octets.push(octet);
    return String.fromCharCode(octet);
  }

  /** @returns how many octets it had */
  #clear(): number {
    this.#tooLong = false;
    return this.#octets.splice(0).length;
  }
}
