import { EPOLLHUP, EPOLLIN, type Epoll } from "../host/epoll.ts";
import { EAGAIN, nativeBuffer, read, write } from "../host/libc.ts";
import { Pty } from "../host/pty.ts";
import { Termios } from "../host/termios.ts";
import type { Modem } from "../sim/modem.ts";
import { after, type Instant, NEVER } from "../time.ts";

const CHUNK_OCTETS = 1024;
/** A pty says nothing when a full buffer has room again. */
const RETRY_MS = 5;

/** A modem's device: moves octets between a pty and the modem, and translates what a pty can tell of the wires. */
export class PhonePort {
  readonly modem: Modem;
  readonly #token: number;
  readonly #link: string;
  readonly #epoll: Epoll;
  readonly #settings: Termios;
  readonly #fromHost = nativeBuffer(CHUNK_OCTETS);
  readonly #toHost = nativeBuffer(CHUNK_OCTETS);
  #pty: Pty;
  /** Somebody has the device open. */
  #open = false;
  /** It is waited for: not while it is closed, since epoll always tells that, nor while the modem has no room. */
  #watched: "octets" | "nothing" | "no" = "no";
  #carrier: boolean;
  #undelivered = 0;
  #retryAt: Instant = NEVER;

  /** @throws EqlError NAME_TAKEN, SYSTEM_CALL_FAILED */
  constructor(modem: Modem, token: number, link: string, epoll: Epoll, now: Instant) {
    this.modem = modem;
    this.#token = token;
    this.#link = link;
    this.#epoll = epoll;
    this.#pty = this.#makeDevice();
    this.#settings = Termios.get(this.#pty.master, link);
    this.#carrier = modem.dcd;
    modem.setDtr(false, now);
  }

  close(): void {
    this.#watch("no");
    this.#pty.close();
  }

  handleReady(events: number, now: Instant): void {
    this.#pull(now);
    if ((events & EPOLLHUP) !== 0) this.#handleClosed(now);
  }

  /** Now and then: looks whether the device was opened, and what its settings say. */
  handleWatch(now: Instant): void {
    if (!this.#open) {
      // Empty and open, or octets of somebody who is gone again already.
      const got = read(this.#pty.master, this.#fromHost.address, Math.min(CHUNK_OCTETS, this.modem.room));
      if (got !== -EAGAIN && got <= 0) return;
      this.#open = true;
      this.#watch("octets");
      if (got > 0) this.modem.send(this.#fromHost.octets, 0, got, now);
    }
    if (this.#settings.refresh(this.#pty.master) < 0) return;
    this.modem.setDtr(this.#settings.outputSpeed !== 0, now);
  }

  /** Moves what there is, both ways; hangs the device up when the carrier was lost. */
  turn(now: Instant): void {
    if (this.#watched === "nothing" && this.modem.room >= CHUNK_OCTETS) this.#watch("octets");
    this.#deliver(now);
    const had = this.#carrier;
    this.#carrier = this.modem.dcd;
    if (!had || this.#carrier || !this.#open) return;
    if (this.#settings.refresh(this.#pty.master) < 0 || !this.#settings.mindsCarrier) return;
    this.#handleClosed(now);
    this.#pty.close();
    this.#pty = this.#makeDevice();
  }

  pollTimeout(): Instant {
    return this.#retryAt;
  }

  #makeDevice(): Pty {
    const pty = Pty.open();
    try {
      pty.linkAt(this.#link);
      pty.releaseSlave();
    } catch (error) {
      pty.close();
      throw error;
    }
    return pty;
  }

  #handleClosed(now: Instant): void {
    this.#watch("no");
    this.#open = false;
    this.modem.setDtr(false, now);
  }

  #pull(now: Instant): void {
    for (;;) {
      const wanted = Math.min(CHUNK_OCTETS, this.modem.room);
      if (wanted === 0) return this.#watch("nothing");
      const got = read(this.#pty.master, this.#fromHost.address, wanted);
      if (got <= 0) return;
      this.modem.send(this.#fromHost.octets, 0, got, now);
    }
  }

  #deliver(now: Instant): void {
    for (;;) {
      if (this.#undelivered === 0) {
        this.#undelivered = this.modem.receive(this.#toHost.octets, 0, CHUNK_OCTETS, now);
      }
      this.#retryAt = NEVER;
      if (this.#undelivered === 0) return;
      // What comes while nobody has the device open is heard by nobody.
      const took = this.#open
        ? write(this.#pty.master, this.#toHost.address, this.#undelivered)
        : CHUNK_OCTETS;
      if (took <= 0) {
        this.#retryAt = after(now, RETRY_MS);
        return;
      }
      this.#toHost.octets.copyWithin(0, took, this.#undelivered);
      this.#undelivered = Math.max(0, this.#undelivered - took);
    }
  }

  #watch(what: "octets" | "nothing" | "no"): void {
    if (what === this.#watched) return;
    const events = what === "octets" ? EPOLLIN : 0;
    if (what === "no") this.#epoll.remove(this.#pty.master);
    else if (this.#watched === "no") this.#epoll.add(this.#pty.master, this.#token, events);
    else this.#epoll.modify(this.#pty.master, this.#token, events);
    this.#watched = what;
  }
}
