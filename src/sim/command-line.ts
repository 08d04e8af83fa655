import { type ModemProfile, S } from "./modem-registers.ts";

const LONGEST = 255;
const SPACE = 0x20;

/** Finds command lines in what the host sends: from AT to the carriage return, or `A/`, the last one again. */
export class CommandLine {
  #text = "";
  #last = "";

  clear(): void {
    this.#text = "";
  }

  /**
   * @param echo takes what is to be echoed
   * @returns a complete line without its AT, in capitals and without spaces; null: not yet; "\0": it was too long
   */
  handleOctet(octet: number, profile: ModemProfile, echo: (octet: number) => void): string | null {
    const sign = octet & 0x7f; // some hosts send parity
    if (sign === profile.get(S.backspace)) return this.#erase(profile, echo);
    if (profile.echo) echo(octet);
    if (sign === profile.get(S.carriageReturn)) return this.#end();
    const letter = String.fromCharCode(sign).toUpperCase();
    if (this.#text === "A" && letter === "/") {
      this.#text = "";
      return this.#last;
    }
    // Anything before AT is noise, such as a prompt for a host that is not there any more.
    if (this.#text === "") this.#text = letter === "A" ? letter : "";
    else if (this.#text === "A") this.#text = letter === "T" ? "AT" : letter === "A" ? "A" : "";
    else if (sign > SPACE && sign < 0x7f && this.#text.length <= LONGEST) this.#text += letter;
    return null;
  }

  #erase(profile: ModemProfile, echo: (octet: number) => void): null {
    if (this.#text.length <= 2) return null; // AT stays
    this.#text = this.#text.slice(0, -1);
    if (profile.echo)
      for (const octet of [profile.get(S.backspace), SPACE, profile.get(S.backspace)]) echo(octet);
    return null;
  }

  #end(): string | null {
    const text = this.#text;
    this.#text = "";
    if (!text.startsWith("AT")) return null;
    this.#last = text.length > LONGEST ? "\0" : text.slice(2);
    return this.#last;
  }
}
