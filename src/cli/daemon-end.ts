import { type RunOptions, runDaemon } from "../daemon/run.ts";
import { exitAtOnce } from "../host/libc.ts";

/** How often it is looked what keeps the process when the daemon is down. */
const LOOK_MS = 100;
/** Standard output and error, and names that are being looked up. */
const WORTHLESS: readonly string[] = ["GetAddrInfoReqWrap", "PipeWrap", "TTYWrap"];

/**
 * Runs the daemon, and sets the exit code. The process ends by itself then, but for a name that is being looked up: that would keep it, also
 * when it exits, until name servers have not answered for long enough.
 */
export async function runToEnd(options: RunOptions): Promise<void> {
  try {
    process.exitCode = await runDaemon(options);
  } finally {
    setInterval(() => {
      const kept = process.getActiveResourcesInfo();
      if (kept.every((each) => WORTHLESS.includes(each))) exitAtOnce(Number(process.exitCode ?? 0));
    }, LOOK_MS).unref();
  }
}
