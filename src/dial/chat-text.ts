/**
 * Strings of chat scripts (chat(8), ESCAPE SEQUENCES). A script is a string of octets here, one to a character: who
 * reads it decodes it as latin1, so that what is not ASCII goes to the line as it stands in the script.
 */

/** What a send string does, in order: an octet goes to the line, or something happens between octets. */
export type SendAction = number | "break" | "second" | "tenth";

export interface SendText {
  readonly actions: readonly SendAction[];
  /** `\q`: not to be shown. */
  readonly secret: boolean;
  /** Whether a carriage return was added. */
  readonly returned: boolean;
}

/** What stands for something else in strings. */
export interface ChatWords {
  /** `\T` of send strings. */
  readonly phone: string | null;
  /** `\U` of send strings. */
  readonly phone2: string | null;
  /** The value of `$NAME`, "" when there is none; null: a dollar sign is one. */
  readonly variable: ((name: string) => string) | null;
}

const CR = 0x0d;
const LETTERS: Readonly<Record<string, number>> = { b: 0x08, n: 0x0a, r: CR, s: 0x20, t: 0x09 };
const ACTIONS: Readonly<Record<string, SendAction>> = { d: "second", p: "tenth", K: "break", N: 0 };

/** An expect string, or one of ABORT and REPORT: the octets to look for. A NUL is looked for by nobody. */
export function readExpect(text: string, words: ChatWords): Uint8Array {
  const reader = new Reader(text, words, false);
  reader.read();
  return Uint8Array.from(reader.actions.filter((action) => typeof action === "number" && action !== 0));
}

/** A send string: with a carriage return at its end, unless `\c` is there. */
export function readSend(text: string, words: ChatWords): SendText {
  const reader = new Reader(text, words, true);
  reader.read();
  const { actions, secret, returned } = reader;
  return { actions: returned ? [...actions, CR] : actions, secret, returned };
}

/** Reads a string once. */
class Reader {
  readonly actions: SendAction[] = [];
  secret = false;
  returned: boolean;
  readonly #text: string;
  readonly #words: ChatWords;
  readonly #sends: boolean;
  #at = 0;

  constructor(text: string, words: ChatWords, sends: boolean) {
    this.#text = text;
    this.#words = words;
    this.#sends = sends;
    this.returned = sends;
  }

  read(): void {
    while (this.#at < this.#text.length) {
      const found = this.#take();
      const last = this.#at === this.#text.length;
      if (found === "\\" && !last) this.#escape();
      else if (found === "^" && !last) this.#control();
      else if (found === "$" && this.#words.variable !== null) this.#variable(this.#words.variable);
      else this.#put(found);
    }
  }

  #take(): string {
    const found = this.#text.charAt(this.#at);
    this.#at += 1;
    return found;
  }

  #put(text: string): void {
    for (let i = 0; i < text.length; i++) this.actions.push(text.charCodeAt(i) & 0xff);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #escape(): void {
    const octal = this.#match(/[0-7]{1,3}/y);
    if (octal !== "") {
      this.actions.push(Number.parseInt(octal, 8) & 0xff);
      return;
    }
    const letter = this.#take();
    const known = LETTERS[letter];
    if (known !== undefined) this.actions.push(known);
    else if (letter === "q") this.secret = true;
    else if (letter === "T" || letter === "U") this.#phone(letter);
    else if (this.#sends) this.#action(letter);
    else this.#put(letter);
  }

  #action(letter: string): void {
    const action = ACTIONS[letter];
    if (action !== undefined) this.actions.push(action);
    else if (letter === "c" && this.#at === this.#text.length) this.returned = false;
    else this.#put(letter);
  }

  /** In a string to expect, these are no escapes. */
  #phone(letter: "T" | "U"): void {
    const number = letter === "T" ? this.#words.phone : this.#words.phone2;
    if (!this.#sends) this.#put(`\\${letter}`);
    else if (number === null) this.#put(letter);
    else this.#insert(number);
  }

  /** `^C` is Control-C; the character is taken as it is, a backslash too. What would be a NUL is nothing. */
  #control(): void {
    const octet = this.#take().charCodeAt(0) & 0x1f;
    if (octet !== 0) this.actions.push(octet);
  }

  #variable(valueOf: (name: string) => string): void {
    this.#insert(valueOf(this.#match(/\w*/y)));
  }

  /** A number to dial, or a variable's value: it may pause the line, but its other characters are themselves. */
  #insert(text: string): void {
    if (!this.#sends) {
      this.#put(text);
      return;
    }
    for (let i = 0; i < text.length; i++) {
      if (text[i] !== "\\" || i + 1 === text.length) {
        this.#put(text.charAt(i));
        continue;
      }
      i += 1;
      const letter = text.charAt(i);
      const action = ACTIONS[letter];
      if (action === undefined) this.#put(letter);
      else this.actions.push(action);
    }
  }
}

/** Text of a line as logs show it: control characters as `^M`, what is not ASCII as `M-…`. */
export function visible(text: string): string {
  return text.replace(/[^ -~]/g, (found) => {
    const code = found.charCodeAt(0) & 0xff;
    const low = code & 0x7f;
    const shown =
      low < 0x20 || low === 0x7f ? `^${String.fromCharCode(low ^ 0x40)}` : String.fromCharCode(low);
    return code > 0x7f ? `M-${shown}` : shown;
  });
}
