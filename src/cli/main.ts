import { CommanderError } from "commander";
import { EqlError } from "../errors.ts";
import { loadProgram } from "./program.ts";

/** A reader that has seen enough (`eql status --watch | head`) is no error. */
function tolerateClosedOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

/**
 * The command `eql`.
 * @param args what follows the program's name
 * @returns the exit code: 0 done; 1 failed, and standard error says why; 2 wrong usage; `pppd` and `chat` have those of pppd and chat
 */
export async function main(args: readonly string[]): Promise<number> {
  // Its standard output is a line, which nobody else may touch; and its words are chat's.
  if (args[0] === "chat" && args[1] !== "--help" && args[1] !== "-h") {
    return await (await import("./chat.ts")).chat(args.slice(1));
  }
  tolerateClosedOutput();
  try {
    // Its words are pppd's: `-vj` and `password -h` mean there what they mean nowhere else.
    if (args[0] === "pppd" && !args.includes("--help") && !args.includes("-h")) {
      return await (await import("./pppd.ts")).pppd(args.slice(1));
    }
    const program = await loadProgram(args);
    await program.parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof EqlError)) throw error;
    process.stderr.write(`eql: ${error.message}\n`);
    return 1;
  }
}
