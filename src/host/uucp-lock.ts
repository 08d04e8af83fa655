import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { EqlError } from "../errors.ts";
import { after } from "../time.ts";
import { monotonicNow } from "./clock.ts";
import { EAGAIN, flock, LOCK_EX, LOCK_NB } from "./libc.ts";
import { ageOf, isRunning, programOf } from "./process-info.ts";

/**
 * UUCP lock files (Filesystem Hierarchy Standard 3.0 §5.9): `LCK..<name>` holds the PID of a device's user as ten
 * characters, right-aligned, and a newline. Every program that dials minds them.
 *
 * A lock appears by link(2), so nobody ever sees an empty one of ours, and only one of several wins. A stale one is
 * taken away only by whoever holds a flock on the directory, so that of two who found it stale the slower one does not
 * take away the faster one's new lock; against programs that know no such flock it is moved aside first and put back if
 * it turns out to be another one.
 */

const PID_WIDTH = 10;
/** How long another program may take between making its lock file and writing its PID into it. */
const UNWRITTEN_MS = 5000;
/** How long to wait for another daemon that is replacing a stale lock; it takes well under a millisecond. */
const PATIENCE_MS = 3000;
/** Clocks of files are coarse, and a program may have made its lock just before it forked the user. */
const START_SLACK_MS = 2000;

/** What a lock file says. */
type Holder =
  | { readonly kind: "free" }
  | { readonly kind: "stale" }
  | { readonly kind: "ours" }
  | { readonly kind: "unwritten" }
  | { readonly kind: "held"; readonly pid: number };

/** A device that is ours until it is released. */
export class UucpLock {
  /** One, or two when the device was given by a symbolic link in /dev. */
  readonly files: readonly string[];
  /** Those that were not this process's before. */
  readonly #taken: readonly string[];

  /** Made by {@link acquireLock}. */
  constructor(files: readonly string[], taken: readonly string[] = files) {
    this.files = files;
    this.#taken = taken;
  }

