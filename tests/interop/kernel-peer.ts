import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/**
 * A real Linux kernel as the other end of our lines: a User-Mode Linux guest (Debian's) with the `slip` and `eql`
 * drivers of 1995, ready in about three seconds, without any privilege. `pppd-peer.ts` has pppd in it.
 *
 *   1. `boot.sh` runs the guest until its standard input, which we hold, is closed: also when this process is killed.
 *   2. `init` is the guest's first process: it runs what `exec` gives it.
 *   3. `cable` puts a guest's line behind a pseudo-terminal, as slow as a line of that speed is.
 *
 * All of one guest's files are in a directory of its own, removed with it. It is under /var/tmp, since the guest has
 * a /tmp and a /run of its own.
 */

const SOURCES = fileURLToPath(new URL("../../../tests/interop/kernel-peer/", import.meta.url));
const HELPERS = ["cable", "eqlctl", "hangup", "tcpx", "udpx"];
const TOOLS = ["linux.uml", "gcc", "setsid", "slattach", "ifconfig", "ip", "modprobe", "busybox", "pppd"];
const BOOT_LIMIT_MS = 60_000;

const run = promisify(execFile);

const isInstalled = (tool: string): boolean =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why tests with a kernel peer cannot run here; false when they can, or must (EQL_REQUIRE_ALL=1). */
export function kernelPeerMissing(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  const missing = TOOLS.filter((tool) => !isInstalled(tool));
  return missing.length === 0
    ? false
    : `needs ${missing.join(", ")} (Debian: user-mode-linux gcc libc6-dev net-tools iproute2 kmod busybox-static ppp)`;
}

/** Resolves when a process has ended or could not be started, and swallows that it may end before it reads its input. */
const ended = (process: ChildProcess): Promise<void> => {
  process.stdin?.on("error", () => undefined);
  return new Promise((resolve) => process.once("close", () => resolve()));
};

interface Waiter {
  readonly line?: (text: string) => void;
  readonly done: (code: number) => void;
  readonly failed: (error: Error) => void;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A command that runs in the guest. */
export interface GuestProcess {
  /** Its exit status, when it has ended. */
  readonly ended: Promise<number>;
  /** Sends it a signal such as "TERM"; does nothing when it has ended. */
  signal(name: string): Promise<void>;
}

/** A SLIP interface of the guest. */
export interface SlipInterface {
  readonly local: string;
  readonly remote: string;
  readonly mtu: number;
  /** `cslip` compresses TCP headers (RFC 1144); `slip` by default. */
  readonly protocol?: "slip" | "cslip";
}

const attachScript = (line: number, { local, remote, mtu, protocol = "slip" }: SlipInterface): string => `
  slattach -L -p ${protocol} -s 38400 /dev/ttyS${line} </dev/null >/dev/null 2>&1 &
  for try in {1..200}; do [ -e /sys/class/net/sl${line} ] && break; sleep 0.05; done
  ifconfig sl${line} ${local} pointopoint ${remote} mtu ${mtu} up`;

/** A running guest. Whoever starts it closes it, whatever happens; the guest is killed with this process at the latest. */
export class KernelPeer {
  /** The instance's directory, which the guest sees as /mnt: the way to hand over files. */
  readonly directory: string;
  readonly #lines: number;
  readonly #boot: ChildProcess;
  readonly #control: Duplex;
  /** One for the guest and each cable: resolves when it has ended. */
  readonly #ended: Promise<void>[] = [];
  readonly #waiting = new Map<string, Waiter>();
  readonly #cables = new Map<number, ChildProcess>();
  #console = "";
  #execs = 0;
  #gone: Error | undefined;

