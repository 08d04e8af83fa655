import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { it } from "node:test";
import { bind, check, close, EAGAIN, nativeBuffer, recv, socket } from "../../src/host/libc.ts";
import { eventually } from "../daemon/world.ts";
import { PppdBench } from "./pppd-bench.ts";
import { Running } from "./run.ts";

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK = 2 | 0o4000;
/** A /dev of its own: the ptys as they are, and the log at the socket that is given. */
const OWN_DEVICES = `
set -e
mkdir "$1"
mount --rbind /dev "$1"
mount -t tmpfs none /dev
touch /dev/null
mount --bind "$1/null" /dev/null
mkdir /dev/pts
mount --rbind "$1/pts" /dev/pts
ln -s "$2" /dev/log
shift 2
exec "$@"
`;

function missing(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  const { status } = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
  return status === 0 ? false : "needs the right to make mount namespaces (root)";
}

/** Stands for syslogd. */
class LogSocket implements Disposable {
  readonly #fd = check(socket(AF_UNIX, SOCK_DGRAM_NONBLOCK, 0), "making a socket");
  readonly #memory = nativeBuffer(2048);

  constructor(path: string) {
    const address = nativeBuffer(110);
    address.octets[0] = AF_UNIX;
    address.octets.set(new TextEncoder().encode(path), 2);
    check(bind(this.#fd, address.address, 110), `listening at ${path}`);
  }

  /** The next message without its time; null: there is none. */
  next(): string | null {
    const count = recv(this.#fd, this.#memory.address, 2048, 0);
    if (count === -EAGAIN) return null;
    const text = Buffer.from(this.#memory.octets.subarray(0, check(count, "reading the log"))).toString();
    return text.replace(/^(<\d+>).{16}/, "$1");
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

it("eql pppd writes to the system's log as pppd does", { skip: missing() }, async () => {
  await using bench = await PppdBench.open();
  const { directory, pty } = bench;
  using log = new LogSocket(join(directory, "log"));
  const program = [process.execPath, join(import.meta.dirname, "pppd-main.js")];
  const options = ["nodetach", "nolog", "debug", "connect", "exit 4", "init", "true"];
  const command = [...program, pty.path, "57600", ...options];
  const places = [join(directory, "dev"), join(directory, "log")];
  const child = spawn("unshare", ["--mount", "sh", "-c", OWN_DEVICES, "sh", ...places, ...command], {
    env: { ...process.env, EQL_TEST_PLACE: directory, EQL_SOCKET: bench.socket },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const running = new Running(child);
  const pid = child.pid as number; // unshare and the shell become it
  const said: string[] = [];
  await eventually(
    "it has said all",
    () => {
      for (let text = log.next(); text !== null; text = log.next()) said.push(text);
      return said.at(-1)?.endsWith("Exit.");
    },
    30_000,
  );
  assert.deepEqual(said, [`<27>pppd[${pid}]: Connect script failed`, `<30>pppd[${pid}]: Exit.`]);
  const { code, stdout, stderr } = await running.outcome();
  assert.deepEqual([code, stdout, stderr], [8, "", ""]);
});
