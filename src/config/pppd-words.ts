/** A word of a file in pppd's form, with where it began. */
export interface Word {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** Whether it is the first on its line; lines joined by a backslash count as one. */
  readonly first: boolean;
}

/** What pppd understands after a backslash; any other character stands for itself. */
const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  s: " ",
  t: "\t",
};
const NUMBERS = [
  { pattern: /[0-7]{1,3}/y, radix: 8, prefix: 0 },
  { pattern: /x[0-9A-Fa-f]{1,2}/y, radix: 16, prefix: 1 },
] as const;

/**
 * The words of an option file or a secrets file, as pppd reads them (pppd(8), OPTIONS FILES): white space separates,
 * single and double quotes and backslashes take away a character's meaning, `#` ends a word and starts a comment, a
 * backslash at the end of a line joins the next one.
 */
export function splitWords(source: string): Word[] {
  const reader = new Reader(source);
  const words: Word[] = [];
  for (let word = reader.next(); word !== null; word = reader.next()) words.push(word);
  return words;
}

class Reader {
  readonly #source: string;
  #at = 0;
  #line = 1;
  #begins = true;

  constructor(source: string) {
    this.#source = source;
  }

  next(): Word | null {
    const first = this.#skip() || this.#begins;
    if (this.#at >= this.#source.length) return null;
    this.#begins = false;
    const line = this.#line;
    return { text: this.#word(), line, first };
  }

  /** @returns the next character, which is passed; "" at the end */
  #take(): string {
    const found = this.#source.charAt(this.#at);
    this.#at += 1;
    if (found === "\n") this.#line += 1;
    return found;
  }

  /** Passes white space and comments. @returns whether a line ended */
  #skip(): boolean {
    let ended = false;
    for (;;) {
      const found = this.#source.charAt(this.#at);
      if (found === "#") {
        const end = this.#source.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#source.length : end;
      } else if (found === "\\" && this.#source.charAt(this.#at + 1) === "\n") {
        this.#take();
        this.#take();
      } else if (isSpace(found)) ended = this.#take() === "\n" || ended;
      else return ended;
    }
  }

  #word(): string {
    let text = "";
    let quote = "";
    while (this.#at < this.#source.length) {
      const found = this.#source.charAt(this.#at);
      if (quote === "" && (found === "#" || isSpace(found))) break;
      this.#take();
      if (found === "\\") text += this.#escape();
      else if (quote === "" && (found === '"' || found === "'")) quote = found;
      else if (found === quote) quote = "";
      else text += found;
    }
    return text;
  }

  #escape(): string {
    for (const { pattern, radix, prefix } of NUMBERS) {
      pattern.lastIndex = this.#at;
      const digits = pattern.exec(this.#source)?.[0];
      if (digits === undefined) continue;
      this.#at += digits.length;
      return String.fromCharCode(Number.parseInt(digits.slice(prefix), radix) & 0xff);
    }
    const found = this.#take();
    return found === "\n" ? "" : (ESCAPES[found] ?? found);
  }
}

const isSpace = (found: string): boolean => found !== "" && " \t\n\v\f\r".includes(found);
