import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";

/**
 * How to run a command without root's right to pass over mode bits: put this before it. Nobody else has that right,
 * so there it is a command that changes nothing.
 */
export const WEAKLY: readonly [string, ...string[]] =
  process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] : ["env"];

/** For a test's `skip`: a reason, or false; never a reason where everything is required. */
const unless = (possible: boolean, reason: string): string | false =>
  possible || process.env["EQL_REQUIRE_ALL"] === "1" ? false : reason;

export const skipUnlessWeakly: string | false = unless(
  spawnSync(WEAKLY[0], [...WEAKLY.slice(1), "true"]).status === 0,
  "root needs setpriv to give up a right",
);

export const skipUnlessDevWritable: string | false = unless(mayWrite("/dev"), "needs to make a link in /dev");

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
