import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

/** How a program ended. */
export interface ProgramEnd {
  /** Null: a signal ended it, it took too long, or it could not be begun. */
  readonly code: number | null;
  /** The first of its complaints. */
  readonly complaint: string;
}

interface ProgramOptions {
  /** Its standard input. */
  readonly input?: string;
  /** Where programs are looked for, as in PATH. */
  readonly path: string;
  /** How long it may take; then it is killed with what it started. */
  readonly limitMs: number;
  /** Ends its time before that. */
  readonly signal: AbortSignal;
}

const LONGEST_COMPLAINT = 500;
/** What it complained of comes with its end; only what it left running keeps the pipe open. */
const LAST_WORDS_MS = 200;

/**
 * Runs a program to its end, out of reach of a Ctrl-C that is meant for us. What it leaves running is not waited for.
 * @returns null: there is no such program
 */
export async function runProgram(
  words: readonly [string, ...string[]],
  { input = "", path, limitMs, signal }: ProgramOptions,
): Promise<ProgramEnd | null> {
  if (signal.aborted) return { code: null, complaint: "it is not wanted any more" };
  let said = "";
  try {
    const child = start(words, path);
    // Without a descriptor left, it has not even pipes.
    if (child.pid === undefined) throw (await once(child, "error"))[0];
    child.stderr.on("data", (octets: Buffer) => {
      said = (said + octets.toString()).slice(0, LONGEST_COMPLAINT);
    });
    child.stdin.on("error", () => {}); // it ended without reading all: its exit says why
    child.stdin.end(input);
    const closed = once(child, "close");
    closed.catch(() => {}); // told by its exit, too
    const kill = (): void => killGroup(child.pid);
    const timer = setTimeout(kill, limitMs);
    signal.addEventListener("abort", kill);
    try {
      const [code] = (await once(child, "exit")) as [number | null];
      await Promise.race([closed, delay(LAST_WORDS_MS)]);
      child.stderr.destroy();
      return { code, complaint: said.trim().split("\n", 1)[0] ?? "" };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? null : { code: null, complaint: message };
  }
}

/** As the leader of a session of its own. */
const start = ([program, ...args]: readonly [string, ...string[]], path: string) =>
  spawn(program, args, { stdio: ["pipe", "ignore", "pipe"], env: { PATH: path }, cwd: "/", detached: true });

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It is over.
  }
}
