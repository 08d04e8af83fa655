/** Stands for each character of a secret. */
const MASK = "*";

/**
 * Masks secrets in a text that comes in parts. What a part ends with may be the beginning of one, and is masked as well
 * while nothing else follows.
 */
export class SecretMask {
  readonly #secrets: readonly string[];
  readonly #longest: number;
  /** The end of what came before the part, in which a secret may have begun. */
  #before = "";

  /** @param secrets latin1 */
  constructor(secrets: readonly string[]) {
    this.#secrets = secrets.filter((secret) => secret !== "").map(withoutParity);
    this.#longest = Math.max(0, ...this.#secrets.map((secret) => secret.length));
  }

  /** A part as it is shown. It may be longer next time: until {@link finish}, it is the same part. */
  mask(part: string, isOver = false): string {
    const text = this.#before + withoutParity(part);
    const hidden = new Set<number>();
    for (const secret of this.#secrets) {
      for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
        for (let i = 0; i < secret.length; i++) hidden.add(at + i);
      }
      if (!isOver) for (let i = text.length - begun(text, secret); i < text.length; i++) hidden.add(i);
    }
    return Array.from(part, (letter, i) => (hidden.has(this.#before.length + i) ? MASK : letter)).join("");
  }

  /** The part is complete, and another one begins. */
  finish(part: string): void {
    const keep = Math.max(0, this.#longest - 1);
    this.#before = keep === 0 ? "" : (this.#before + withoutParity(part)).slice(-keep);
  }
}

/** How much of a secret a text ends with, without all of it. */
function begun(text: string, secret: string): number {
  let length = Math.min(secret.length - 1, text.length);
  while (length > 0 && !text.endsWith(secret.slice(0, length))) length -= 1;
  return length;
}

/** The eighth bit may be one of parity. */
const withoutParity = (text: string): string =>
  text.replace(/[\u0080-\u00ff]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) & 0x7f));
