import { LineProgram } from "../host/line-program.ts";
import { Pty } from "../host/pty.ts";
import type { PppdInterrupts } from "./pppd-interrupts.ts";

const STDIN = 0;
const STDOUT = 1;

/**
 * Runs `connect` and its kin on a port to their end; our environment and standard error are theirs.
 * @returns whether it exited with 0
 * @throws EqlError SYSTEM_CALL_FAILED: the port was hung up
 */
export async function runScript(command: string, fd: number, interrupts: PppdInterrupts): Promise<boolean> {
  const program = LineProgram.onTty(fd, { command, onText: null });
  interrupts.onSignal = (signal) => program.kill(signal);
  try {
    return (await program.ended).code === 0;
  } finally {
    interrupts.onSignal = () => {};
  }
}

/** A line that is no port: a pty, with programs at its other end. When they end, the line is hung up. */
export class PtyLine {
  readonly #pty = Pty.open();
  #programs: readonly LineProgram[] = [];

  private constructor(start: (master: number) => readonly LineProgram[]) {
    this.#pty.handOver((master) => {
      this.#programs = start(master);
    });
  }

  /** `pty COMMAND`: the command has the other end as its standard input and output. */
  static ofCommand(command: string): PtyLine {
    return new PtyLine((master) => [LineProgram.on(master, master, { command, onText: null })]);
  }

  /** `notty`: our standard input and output are the other end. The copying is that of cat(1). */
  static ofStandardStreams(): PtyLine {
    return new PtyLine((master) => {
      const copy = (from: number, to: number): LineProgram =>
        LineProgram.on(from, to, { command: ["cat"], onText: null });
      const [inward, outward] = [copy(STDIN, master), copy(master, STDOUT)];
      void inward.ended.then(() => outward.kill("SIGTERM"));
      void outward.ended.then(() => inward.kill("SIGTERM"));
      return [inward, outward];
    });
  }

  get path(): string {
    return this.#pty.path;
  }

  /** False: there is nobody at the other end. */
  get started(): boolean {
    return this.#programs.every(({ started }) => started);
  }

  close(): void {
    for (const program of this.#programs) program.kill("SIGTERM");
    this.#pty.close();
  }
}
