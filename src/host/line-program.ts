import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import {
  check,
  close,
  EBUSY,
  ioctl,
  nativeBuffer,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  open,
} from "./libc.ts";
import { Termios } from "./termios.ts";

const STDERR = 2;
const TIOCEXCL = 0x540c;
const TIOCNXCL = 0x540d;
const FIONBIO = 0x5421;
/** How long a group of processes may take to end on SIGTERM. */
const GRACE_MS = 2_000;
const LOOK_MS = 20;
/** How long a program may take to start, and how often it is told meanwhile what it may not have heard. */
const STARTING_MS = 1_000;
const AGAIN_MS = 100;
/** How long what a program has said may come after its end: another process may hold its standard error. */
const LAST_WORDS_MS = 500;
const LONGEST_TEXT = 1_000;
/**
 * A shell leads the session, and only waits, also when signals come to all. If the program led it, a tty that it opens by its
 * path would become its controlling terminal, and the kernel would hang the line up when the program ends. It says nothing of
 * how the program ended: its standard error is the program's alone.
 */
const LEADER = 'trap : HUP INT TERM; exec 3>&2 2>/dev/null; (exec "$@" 2>&3 3>&-); exit $?';

/** How a program has ended: the code is 128 and the signal's number after a signal. Both null: it could not be started. */
export interface LineProgramEnd {
  readonly code: number | null;
  /** It had to be ended by force. */
  readonly signal: NodeJS.Signals | null;
}

export interface LineProgramSettings {
  /** A command for the shell, or a program and its arguments. */
  readonly command: string | readonly string[];
  /** By default ours. */
  readonly env?: NodeJS.ProcessEnv;
  /** Gets each line of its standard error, of at most 1000 characters; null: that is ours. */
  readonly onText: ((text: string) => void) | null;
}

export interface LineProgramRun extends LineProgramSettings {
  /** The tty; it may be one that does not block. Nobody else is to read it meanwhile. */
  readonly fd: number;
  /** Null: no limit. */
  readonly limitMs: number | null;
  /** Ends the program. */
  readonly signal: AbortSignal;
}

/**
 * Runs a program with a tty as its standard input and output to its end. When its time is up or the signal comes, all of its
 * process group is ended. The tty then has the settings of before; what the program left unread is still there.
 * @throws EqlError SYSTEM_CALL_FAILED: the tty was hung up, or cannot be opened once more
 */
export async function runLineProgram(
  run: LineProgramRun,
): Promise<LineProgramEnd & { readonly timedOut: boolean }> {
  const program = LineProgram.onTty(run.fd, run);
  let timedOut = false;
  const late = (): void => {
    timedOut = true;
    program.stop();
  };
  const stop = (): void => program.stop();
  const timer = run.limitMs === null ? undefined : setTimeout(late, run.limitMs);
  run.signal.addEventListener("abort", stop);
  if (run.signal.aborted) stop();
  const end = await program.ended;
  clearTimeout(timer);
  run.signal.removeEventListener("abort", stop);
  return { ...end, timedOut };
}

/** A program with a line as its standard input and output, in a session and process group of its own. */
export class LineProgram {
  /** Never rejects. If it was stopped, nobody of its group is left then. */
  readonly ended: Promise<LineProgramEnd>;
  readonly #child: ChildProcess;
  readonly #startedAt = performance.now();
  #stopping: Promise<void> | null = null;

  private constructor(
    input: number,
    output: number,
    { command, env, onText }: LineProgramSettings,
    finish: () => void,
  ) {
    const words = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
    this.#child = spawn("/bin/sh", ["-c", LEADER, "sh", ...words], {
      stdio: [input, output, onText === null ? STDERR : "pipe"],
      detached: true,
      env,
    });
    this.ended = this.#follow(onText).finally(finish);
  }

  /**
   * Starts one on a tty, whose settings it gives back at the end.
   * @param fd stays the caller's; it may be one that does not block
   * @throws EqlError SYSTEM_CALL_FAILED
   */
  static onTty(fd: number, settings: LineProgramSettings): LineProgram {
    const saved = Termios.get(fd, "the line");
    const line = reopen(fd);
    // The caller may have closed its own meanwhile.
    return new LineProgram(line, line, settings, () => {
      saved.set(line); // fails after a hang-up
      close(line);
    });
  }

  /** Starts one on descriptors that block; they stay the caller's. */
  static on(input: number, output: number, settings: LineProgramSettings): LineProgram {
    return new LineProgram(input, output, settings, () => {});
  }

  /** False: there is no such process. */
  get started(): boolean {
    return this.#child.pid !== undefined;
  }

  /** Sends a signal to its group, if it has not ended; to one that just starts again and again. */
  kill(signal: NodeJS.Signals): void {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    this.#signal(signal);
    // The leader's shell takes what comes before the program has its place.
    if (performance.now() - this.#startedAt < STARTING_MS) setTimeout(() => this.kill(signal), AGAIN_MS);
  }

  /** Ends its group, by force if need be. */
  stop(): void {
    this.#stopping ??= this.#endGroup();
  }

  async #follow(onText: ((text: string) => void) | null): Promise<LineProgramEnd> {
    const child = this.#child;
    // Without a descriptor left, it has not even pipes.
    const said = onText === null || child.pid === undefined ? null : collectLines(child, onText);
    const end = await new Promise<LineProgramEnd>((resolve) => {
      child.once("error", () => resolve({ code: null, signal: null }));
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    await said?.();
    await this.#stopping;
    return end;
  }

  async #endGroup(): Promise<void> {
    const end = performance.now() + GRACE_MS;
    if (!this.#signal("SIGTERM")) return;
    while (performance.now() < end) {
      await delay(LOOK_MS);
      if (!this.#signal(0)) return;
    }
    this.#signal("SIGKILL");
  }

  /** @returns false: nobody is there any longer */
  #signal(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this.#child;
    try {
      return pid !== undefined && process.kill(-pid, signal);
    } catch {
      return false;
    }
  }
}

/** @returns waits for what it has said last */
function collectLines(child: ChildProcess, onText: (text: string) => void): () => Promise<void> {
  const { stderr } = child;
  if (stderr === null) return () => Promise.resolve();
  let rest = "";
  const tell = (text: string): void => {
    if (text.trim() !== "") onText(text.slice(0, LONGEST_TEXT));
  };
  const closed = new Promise<void>((resolve) => {
    stderr.once("close", resolve);
  });
  stderr.setEncoding("utf8").on("data", (part: string) => {
    const lines = (rest + part).split(/[\r\n]+/);
    rest = (lines.pop() ?? "").slice(0, LONGEST_TEXT);
    for (const line of lines) tell(line);
  });
  return async () => {
    const waiting = new AbortController();
    await Promise.race([closed, delay(LAST_WORDS_MS, undefined, waiting).catch(() => {})]);
    waiting.abort();
    stderr.destroy();
    tell(rest);
    rest = "";
  };
}

/**
 * A descriptor of its own for the same tty, which blocks: when a program is started, Node makes what it is given block, and the
 * given one may be in use by a thread that must not.
 */
function reopen(fd: number): number {
  const path = `/proc/self/fd/${fd}`;
  const flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC; // which does not wait for carrier
  let result = open(path, flags);
  if (result === -EBUSY) {
    // In exclusive use, by ourselves.
    ioctl(fd, TIOCNXCL, 0);
    result = open(path, flags);
    ioctl(fd, TIOCEXCL, 0);
  }
  check(result, "opening the line for a program");
  check(ioctl(result, FIONBIO, nativeBuffer(4).address), "making the line block for a program");
  return result;
}