  /**
   * For a device that is not used after all: removes what is still ours and was not before, as somebody else in this process may
   * have the device by another name.
   * @throws EqlError LOCK_FAILED
   */
  undo(): void {
    new UucpLock(this.#taken).release();
  }

  /**
   * Removes what is still ours. May be called again.
   * @throws EqlError LOCK_FAILED: a file could not be removed; the others are gone
   */
  release(): void {
    let failure: EqlError | null = null;
    for (const file of this.files) {
      try {
        if (readPid(file)?.pid === process.pid) rmSync(file, { force: true });
      } catch (cause) {
        const { message } = cause as Error;
        failure = new EqlError("LOCK_FAILED", `${file} cannot be removed: ${message}; remove it by hand`, {
          details: { file },
          cause,
        });
      }
    }
    if (failure !== null) throw failure;
  }
}

/**
 * Takes a device by the convention of UUCP. A lock of this very process counts as taken; one whose process is gone is
 * replaced.
 * @param directory usually /var/lock
 * @throws EqlError DEVICE_BUSY: another program has it, which is named; LOCK_FAILED: no lock file can be made
 */
export function acquireLock(device: string, directory: string): UucpLock {
  const taken: string[] = [];
  try {
    for (const name of lockNames(device)) {
      const file = join(directory, `LCK..${name}`);
      if (acquireFile(file, device, directory)) taken.push(file);
    }
  } catch (error) {
    new UucpLock(taken).release();
    throw error;
  }
  return new UucpLock(
    lockNames(device).map((name) => join(directory, `LCK..${name}`)),
    taken,
  );
}

/** The given name and the real one, as far as they are in /dev; sorted, so that two daemons meet at the same one first. */
export function lockNames(device: string): string[] {
  let real = device;
  try {
    real = realpathSync(device);
  } catch {
    // Not there yet: whoever opens it says so better.
  }
  const inDev = [device, real].filter((path) => path.startsWith("/dev/"));
  const paths =
    inDev.length > 0 ? inDev.map((path) => path.slice("/dev/".length)) : [device.replace(/^\/+/, "")];
  return [...new Set(paths.map((path) => path.replaceAll("/", "_")))].sort();
}

/** @returns false: it was this process's already */
function acquireFile(file: string, device: string, directory: string): boolean {
  const deadline = after(monotonicNow(), PATIENCE_MS);
  for (;;) {
    if (create(file, directory)) return true;
    const holder = holderOf(file, device);
    if (holder.kind === "ours") return false;
    if (holder.kind === "held")
      throw busy(device, file, `${programOf(holder.pid)} (PID ${holder.pid})`, holder.pid);
    if (holder.kind === "unwritten") throw busy(device, file, "a program that is just starting");
    if (monotonicNow() > deadline) {
      throw failed(directory, `${file} is stale, but something keeps its directory locked: remove the file`);
    }
    if (holder.kind === "stale") removeStale(file, device, directory);
  }
}

/** @returns false: the file exists */
function create(file: string, directory: string): boolean {
  const draft = join(directory, `LTMP.${process.pid}.${randomBytes(4).toString("hex")}`);
  try {
    writeFileSync(draft, `${String(process.pid).padStart(PID_WIDTH)}\n`, { flag: "wx", mode: 0o644 });
    chmodSync(draft, 0o644); // whatever the umask
    linkSync(draft, file);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw failed(directory, adviceFor(directory, cause as NodeJS.ErrnoException), cause);
  } finally {
    try {
      rmSync(draft, { force: true });
    } catch {
      // It was never made, and that error is under way already.
    }
  }
}

/** Takes away a lock file if it is stale still, or does nothing while another daemon is at it. */
function removeStale(file: string, device: string, directory: string): void {
  let guard = -1;
  try {
    guard = openSync(directory, "r");
    if (flock(guard, LOCK_EX | LOCK_NB) === -EAGAIN) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      return;
    }
    if (holderOf(file, device).kind !== "stale") return;
    const aside = join(directory, `LTMP.${process.pid}.stale`);
    renameSync(file, aside);
    // A program without our guard may have replaced it between the look and the renaming: then that one is put back.
    try {
      if (holderOf(aside, device).kind !== "stale") linkSync(aside, file);
    } finally {
      rmSync(aside, { force: true });
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EEXIST") return; // somebody else was faster: look again
    throw failed(
      directory,
      `${file} is stale, but may not be removed by this user: remove it as root`,
      cause,
    );
  } finally {
    if (guard >= 0) closeSync(guard); // ends the flock
  }
}

function holderOf(file: string, device: string): Holder {
  const read = readPid(file);
  if (read === null) return { kind: "free" };
  const { pid, ageMs } = read;
  if (pid === null) return { kind: ageMs < UNWRITTEN_MS ? "unwritten" : "stale" };
  if (pid === process.pid) return { kind: "ours" };
  if (!isRunning(pid) || isAnother(pid, ageMs, device)) return { kind: "stale" };
  return { kind: "held", pid };
}

/**
 * Whether the number now belongs to another process than the one that made the lock, as happens in containers, where
 * numbers are small: one that started later. Since the wall clock may have been set in between, it must also be seen
 * not to have the device open.
 */
function isAnother(pid: number, lockAgeMs: number, device: string): boolean {
  const age = ageOf(pid);
  if (age === null || age > lockAgeMs - START_SLACK_MS) return false;
  try {
    const real = realpathSync(device);
    return readdirSync(`/proc/${pid}/fd`).every((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) !== real);
  } catch {
    return false; // not to be seen: believe the lock
  }
}

/** Ten characters as here, any other decimal text, or the four octets of an int as older programs wrote it. */
function readPid(file: string): { pid: number | null; ageMs: number } | null {
  try {
    const octets = readFileSync(file);
    const ageMs = Date.now() - statSync(file).mtimeMs;
    // A PID has at most 22 bits, so one of the four octets is 0, which no text contains.
    const binary = octets.length === 4 && octets.includes(0);
    const pid = binary
      ? (new Int32Array(Uint8Array.from(octets).buffer)[0] as number)
      : Number(/^\s*(\d+)/.exec(octets.toString("latin1"))?.[1] ?? 0);
    return { pid: pid > 0 ? pid : null, ageMs };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new EqlError("LOCK_FAILED", `cannot read the lock file ${file}: ${(cause as Error).message}`, {
      details: { path: file },
      cause,
    });
  }
}

function busy(device: string, file: string, who: string, pid?: number): EqlError {
  return new EqlError(
    "DEVICE_BUSY",
    `${device} is in use by ${who}, says ${file}: stop it or choose another device`,
    {
      details: { path: device, file, ...(pid !== undefined && { pid, program: programOf(pid) }) },
    },
  );
}

function adviceFor(directory: string, cause: NodeJS.ErrnoException): string {
  if (cause.code === "ENOENT" || cause.code === "ENOTDIR") {
    return `the lock directory ${directory} does not exist: make it, or configure another one`;
  }
  if (cause.code === "EACCES" || cause.code === "EPERM" || cause.code === "EROFS") {
    return `the lock directory ${directory} may not be written by this user: join its group, run as root, or configure another one`;
  }
  return `no lock file can be made in ${directory}: ${cause.message}`;
}

function failed(directory: string, message: string, cause?: unknown): EqlError {
  return new EqlError("LOCK_FAILED", message, { details: { path: directory }, cause });
}
