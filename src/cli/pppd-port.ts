import { fstatSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isatty } from "node:tty";
import type { PppdProcess } from "../config/pppd-draft.ts";
import { EqlError } from "../errors.ts";
import {
  check,
  close,
  describeErrno,
  EACCES,
  EBUSY,
  EPERM,
  ioctl,
  nativeBuffer,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  open,
} from "../host/libc.ts";
import { Termios } from "../host/termios.ts";
import { acquireLock, type UucpLock } from "../host/uucp-lock.ts";

const TIOCMGET = 0x5415;
const TIOCMBIS = 0x5416;
const TIOCMBIC = 0x5417;
const FIONREAD = 0x541b;
const TIOCM_DTR = 0x002;
const TIOCM_CAR = 0x040;
const LOOK_MS = 50;

type PortSettings = Pick<PppdProcess, "device" | "lock" | "modem" | "rtscts" | "speedBps">;

/**
 * The serial port of `eql pppd`: locked, open, raw, at its speed, and not blocking on carrier. The daemon opens it once more by
 * its path; this descriptor keeps DTR, so that the modem stays on the line in between, and is what scripts talk to.
 */
export class PppdPort {
  readonly path: string;
  /** Blocks, as programs expect it of their standard input. */
  readonly fd: number;
  readonly speedBps: number;
  readonly rtscts: boolean;
  readonly #modem: boolean;
  readonly #saved: Termios;
  readonly #lock: UucpLock | null;
  readonly #word = nativeBuffer(4);

  private constructor(
    opened: Pick<PppdPort, "path" | "fd" | "speedBps" | "rtscts">,
    modem: boolean,
    saved: Termios,
    lock: UucpLock | null,
  ) {
    this.path = opened.path;
    this.fd = opened.fd;
    this.speedBps = opened.speedBps;
    this.rtscts = opened.rtscts;
    this.#modem = modem;
    this.#saved = saved;
    this.#lock = lock;
  }

  /**
   * @param lockDirectory usually /var/lock
   * @throws EqlError DEVICE_BUSY, LOCK_FAILED: it cannot be locked; DEVICE_MISSING, DEVICE_NOT_A_TTY, DEVICE_SETTINGS
   */
  static open(settings: PortSettings & { readonly device: string }, lockDirectory: string): PppdPort {
    const { device: path, modem } = settings;
    const lock = settings.lock ? acquireLock(path, lockDirectory) : null;
    let first = -1;
    try {
      first = openDevice(path, O_NONBLOCK); // does not wait for carrier
      const saved = settingsOf(first, path);
      const given = settingsOf(first, path);
      const speedBps = settings.speedBps ?? given.outputSpeed;
      const rtscts = settings.rtscts ?? given.rtscts;
      given.makeRaw();
      given.setRtscts(rtscts);
      given.setSpeed(speedBps);
      check(given.set(first), `setting ${path} to ${speedBps} bit/s`, "DEVICE_SETTINGS", { path });
      const fd = openDevice(path, 0); // raw mode ignores carrier, so this does not wait either
      return new PppdPort({ path, fd, speedBps, rtscts }, modem, saved, lock);
    } catch (error) {
      lock?.release();
      throw error;
    } finally {
      if (first >= 0) close(first);
    }
  }

  /** Hangs the modem up and makes it ready for a call, where the port has such wires. */
  async resetModem(signal: AbortSignal): Promise<void> {
    if (!this.#modem || !this.#setDtr(false)) return;
    await delay(1000, undefined, { signal }).catch(() => {});
    this.#setDtr(true);
  }

  /** Waits until there is carrier, for ever if need be; a port that cannot tell has it. */
  async waitForCarrier(signal: AbortSignal): Promise<void> {
    while (this.#modem && !signal.aborted && !this.#hasCarrier()) {
      await delay(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Waits until the peer has said something, but no longer than `limitMs`. */
  async listen(limitMs: number, signal: AbortSignal): Promise<void> {
    const end = performance.now() + limitMs;
    while (!signal.aborted && performance.now() < end) {
      if (ioctl(this.fd, FIONREAD, this.#word.address) < 0 || this.#word.octets.some((octet) => octet !== 0))
        return;
      await delay(Math.min(LOOK_MS, limitMs), undefined, { signal }).catch(() => {});
    }
  }

  /** Drops DTR with `modem`, gives the port back as it was, and frees it. */
  close(): void {
    if (this.#modem) this.#setDtr(false);
    this.#saved.set(this.fd); // fails after a hang-up, when there is nothing to restore
    close(this.fd);
    this.#lock?.release();
  }

  #hasCarrier(): boolean {
    if (ioctl(this.fd, TIOCMGET, this.#word.address) < 0) return true;
    return ((this.#word.octets[0] as number) & TIOCM_CAR) !== 0;
  }

  /** @returns false: the port has no DTR */
  #setDtr(on: boolean): boolean {
    new Int32Array(this.#word.octets.buffer, 0, 1)[0] = TIOCM_DTR;
    return ioctl(this.fd, on ? TIOCMBIS : TIOCMBIC, this.#word.address) >= 0;
  }
}

/**
 * The terminal on standard input, which is the line when no device is named.
 * @throws EqlError CONFIG_INVALID: it is none
 */
export function ownTerminal(): string {
  if (!isatty(0)) {
    throw new EqlError(
      "CONFIG_INVALID",
      "no device is named, and standard input is no terminal: name one, such as /dev/ttyS0",
    );
  }
  return readlinkSync("/proc/self/fd/0");
}

/** Whether a descriptor or a path leads to the terminal on standard input. */
export function isSameTerminal(which: number | string): boolean {
  try {
    const { rdev } = typeof which === "number" ? fstatSync(which) : statSync(which);
    return isatty(0) && rdev !== 0 && rdev === fstatSync(0).rdev;
  } catch {
    return false; // it is closed, or there is no such device
  }
}

function openDevice(path: string, flags: number): number {
  const fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | flags);
  if (fd >= 0) return fd;
  const why = describeErrno(fd);
  if (fd === -EBUSY) throw refused("DEVICE_BUSY", path, "is in exclusive use by another program");
  const cure =
    fd === -EACCES || fd === -EPERM ? ": join the group that owns it (often dialout) or run as root" : "";
  throw refused("DEVICE_MISSING", path, `cannot be opened: ${why}${cure}`);
}

function settingsOf(fd: number, path: string): Termios {
  try {
    return Termios.get(fd, path);
  } catch (cause) {
    throw refused("DEVICE_NOT_A_TTY", path, "is not a serial line, or has no hardware behind it", cause);
  }
}

function refused(
  code: "DEVICE_BUSY" | "DEVICE_MISSING" | "DEVICE_NOT_A_TTY",
  path: string,
  what: string,
  cause?: unknown,
): EqlError {
  return new EqlError(code, `${path} ${what}`, { details: { path }, cause });
}
