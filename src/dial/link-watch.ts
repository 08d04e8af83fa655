import { StringWatch } from "./string-watch.ts";

/** The far side's first frame: LCP, with control escaped or not, or an IP packet in SLIP. */
const FRAMES: readonly Uint8Array[] = [
  Uint8Array.of(0x7e, 0xff, 0x7d, 0x23),
  Uint8Array.of(0x7e, 0xff, 0x03),
  Uint8Array.of(0xc0, 0x45),
];
/** With which a SLIP frame begins. */
const END = Uint8Array.of(0xc0);

/** Sees where a link begins in what a far side says. */
export class LinkWatch {
  readonly #frames = new StringWatch(FRAMES);
  #wasText = false;

  /**
   * @param isLoggedIn then a far side may begin SLIP with an END alone; within a text it is a character with parity
   * @returns the first octets of the link, up to this one; null: it has not begun
   */
  handleOctet(octet: number, isLoggedIn: boolean): Uint8Array | null {
    const found = FRAMES[this.#frames.handleOctet(octet)];
    const isEnd = isLoggedIn && octet === END[0] && !this.#wasText;
    this.#wasText = octet > 0x1f && octet !== END[0];
    return found ?? (isEnd ? END : null);
  }
}
