/** More than a prompt with what stands before it. */
const LONGEST = 256;
/** The eighth bit may be one of parity. */
const ASCII = 0x7f;
const CR = 0x0d;
const LF = 0x0a;

/** The last line that a far side has written, for what it asks. */
export class PromptText {
  #line = "";
  #isOver = false;

  clear(): void {
    this.#line = "";
    this.#isOver = false;
  }

  /** @returns the line that this octet ends; null: none */
  handleOctet(octet: number): string | null {
    const sign = octet & ASCII;
    if (sign === CR || sign === LF) {
      if (this.#isOver || this.#line.trim() === "") return null;
      this.#isOver = true;
      return this.#line;
    }
    if (sign < 0x20 || sign === 0x7f) return null;
    if (this.#isOver) this.clear();
    this.#line = (this.#line + String.fromCharCode(sign)).slice(-LONGEST);
    return null;
  }

  /** Whether its last words are these, in any case; in a line that is not over, something may follow. */
  endsWith(prompt: string): boolean {
    const line = this.#line.trimEnd().toLowerCase();
    const wanted = prompt.trimEnd().toLowerCase();
    return this.#isOver ? line.endsWith(wanted) : line.includes(wanted);
  }
}
