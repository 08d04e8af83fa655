import { openTty, type Tty, type TtyOptions } from "./tty.ts";
import { acquireLock, type UucpLock } from "./uucp-lock.ts";

/** A serial device that is ours: locked by the convention of UUCP, and open. It may pass from one user of this process to another. */
export class HeldTty {
  readonly tty: Tty;
  readonly #lock: UucpLock | null;

  private constructor(tty: Tty, lock: UucpLock | null) {
    this.tty = tty;
    this.#lock = lock;
  }

  /**
   * @param lockDirectory where its lock file goes; null: none
   * @throws EqlError as acquireLock and openTty
   */
  static open(path: string, options: TtyOptions, lockDirectory: string | null): HeldTty {
    const lock = lockDirectory === null ? null : acquireLock(path, lockDirectory);
    try {
      return new HeldTty(openTty(path, options), lock);
    } catch (error) {
      lock?.undo();
      throw error;
    }
  }

  /**
   * Gives the device back.
   * @throws EqlError LOCK_FAILED: all is given back but the lock file
   */
  close(): void {
    this.tty.close();
    this.#lock?.release();
  }
}
