/**
 * Who both ends are to each other.
 *
 * Both have a name, made anew with the bundle: by challenge and proof each path learns whom the other end takes it for. When the peer has
 * another name it began anew, and both number from 0. What came under keys of before that counts for nothing.
 */
import { after, type Instant, instant } from "../time.ts";
import { readIndex } from "../wire/tunnel-datagram.ts";
import type { Identities } from "./path-proof.ts";

/** A peer does not begin anew more often; it says so more than once. */
const MEETING_MS = 200;

export class Meeting {
  readonly identities: Identities;
  /** Index of this end in the last session with the program that the peer was before; -1: there is none. */
  formerSession = -1;
  #session = -1;
  #sessionBefore = -1;
  #metAt: Instant = instant(Number.NEGATIVE_INFINITY);

  constructor(random: { fillRandom(into: Uint8Array): void }) {
    this.identities = { own: newName(random), peer: 0 };
  }

  /** @param session index of this end in the session from now on; -1: there is none */
  handleSession(session: number): void {
    this.#sessionBefore = this.#session;
    this.#session = session;
  }

  /**
   * The peer has said who it is now.
   * @param current index of this end in the session with the peer as it is now
   * @returns whether it began anew, and knows nothing of what was numbered
   */
  handleName(name: number, session: number, current: number, now: Instant): boolean {
    const { identities } = this;
    if (name === 0 || name === identities.peer) return false;
    // What the one before said comes late.
    if (session !== current || now < after(this.#metAt, MEETING_MS)) return false;
    this.#metAt = now;
    const isFirst = identities.peer === 0;
    identities.peer = name;
    if (isFirst) return false;
    this.formerSession = this.#session === current ? this.#sessionBefore : this.#session;
    return true;
  }
}

function newName(random: { fillRandom(into: Uint8Array): void }): number {
  const octets = new Uint8Array(4);
  for (;;) {
    random.fillRandom(octets);
    const name = readIndex(octets, 0);
    if (name !== 0) return name;
  }
}