  private constructor(directory: string, lines: number, memory: string) {
    this.directory = directory;
    this.#lines = lines;
    this.#boot = spawn(join(directory, "boot.sh"), [directory, String(lines), memory], {
      stdio: ["pipe", "pipe", "ignore", "pipe"],
      detached: true, // an interrupt at the terminal must reach us first
    });
    this.#control = this.#boot.stdio[3] as Duplex;
    this.#ended.push(ended(this.#boot));
    this.#boot.once("error", (error) => this.#fail(error));
    this.#control.on("error", () => undefined);
    this.#boot.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#console = (this.#console + text).slice(-4000);
    });
    this.#boot.stdout?.once("end", () =>
      this.#fail(new Error(`the kernel peer has ended. Its console: ${this.#console}`)),
    );
    createInterface(this.#control).on("line", (line) => {
      const [, id = "", what, rest = ""] = /^(\w+)([> ]?)(.*)$/.exec(line.trimEnd()) ?? [];
      const waiter = this.#waiting.get(id);
      if (what === ">") waiter?.line?.(rest);
      else waiter?.done(Number(rest));
    });
  }

  /** Boots a guest with serial lines 0 to `lines` − 1, whose other ends nobody holds yet. */
  static async start(options: { lines: number; memory?: string }): Promise<KernelPeer> {
    const directory = await mkdtemp("/var/tmp/eql-kernel-peer-");
    let peer: KernelPeer | undefined;
    try {
      for (const file of ["boot.sh", "init"]) await copyFile(join(SOURCES, file), join(directory, file));
      await mkdir(join(directory, "bin"));
      peer = new KernelPeer(directory, options.lines, options.memory ?? "64M");
      const ready = peer.#answer("ready", BOOT_LIMIT_MS, "the kernel peer to boot");
      // Meanwhile on the other core. A failure of either is handled by the other's being abandoned.
      const built = HELPERS.map((name) =>
        run("gcc", ["-O1", "-o", join(directory, "bin", name), join(SOURCES, `${name}.c`)]),
      );
      await Promise.all([ready, ...built]);
      return peer;
    } catch (error) {
      await peer?.close();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * Runs a shell command in the guest, as root, and waits until it ends; what it leaves in the background stays.
   * Its PATH has `eqlctl`, `hangup`, `tcpx` and `udpx`.
   */
  async exec(shell: string, timeoutMs = 60_000): Promise<ExecResult> {
    const id = String(++this.#execs);
    const file = (suffix: string): string => join(this.directory, `${id}.${suffix}`);
    await writeFile(file("sh"), shell);
    const answer = this.#answer(id, timeoutMs, `the kernel peer to run: ${shell}`);
    this.#control.write(`${id}\n`);
    const code = await answer;
    return { stdout: await readFile(file("out"), "utf8"), stderr: await readFile(file("err"), "utf8"), code };
  }

  /** As {@link exec}, for a command that must succeed. Gives its standard output. */
  async must(shell: string, timeoutMs?: number): Promise<string> {
    const { stdout, stderr, code } = await this.exec(shell, timeoutMs);
    assert.equal(code, 0, `in the kernel peer: ${shell}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Starts a program in the guest, as root, and hands on each line that it says (out or err) as it comes. */
  async spawn(program: string, onLine: (text: string) => void): Promise<GuestProcess> {
    const id = String(++this.#execs);
    const shell = `
      { echo $BASHPID >/run/${id}.pid; exec setsid ${program}; } 2>&1 | sed -u 's/^/${id}>/' >/dev/ttyS63
      exit \${PIPESTATUS[0]}`;
    await writeFile(join(this.directory, `${id}.sh`), shell);
    const ended = this.#answer(id, 0, `the kernel peer to run: ${program}`, onLine);
    ended.catch(() => undefined); // a guest that has gone says so to whoever asks
    this.#control.write(`${id}\n`);
    const signal = async (name: string): Promise<void> => {
      await this.exec(
        `until [ -s /run/${id}.pid ]; do sleep 0.02; done; kill -${name} $(cat /run/${id}.pid)`,
      );
    };
    return { ended, signal };
  }

  /**
   * Puts a line of the guest behind a raw pseudo-terminal.
   * @param bps speed of the cable each way, 8N1; 0: as fast as it goes
   * @returns path of the pseudo-terminal, for our side to open
   */
  async expose(line: number, bps: number): Promise<string> {
    const cable = this.#cable(line, bps, "pty");
    const path = await new Promise<string>((resolve, reject) => {
      let problem = "";
      cable.stderr?.setEncoding("utf8").on("data", (text: string) => {
        problem += text;
      });
      createInterface(cable.stdout as NodeJS.ReadableStream).once("line", resolve);
      cable.once("close", () => reject(new Error(`the cable of line ${line} did not come up: ${problem}`)));
    });
    return path;
  }

  /**
   * Puts a line of the guest behind a modem, with DTR always on; when the carrier is lost, the guest's line is hung up.
   * @param path the modem's device, opened anew after each hang-up
   * @param bps speed of the cable, as in {@link expose}; no faster than the carrier, or the device becomes a long queue
   * @param onReady called when a call can be made: at first, and after each hang-up, once the guest knows
   */
  connect(line: number, path: string, bps: number, onReady: () => void): void {
    const cable = this.#cable(line, bps, `modem:${path}`);
    createInterface(cable.stdout as NodeJS.ReadableStream).on("line", (text) => {
      if (text === "ready") return onReady();
      const hungUp = this.must(`hangup /dev/ttyS${line}`).then(() => this.plug(line, "in"));
      hungUp.catch(() => undefined); // a guest that has gone says so to whoever asks
    });
  }

  /** Throws away what the guest sends on a line, as fast as it comes. */
  drain(line: number): void {
    this.#cable(line, 0, "null");
  }

  /** Joins a line to another guest's by a cable, which is this guest's. @param bps as in {@link expose} */
  join(line: number, other: KernelPeer, otherLine: number, bps: number): void {
    assert.ok(!other.#cables.has(otherLine), `line ${otherLine} is in use`);
    this.#cable(line, bps, other.#line(otherLine));
  }

  /** Pulls an exposed or joined line's cable (octets are lost both ways), or plugs it in again. */
  plug(line: number, state: "in" | "out"): void {
    const cable = this.#cables.get(line);
    assert.ok(cable?.stdin, `line ${line} has no cable`);
    cable.stdin.write(`${state}\n`);
  }

  /** Makes `sl<line>` of a line, up and addressed, on its own. Lines are attached in ascending order. */
  async attach(line: number, settings: SlipInterface): Promise<void> {
    await this.must(attachScript(line, settings));
  }

  /**
   * Bonds lines 0, 1, … by the original driver: `eql` with `sl0`, `sl1`, … enslaved in this order.
   * @param bps one priority a line, in bits per second
   */
  async slip(local: string, remote: string, bps: readonly number[], mtu: number): Promise<void> {
    assert.ok(bps.length <= this.#lines);
    const slaves = bps.map(
      // The same peer on both interfaces: the kernel would choose sl0 and pass the master by.
      (priority, line) => `${attachScript(line, { local, remote, mtu })}
        ip route del ${remote} dev sl${line}
        eqlctl enslave eql sl${line} ${priority}`,
    );
    await this.must(
      [
        "set -e",
        `ip link set eql up mtu ${mtu}`,
        `ip addr add ${local} peer ${remote} dev eql`,
        ...slaves,
      ].join("\n"),
    );
  }

  /** Ends the guest and its cables and removes all that was theirs. Calling it again does nothing more. */
  async close(): Promise<void> {
    for (const process of [...this.#cables.values(), this.#boot]) process.stdin?.end();
    await Promise.all(this.#ended);
  }

  #line(line: number): string {
    assert.ok(line < this.#lines, `line ${line} is missing`);
    return join(this.directory, `l${line}`);
  }

  /** @param end `pty`, `null`, or another line's path */
  #cable(line: number, bps: number, end: string): ChildProcess {
    assert.ok(!this.#cables.has(line), `line ${line} is in use`);
    const cable = spawn(join(this.directory, "bin/cable"), [String(bps), this.#line(line), end], {
      stdio: "pipe",
      detached: true,
    });
    this.#ended.push(ended(cable));
    this.#cables.set(line, cable);
    return cable;
  }

  /** @param timeoutMs 0: as long as it takes */
  async #answer(id: string, timeoutMs: number, what: string, line?: (text: string) => void): Promise<number> {
    if (this.#gone !== undefined) throw this.#gone;
    return await new Promise<number>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
      };
      const failed = (error: Error): void => {
        settle();
        reject(error);
      };
      const late = (): void =>
        failed(new Error(`waited ${timeoutMs} ms for ${what}. Its console: ${this.#console}`));
      const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
      const done = (code: number): void => {
        settle();
        resolve(code);
      };
      this.#waiting.set(id, { ...(line && { line }), done, failed });
    });
  }

  #fail(error: Error): void {
    this.#gone ??= error;
    for (const { failed } of this.#waiting.values()) failed(error);
  }
}
