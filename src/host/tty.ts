import { readFileSync, type Stats, statSync } from "node:fs";
import { EqlError, type EqlErrorCode } from "../errors.ts";
import {
  check,
  close,
  describeErrno,
  EACCES,
  EAGAIN,
  EBUSY,
  EPERM,
  flock,
  ioctl,
  LOCK_EX,
  LOCK_NB,
  type NativeBuffer,
  nativeBuffer,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  open,
  read,
  write,
} from "./libc.ts";
import { programOf } from "./process-info.ts";
import { Termios } from "./termios.ts";

const TCFLSH = 0x540b;
const TIOCEXCL = 0x540c;
const TIOCNXCL = 0x540d;
const TIOCOUTQ = 0x5411;
const TIOCSBRK = 0x5427;
const TIOCCBRK = 0x5428;
const TIOCGSERIAL = 0x541e;
const TCOFLUSH = 1;
const TCIOFLUSH = 2;
/** struct serial_struct: its size in octets, which flags is in words, and those about the speed. */
const SERIAL_STRUCT = 72;
const SERIAL_FLAGS = 4;
const SPEED_FLAGS = 0x1030;
/** The one speed that may stand for another. */
const NOMINAL_BPS = 38_400;
/** Major device numbers of the slaves of ptys. */
const PTY_MAJORS = { first: 136, last: 143 };
/** An asynchronous receiver samples the stop bit half a bit late at 5 %; both ends may err. */
const SPEED_TOLERANCE = 0.03;

export interface TtyOptions {
  /** Bits per second, any that the driver can make. */
  readonly speedBps: number;
  /** Hardware flow control; off by default. */
  readonly rtscts?: boolean;
  /** Whether the line has hung up when its carrier is lost; off by default. */
  readonly carrier?: boolean;
  /** Refuse the device when somebody else uses it, and keep others away; on by default. */
  readonly exclusive?: boolean;
}

/** A serial device that is open, raw and 8N1. Its descriptor does not block and is not a controlling terminal. */
export class Tty {
  readonly path: string;
  readonly fd: number;
  /** What the driver made of the speed that was asked for. */
  readonly speedBps: number;
  readonly #saved: Termios;
  readonly #settings = new Termios();
  readonly #exclusive: boolean;
  readonly #queued: NativeBuffer = nativeBuffer(4);
  readonly #queuedWord = new Int32Array(this.#queued.octets.buffer, 0, 1);

  /** Made by {@link openTty}. */
  constructor(path: string, fd: number, speedBps: number, saved: Termios, exclusive: boolean) {
    this.path = path;
    this.fd = fd;
    this.speedBps = speedBps;
    this.#saved = saved;
    this.#exclusive = exclusive;
  }

  /** Octets read into memory at `address`, 0 after a hang-up, or a negated errno: -EAGAIN when nothing is there. */
  read(address: number, length: number): number {
    return read(this.fd, address, length);
  }

  /** Octets that the driver took, or a negated errno: -EAGAIN when it is full, -EIO after a hang-up. */
  write(address: number, length: number): number {
    return write(this.fd, address, length);
  }

