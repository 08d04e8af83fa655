import { lstatSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { EqlError } from "../errors.ts";
import {
  check,
  close,
  grantpt,
  ioctl,
  nativeBuffer,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  open,
  posixOpenpt,
  ptsname,
  unlockpt,
} from "./libc.ts";
import { Termios } from "./termios.ts";

const FIONBIO = 0x5421;

/**
 * A pair of pseudo-terminals: what is written to `master` can be read from the device at `path`, and the other way
 * round. Raw from the start, so that nothing is echoed or translated before somebody opens the device; the slave is
 * held open here, so that nobody's closing of it hangs it up. Both descriptors do not block.
 */
export class Pty {
  readonly master: number;
  readonly slave: number;
  /** The device, `/dev/pts/N`. */
  readonly path: string;
  #link: string | null = null;
  #masterIsOurs = true;
  #slaveIsOurs = true;

  private constructor(master: number, slave: number, path: string) {
    this.master = master;
    this.slave = slave;
    this.path = path;
  }

  /** @throws EqlError SYSTEM_CALL_FAILED: no devpts, or no pty left (sysctl kernel.pty.max) */
  static open(): Pty {
    const flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    const master = check(posixOpenpt(flags), "opening a pty (is /dev/pts mounted?)");
    let slave = -1;
    try {
      check(grantpt(master), "grantpt");
      check(unlockpt(master), "unlockpt");
      const name = nativeBuffer(128);
      check(ptsname(master, name.address, name.octets.length), "ptsname_r");
      const path = new TextDecoder().decode(name.octets.subarray(0, name.octets.indexOf(0)));
      slave = check(open(path, flags), `opening ${path}`);
      const settings = Termios.get(slave, path);
      settings.makeRaw();
      check(settings.set(slave), `setting ${path} raw`);
      return new Pty(master, slave, path);
    } catch (error) {
      if (slave >= 0) close(slave);
      close(master);
      throw error;
    }
  }

  /**
   * Makes the device known by a name that stays: a symbolic link, removed by `close`. A link that an earlier run left
   * behind is replaced.
   * @throws EqlError NAME_TAKEN: something other than a link stands there; SYSTEM_CALL_FAILED
   */
  linkAt(link: string): void {
    const there = lstatSync(link, { throwIfNoEntry: false });
    if (there !== undefined && !there.isSymbolicLink()) {
      throw new EqlError(
        "NAME_TAKEN",
        `${link} exists and is not a symbolic link: choose another name or remove it`,
        {
          details: { path: link },
        },
      );
    }
    try {
      if (there !== undefined) rmSync(link, { force: true });
      symlinkSync(this.path, link);
    } catch (cause) {
      throw new EqlError("SYSTEM_CALL_FAILED", `cannot make the link ${link}: ${(cause as Error).message}`, {
        details: { path: link },
        cause,
      });
    }
    this.#link = link;
  }

  /**
   * Leaves the master to a child that `start` starts with it: it blocks, as programs expect of their standard input and
   * output, and when the child ends, the line is hung up.
   */
  handOver(start: (master: number) => void): void {
    const off = nativeBuffer(4);
    check(ioctl(this.master, FIONBIO, off.address), `making ${this.path} block`);
    start(this.master);
    this.#masterIsOurs = false;
    close(this.master);
  }

  /** Holds the device open no longer: the master then reads -EIO (EPOLLHUP) while nobody else has it open. */
  releaseSlave(): void {
    if (this.#slaveIsOurs) close(this.slave);
    this.#slaveIsOurs = false;
  }

  /** Hangs up: whoever has the device open sees the end. Removes the link if it still leads here. */
  close(): void {
    if (this.#link !== null && linksTo(this.#link, this.path)) rmSync(this.#link, { force: true });
    this.#link = null;
    this.releaseSlave();
    if (this.#masterIsOurs) close(this.master);
  }
}

function linksTo(link: string, target: string): boolean {
  try {
    return readlinkSync(link) === target;
  } catch {
    return false; // gone, or no longer a link
  }
}
