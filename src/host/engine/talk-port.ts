import { after, type Instant, NEVER } from "../../time.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN } from "../epoll.ts";
import { HeldTty } from "../held-tty.ts";
import { describeErrno, EAGAIN, EINTR, nativeBuffer } from "../libc.ts";
import type { TalkSettings } from "./messages.ts";

const CHUNK_OCTETS = 1024;
/** How long a break lasts. */
export const BREAK_MS = 300;
/** More than any dialogue has to say at a time; a line that takes nothing loses the rest. */
const MOST_UNSENT = 65_536;

/** What a talk tells the engine. */
export interface TalkEvents {
  heard(talk: TalkPort, octets: Uint8Array): void;
  /** The line failed; the talk has to be closed. */
  talkFailed(talk: TalkPort, reason: string): void;
  /** Its descriptor's interest in writing changed. */
  talkInterest(talk: TalkPort, writable: boolean): void;
}

/** A tty without a link: what comes is the control plane's, and what it says goes out. */
export class TalkPort {
  readonly name: string;
  readonly held: HeldTty;
  readonly #events: TalkEvents;
  readonly #input = nativeBuffer(CHUNK_OCTETS);
  readonly #output = nativeBuffer(CHUNK_OCTETS);
  /** Octets to send, and breaks between them. */
  readonly #unsent: (Uint8Array | null)[] = [];
  #unsentOctets = 0;
  #breakEndsAt: Instant = NEVER;
  #blocked = false;

  /** @throws EqlError as HeldTty.open */
  constructor(settings: TalkSettings, events: TalkEvents) {
    const { talk, device, speedBps, rtscts, lockDirectory } = settings;
    this.name = talk;
    this.#events = events;
    // A modem without a call has no carrier.
    this.held = HeldTty.open(device, { speedBps, rtscts, carrier: false }, lockDirectory);
  }

  get fd(): number {
    return this.held.tty.fd;
  }

  /** When {@link handleTimeout} wants to be called. */
  get timeoutAt(): Instant {
    return this.#breakEndsAt;
  }

  say(octets: Uint8Array | null, now: Instant): void {
    const length = octets?.length ?? 0;
    if (this.#unsentOctets + length > MOST_UNSENT) return;
    this.#unsentOctets += length;
    this.#unsent.push(octets);
    this.#send(now);
  }

  handleTimeout(now: Instant): void {
    if (now < this.#breakEndsAt) return;
    this.#breakEndsAt = NEVER;
    this.held.tty.setBreak(false);
    this.#send(now);
  }

  /** Somebody else has the tty next: a break ends, and what still waits for its end is sent. */
  finish(now: Instant): void {
    while (this.#breakEndsAt !== NEVER) this.handleTimeout(this.#breakEndsAt);
    if (this.#unsent.length > 0) this.#send(now);
  }

  handleReady(events: number, now: Instant): void {
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !this.#read()) return;
    this.#send(now);
  }

  /** @returns false: the line has failed */
  #read(): boolean {
    const count = this.held.tty.read(this.#input.address, CHUNK_OCTETS);
    if (count > 0) this.#events.heard(this, this.#input.octets.slice(0, count));
    else if (count !== -EAGAIN && count !== -EINTR) {
      this.#events.talkFailed(this, count === 0 ? "hung up" : `hung up: ${describeErrno(count)}`);
      return false;
    }
    return true;
  }

  #send(now: Instant): void {
    while (this.#breakEndsAt === NEVER) {
      const [first] = this.#unsent;
      if (first === undefined) break;
      if (first === null) {
        this.#unsent.shift();
        this.held.tty.setBreak(true);
        this.#breakEndsAt = after(now, BREAK_MS);
        return;
      }
      const part = first.subarray(0, CHUNK_OCTETS);
      this.#output.octets.set(part);
      const count = part.length === 0 ? 0 : this.held.tty.write(this.#output.address, part.length);
      if (count < 0 && count !== -EAGAIN && count !== -EINTR) {
        this.#events.talkFailed(this, `hung up: ${describeErrno(count)}`);
        return;
      }
      const took = Math.max(0, count);
      this.#unsentOctets -= took;
      if (took === first.length) this.#unsent.shift();
      else this.#unsent[0] = first.subarray(took);
      if (took < part.length) break;
    }
    const blocked = this.#breakEndsAt === NEVER && this.#unsent.length > 0;
    if (blocked !== this.#blocked) this.#events.talkInterest(this, blocked);
    this.#blocked = blocked;
  }
}
