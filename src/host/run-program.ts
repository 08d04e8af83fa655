import { spawn } from "node:child_process";
import { once } from "node:events";

/** How a program ended. */
export interface ProgramEnd {
  /** Null: a signal ended it, or it took too long. */
  readonly code: number | null;
  /** The first of its complaints. */
  readonly complaint: string;
}

const LONGEST_COMPLAINT = 500;

/**
 * Runs a program to its end, with that as its standard input.
 * @param path where programs are looked for, as in PATH
 * @returns null: there is no such program, or it cannot be run
 */
export async function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  { input = "", path, limitMs }: { readonly input?: string; readonly path: string; readonly limitMs: number },
): Promise<ProgramEnd | null> {
  const child = spawn(program, args, {
    stdio: ["pipe", "ignore", "pipe"],
    env: { PATH: path },
    cwd: "/",
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  let said = "";
  child.stderr.on("data", (octets: Buffer) => {
    said = (said + octets.toString()).slice(0, LONGEST_COMPLAINT);
  });
  child.stdin.on("error", () => {}); // it ended without reading all: its exit says why
  child.stdin.end(input);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { code, complaint: said.trim().split("\n", 1)[0] ?? "" };
  } catch {
    return null;
  }
}
