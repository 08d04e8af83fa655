import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlServer, startControlServer } from "../../src/daemon/control-server.ts";
import { FakeDaemon, FakeLog } from "../daemon/fake-daemon.ts";

/** The checkout, seen from dist/tests/cli. */
export const ROOT: string = join(import.meta.dirname, "..", "..", "..");

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of bin/ that runs, with what it has said so far. */
export class Running {
  readonly child: ChildProcess;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #closed: Promise<unknown>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.#closed = once(child, "close");
    child.stdout?.on("data", (octets: Buffer) => this.#stdout.push(octets));
    child.stderr?.on("data", (octets: Buffer) => this.#stderr.push(octets));
  }

  /** Standard output so far. */
  get octets(): Buffer {
    return Buffer.concat(this.#stdout);
  }

  /** Standard error so far. */
  get complaints(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** Waits until standard output is so. */
  async until(isThere: (octets: Buffer) => boolean): Promise<void> {
    const signal = AbortSignal.timeout(60_000);
    while (!isThere(this.octets)) await once(this.child.stdout as NodeJS.ReadableStream, "data", { signal });
  }

  untilOutput(pattern: RegExp): Promise<void> {
    return this.until((octets) => pattern.test(octets.toString()));
  }

  async outcome(): Promise<Outcome> {
    await this.#closed;
    return { code: this.child.exitCode, stdout: this.octets.toString(), stderr: this.complaints };
  }
}

/** A fake daemon behind a real socket, and the programs that are run against it. */
export class Bench {
  readonly directory: string = mkdtempSync(join(tmpdir(), "eql-cli-"));
  readonly socket: string = join(this.directory, "eql.sock");
  readonly daemon: FakeDaemon = new FakeDaemon();
  readonly #children: ChildProcess[] = [];
  #server: ControlServer | undefined;

  async serve(): Promise<void> {
    const options = { path: this.socket, mode: 0o600, group: null, log: new FakeLog() };
    this.#server = await startControlServer(this.daemon, options);
  }

  async stopServing(): Promise<void> {
    await this.#server?.close();
  }

  /** @param stdout where standard output goes; by default it is collected */
  start(program: string, args: readonly string[], stdout: "pipe" | number = "pipe"): Running {
    const env = { ...process.env, EQL_SOCKET: this.socket };
    const child = spawn(process.execPath, [join(ROOT, "bin", program), ...args], {
      env,
      cwd: this.directory,
      stdio: ["ignore", stdout, "pipe"],
    });
    this.#children.push(child);
    return new Running(child);
  }

  run(program: string, ...args: readonly string[]): Promise<Outcome> {
    return this.start(program, args).outcome();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) if (child.exitCode === null) child.kill("SIGKILL");
    await this.#server?.close();
    rmSync(this.directory, { recursive: true, maxRetries: 5 });
  }
}
