/**
 * Names, passwords and messages as octets and as text. The network says octets; they are mostly UTF-8, and may be anything.
 */

/** An octet that is no part of valid UTF-8 is this code unit plus the octet: a lone surrogate, so that no two octet strings become one text. */
const STRAY = 0xdc00;

/** Text as UTF-8, and what {@link utf8Text} made of stray octets as those octets again. */
export function utf8Octets(text: string): Uint8Array {
  const octets: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0) as number;
    if (code >= STRAY + 0x80 && code <= STRAY + 0xff) {
      octets.push(code - STRAY);
      continue;
    }
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) octets.push(code);
    else {
      const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
      octets.push(((0xff00 >> (more + 1)) & 0xff) | (code >> (6 * more)));
      for (let n = more - 1; n >= 0; n--) octets.push(0x80 | ((code >> (6 * n)) & 0x3f));
    }
  }
  return Uint8Array.from(octets);
}

/** Octets read as UTF-8; {@link utf8Octets} gives the same octets again, whatever they are. */
export function utf8Text(octets: Uint8Array): string {
  let text = "";
  for (let at = 0; at < octets.length; ) {
    const first = octets[at] as number;
    const more =
      first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
    let code = more <= 0 ? first : first & (0x3f >> more);
    let good = more >= 0;
    for (let n = 1; n <= more; n++) {
      const next = octets[at + n] ?? 0;
      good &&= (next & 0xc0) === 0x80;
      code = (code << 6) | (next & 0x3f);
    }
    if (more === 2) good &&= code >= 0x800 && (code < 0xd800 || code > 0xdfff);
    if (more === 3) good &&= code >= 0x10000 && code <= 0x10ffff;
    text += String.fromCodePoint(good ? code : STRAY + first);
    at += good ? more + 1 : 1;
  }
  return text;
}

/** Text as UTF-16, low octet first, which is how Microsoft's protocols take passwords (RFC 2759, section 8.3). */
export function utf16Octets(text: string): Uint8Array {
  const octets = new Uint8Array(2 * text.length);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    octets[2 * at] = unit & 0xff;
    octets[2 * at + 1] = unit >> 8;
  }
  return octets;
}

/** Control characters, and what would turn or break a line of a terminal or of a log. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Whether a name is one that can stand in a log line, an environment variable, a file. */
export const isPlainText = (text: string): boolean => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);

/** What the peer said, for a log: one line, nothing that a terminal obeys, not endless. */
export function printable(text: string): string {
  const plain = text.replace(UNPRINTABLE, (found) => `\\u{${(found.codePointAt(0) as number).toString(16)}}`);
  return plain.length <= 120 ? plain : `${plain.slice(0, 119)}…`;
}
