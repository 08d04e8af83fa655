import { type ChildProcess, spawn } from "node:child_process";
import { Pty } from "../host/pty.ts";
import type { PppdInterrupts } from "./pppd-interrupts.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

/** Starts a command as pppd does: by the shell, with the line as standard input and output, in a process group of its own. */
const shell = (command: string, fd: number): ChildProcess =>
  spawn("/bin/sh", ["-c", command], { stdio: [fd, fd, STDERR], detached: true });

function forward(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has just ended.
  }
}

/**
 * Runs `connect` and its kin on a port to their end; our environment and standard error are theirs.
 * @returns whether it exited with 0
 */
export async function runScript(command: string, fd: number, interrupts: PppdInterrupts): Promise<boolean> {
  const child = shell(command, fd);
  interrupts.onSignal = (signal) => forward(child, signal);
  try {
    return await new Promise((resolve) => {
      child.once("error", () => resolve(false));
      child.once("exit", (code) => resolve(code === 0));
    });
  } finally {
    interrupts.onSignal = () => {};
  }
}

/** A line that is no port: a pty, with programs at its other end. When they end, the line is hung up. */
export class PtyLine {
  readonly #pty = Pty.open();
  #programs: readonly ChildProcess[] = [];

  private constructor(start: (master: number) => readonly ChildProcess[]) {
    this.#pty.handOver((master) => {
      this.#programs = start(master);
      for (const program of this.#programs) program.on("error", () => {}); // it has no PID then
    });
  }

  /** `pty COMMAND`: the command has the other end as its standard input and output. */
  static ofCommand(command: string): PtyLine {
    return new PtyLine((master) => [shell(command, master)]);
  }

  /** `notty`: our standard input and output are the other end. The copying is that of cat(1). */
  static ofStandardStreams(): PtyLine {
    return new PtyLine((master) => {
      const copy = (from: number, to: number): ChildProcess =>
        spawn("cat", [], { stdio: [from, to, STDERR], detached: true });
      const [inward, outward] = [copy(STDIN, master), copy(master, STDOUT)];
      inward.once("exit", () => forward(outward, "SIGTERM"));
      outward.once("exit", () => forward(inward, "SIGTERM"));
      return [inward, outward];
    });
  }

  get path(): string {
    return this.#pty.path;
  }

  /** False: there is nobody at the other end. */
  get started(): boolean {
    return this.#programs.every(({ pid }) => pid !== undefined);
  }

  close(): void {
    for (const program of this.#programs) {
      if (program.exitCode === null && program.signalCode === null) forward(program, "SIGTERM");
    }
    this.#pty.close();
  }
}