  /** Octets written and not yet sent, as far as the driver tells: a pty always says 0, and so does a dead device. */
  outputQueue(): number {
    return ioctl(this.fd, TIOCOUTQ, this.#queued.address) < 0 ? 0 : (this.#queuedWord[0] as number);
  }

  /** Whether the line has hung up when its carrier is lost. A line that was hung up already takes no settings. */
  mindCarrier(minded: boolean): void {
    if (this.#settings.refresh(this.fd) < 0) return;
    this.#settings.setCarrier(minded);
    this.#settings.set(this.fd);
  }

  /** Begins a break, or ends it; a driver that knows none does nothing. */
  setBreak(on: boolean): void {
    ioctl(this.fd, on ? TIOCSBRK : TIOCCBRK, 0);
  }

  /**
   * Gives the device back as it was. What the driver says that it has not sent is dropped: a peer that holds it up by flow
   * control would hold up the close for half a minute. A driver that says nothing keeps it: it may be a farewell.
   */
  close(): void {
    if (this.outputQueue() > 0) ioctl(this.fd, TCFLSH, TCOFLUSH);
    this.#saved.set(this.fd); // fails after a hang-up, when there is nothing to restore
    if (this.#exclusive) ioctl(this.fd, TIOCNXCL, 0);
    close(this.fd);
  }
}

/**
 * Opens a serial device, sets it raw and to a speed, and checks that the driver did so. Octets that came before are
 * discarded.
 * @throws EqlError DEVICE_MISSING, DEVICE_NOT_A_TTY, DEVICE_BUSY, CAPABILITY_MISSING (no permission), DEVICE_SPEED,
 * DEVICE_SETTINGS (no 8N1 or no RTS/CTS), SYSTEM_CALL_FAILED
 */
export function openTty(path: string, options: TtyOptions): Tty {
  const { speedBps, rtscts = false, carrier = false, exclusive = true } = options;
  const status = statusOf(path);
  const fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw openingFailed(path, fd);
  let saved: Termios | null = null;
  try {
    const original = settingsOf(fd, path);
    if (exclusive) seize(fd, path, status);
    saved = original;
    const given = configure(fd, path, speedBps, rtscts, carrier);
    ioctl(fd, TCFLSH, TCIOFLUSH);
    return new Tty(path, fd, given, saved, exclusive);
  } catch (error) {
    saved?.set(fd);
    if (saved !== null && exclusive) ioctl(fd, TIOCNXCL, 0);
    close(fd);
    throw error;
  }
}

/**
 * Whether two ends understand each other when one runs at `given` instead of `wanted`.
 * @throws EqlError DEVICE_SPEED
 */
export function checkSpeed(path: string, wanted: number, given: number): void {
  if (Math.abs(given - wanted) <= wanted * SPEED_TOLERANCE) return;
  throw new EqlError(
    "DEVICE_SPEED",
    `${path} cannot run at ${wanted} bit/s: its driver chose ${given}. Set a speed that the port supports`,
    { details: { path, wanted, given } },
  );
}

/** Looked at before it is opened: opening a device of another kind may set something off. */
function statusOf(path: string): Stats {
  let status: Stats;
  try {
    status = statSync(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code !== "EACCES";
    if (missing) throw refused("DEVICE_MISSING", path, "does not exist: is the adapter plugged in?", cause);
    throw refused("CAPABILITY_MISSING", path, "cannot be reached: no permission for its directory", cause);
  }
  if (status.isCharacterDevice()) return status;
  throw refused("DEVICE_NOT_A_TTY", path, "is not a serial device; give a device such as /dev/ttyS0");
}

function settingsOf(fd: number, path: string): Termios {
  try {
    return Termios.get(fd, path);
  } catch (cause) {
    const io = cause instanceof EqlError && /EIO|ENODEV|ENXIO/.test(cause.message);
    if (io) throw refused("DEVICE_MISSING", path, "has no hardware behind it, or was unplugged", cause);
    throw refused(
      "DEVICE_NOT_A_TTY",
      path,
      "is not a terminal line; give a device such as /dev/ttyS0",
      cause,
    );
  }
}

function openingFailed(path: string, result: number): EqlError {
  const why = describeErrno(result);
  if (result === -EACCES || result === -EPERM) {
    const what = "may not be opened by this user: join the group that owns it (often dialout) or run as root";
    return refused("CAPABILITY_MISSING", path, what);
  }
  if (result === -EBUSY) return refused("DEVICE_BUSY", path, "is in exclusive use by another program");
  return refused("DEVICE_MISSING", path, `cannot be opened: ${why}. Is the adapter plugged in?`);
}

/** A lock that every program of this package minds, and the terminal's own one against all but root. */
function seize(fd: number, path: string, status: Stats): void {
  const locked = flock(fd, LOCK_EX | LOCK_NB);
  if (locked === -EAGAIN) {
    const pid = lockHolder(status);
    const who = pid === null ? "another program" : `${programOf(pid)} (PID ${pid})`;
    const error = `is in use by ${who}: stop it or choose another device`;
    throw new EqlError("DEVICE_BUSY", `${path} ${error}`, {
      details: { path, ...(pid !== null && { pid }) },
    });
  }
  check(locked, `locking ${path}`, "SYSTEM_CALL_FAILED", { path });
  // Exclusive mode ends at the last close. A pty's other user may keep the slave open for ever, so that after a crash
  // of ours nobody could open it again.
  const major = (status.rdev >> 8) & 0xfff;
  if (major >= PTY_MAJORS.first && major <= PTY_MAJORS.last) return;
  check(ioctl(fd, TIOCEXCL, 0), `taking ${path} for exclusive use`, "SYSTEM_CALL_FAILED", { path });
}

/** @returns the speed that the driver says it runs at */
function configure(fd: number, path: string, speedBps: number, rtscts: boolean, carrier: boolean): number {
  if (!Number.isInteger(speedBps) || speedBps < 1 || speedBps > 0x7fff_ffff) {
    throw new EqlError("DEVICE_SPEED", `${speedBps} is no speed for ${path}: give bits per second`, {
      details: { path, wanted: speedBps },
    });
  }
  const wanted = Termios.get(fd, path);
  wanted.makeRaw();
  wanted.setRtscts(rtscts);
  wanted.setCarrier(carrier);
  wanted.setSpeed(speedBps);
  check(wanted.set(fd), `setting ${path} to ${speedBps} bit/s`, "SYSTEM_CALL_FAILED", { path });
  // The call succeeds if any one of the settings was made, so each is looked at.
  const given = Termios.get(fd, path);
  if (speedBps !== NOMINAL_BPS || !hasNominalSpeed(fd)) {
    checkSpeed(path, speedBps, given.outputSpeed);
    checkSpeed(path, speedBps, given.inputSpeed);
  }
  if (!given.raw8n1)
    throw refused("DEVICE_SETTINGS", path, "cannot be set to raw 8N1, which SLIP and PPP need");
  if (given.rtscts !== rtscts) {
    const what = rtscts
      ? "has no RTS/CTS flow control: switch it off in the configuration"
      : "insists on RTS/CTS";
    throw refused("DEVICE_SETTINGS", path, what);
  }
  return given.outputSpeed;
}

/** Whether setserial made 38400 stand for another speed, as scripts of 1995 do (spd_hi, spd_vhi, spd_cust). */
function hasNominalSpeed(fd: number): boolean {
  const serial = nativeBuffer(SERIAL_STRUCT);
  if (ioctl(fd, TIOCGSERIAL, serial.address) < 0) return false;
  return ((new Int32Array(serial.octets.buffer)[SERIAL_FLAGS] as number) & SPEED_FLAGS) !== 0;
}

/** Who holds the flock, by /proc/locks; null: not to be seen from here. */
function lockHolder(status: Stats): number | null {
  const hex = (n: number): string => n.toString(16).padStart(2, "0");
  const file = `${hex((status.dev >> 8) & 0xfff)}:${hex((status.dev & 0xff) | ((status.dev >> 12) & 0xfff00))}:${status.ino}`;
  for (const line of readFileSync("/proc/locks", "latin1").split("\n")) {
    const [, kind, , , pid, where] = line.split(/\s+/);
    if (kind === "FLOCK" && where === file && Number(pid) > 0) return Number(pid);
  }
  return null;
}

function refused(code: EqlErrorCode, path: string, what: string, cause?: unknown): EqlError {
  return new EqlError(code, `${path} ${what}`, { details: { path }, cause });
}
