import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { EqlError } from "../errors.ts";
import { EAGAIN, flock, groupId, LOCK_EX, LOCK_NB } from "../host/libc.ts";

/** sun_path is 108 octets, the last one a NUL (unix(7)). */
const LONGEST_PATH = 107;

export interface SocketPlace {
  readonly path: string;
  /** Permission bits of the socket; who may write to it may command the daemon. */
  readonly mode: number;
  /** Group of the socket, by name or number; null: the daemon's own. */
  readonly group: string | null;
}

/** The exclusive right to a socket path. The kernel frees it when the process ends, however it ends. */
export interface SocketLock {
  /** Removes the lock file, then frees the lock. */
  release(): void;
}

/** @throws EqlError CONTROL_SOCKET_FAILED */
function attempt<T>(doing: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { message } = error as Error;
    throw new EqlError(
      "CONTROL_SOCKET_FAILED",
      `${doing}: ${message}; run as root, or name another socket with --socket PATH`,
      { details: { path }, cause: error },
    );
  }
}

/** Makes the socket's directory, readable for all and writable for its owner only, whatever the umask. */
function makeDirectory(path: string): void {
  attempt("cannot make the directory of the control socket", path, () => {
    const made = mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    if (made !== undefined) chmodSync(dirname(path), 0o755);
  });
}

/** Whether an open file is still the one that its path names. */
function isNamedBy(fd: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  const opened = fstatSync(fd);
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}

/**
 * Takes the lock `PATH.lock`, and with it the path.
 * @throws EqlError DAEMON_RUNNING, CONTROL_SOCKET_FAILED
 */
export function lockSocket(path: string): SocketLock {
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new EqlError(
      "CONTROL_SOCKET_FAILED",
      `the control socket's path has ${Buffer.byteLength(path)} octets: a unix socket allows ${LONGEST_PATH}; choose a shorter one`,
      { details: { path } },
    );
  }
  makeDirectory(path);
  const file = `${path}.lock`;
  for (;;) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = attempt("cannot open the lock of the control socket", path, () =>
      openSync(file, flags, 0o600),
    );
    const result = flock(fd, LOCK_EX | LOCK_NB);
    if (result === -EAGAIN) {
      const owner = readFileSync(fd, "utf8").trim();
      closeSync(fd);
      throw new EqlError(
        "DAEMON_RUNNING",
        `an EQL daemon${owner === "" ? "" : ` (process ${owner})`} runs at ${path} already: ` +
          "stop it with `eql down`, or give this one another socket with --socket PATH",
        { details: { path } },
      );
    }
    // A daemon that just ended may have removed the file between our open and our lock: then the lock is worth nothing.
    if (result === 0 && isNamedBy(fd, file)) {
      ftruncateSync(fd);
      writeSync(fd, `${process.pid}\n`);
      return {
        release(): void {
          rmSync(file, { force: true });
          closeSync(fd);
        },
      };
    }
    closeSync(fd);
    if (result < 0) {
      attempt("cannot lock the control socket", path, () => {
        throw new Error(`flock of ${file} failed with errno ${-result}`);
      });
    }
  }
}

function resolveGroup(group: string, path: string): number {
  const gid = /^\d+$/.test(group) ? Number(group) : groupId(group);
  if (gid !== null) return gid;
  throw new EqlError(
    "CONTROL_SOCKET_FAILED",
    `there is no group "${group}" for the control socket: create it with groupadd, or name one from \`getent group\``,
    { details: { path, group } },
  );
}

/** Removes what a killed daemon left; only a socket, never a file that somebody put there. */
function removeStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new EqlError(
      "CONTROL_SOCKET_FAILED",
      `${path} is there already and is no socket: remove it, or name another socket with --socket PATH`,
      { details: { path } },
    );
  }
  attempt("cannot remove the old control socket", path, () => unlinkSync(path));
}

/**
 * Listens at a path whose lock the caller holds. Between bind and the final mode only the owner can connect.
 * @throws EqlError CONTROL_SOCKET_FAILED
 */
export async function listenAt(server: Server, { path, mode, group }: SocketPlace): Promise<void> {
  const gid = group === null ? null : resolveGroup(group, path);
  removeStale(path);
  const listening = new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  // Node binds a path within this very call, so nothing else of this thread sees the narrow umask.
  const umask = process.umask(0o177);
  try {
    server.listen({ path });
  } finally {
    process.umask(umask);
  }
  try {
    await listening;
  } catch (error) {
    attempt("cannot listen at the control socket", path, () => {
      throw error;
    });
  }
  attempt("cannot give the control socket its owner and mode", path, () => {
    if (gid !== null) chownSync(path, -1, gid);
    chmodSync(path, mode);
  });
}
