import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pty } from "../../src/host/pty.ts";
import { FakePppDaemon } from "./fake-ppp-daemon.ts";
import { Running } from "./run.ts";

const MAIN = join(import.meta.dirname, "pppd-main.js");

/** A port whose far end the test holds, a daemon that the test plays, and pppds with files of their own. */
export class PppdBench {
  readonly directory: string = mkdtempSync(join(tmpdir(), "eql-pppd-"));
  readonly socket: string = join(this.directory, "eql.sock");
  readonly daemon: FakePppDaemon = new FakePppDaemon();
  readonly pty: Pty = Pty.open();
  readonly #children: ChildProcess[] = [];
  readonly #background = new Set<number>();

  static async open(): Promise<PppdBench> {
    const bench = new PppdBench();
    await bench.daemon.listen(bench.socket);
    return bench;
  }

  /** @param stdin what standard input is; by default nothing */
  start(args: readonly string[], stdin: "ignore" | "pipe" | number = "ignore"): Running {
    const env = { ...process.env, EQL_TEST_PLACE: this.directory, EQL_SOCKET: this.socket };
    const stdio = [stdin, "pipe", "pipe"] as const;
    const child = spawn(process.execPath, [MAIN, ...args], { env, cwd: this.directory, stdio: [...stdio] });
    this.#children.push(child);
    return new Running(child);
  }

  /** In the foreground, on the port of the bench. */
  onPort(...args: readonly string[]): Running {
    return this.start([this.pty.path, "57600", "nodetach", ...args]);
  }

  /** A pppd in the background, to be ended with the bench if it is there still. */
  mind(pid: number): void {
    this.#background.add(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) if (child.exitCode === null) child.kill("SIGKILL");
    for (const pid of this.#background) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    await this.daemon.close();
    this.pty.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
