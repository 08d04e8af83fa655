import { execFile, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { promisify } from "node:util";
import { EqlError } from "../errors.ts";
import { findTool } from "./tool.ts";

/**
 * How a command of the lab comes to the right to make hosts:
 *
 *   1. who may make network namespaces (root, as a rule) just goes on;
 *   2. anybody else runs the same command once more inside a user namespace of his own, in which he is root
 *      (`unshare -Urnm`; Node cannot do that by itself, for it has threads), and passes its exit status on.
 */

const TUN_DEVICE = "/dev/net/tun";
/** Set for the second run, so that there is no third. */
const INSIDE = "EQL_LAB_INSIDE";
const FORWARDED: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Makes sure that this process may make hosts, or lets another run of the same command do the work.
 * @returns null: go on; a number: the command has been run in a user namespace and exited with this status
 * @throws EqlError CAPABILITY_MISSING, TOOL_MISSING
 */
export async function enterLab(argv: readonly string[] = process.argv): Promise<number | null> {
  findTool("nsenter");
  findTool("setpriv");
  const refusal = await tryUnshare(["--net", "true"]);
  if (refusal === null) return null;
  const nested = process.env[INSIDE] === undefined ? await tryUnshare(["-Urnm", "true"]) : refusal;
  if (nested !== null) throw namespaceRefused(nested);
  return runAgain(argv);
}

/**
 * A TUN device can be made here, as far as the device file tells.
 * @throws EqlError TUN_MISSING
 */
export function checkTun(path: string = TUN_DEVICE): void {
  try {
    closeSync(openSync(path, constants.O_RDWR));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const cure =
      code === "EACCES" || code === "EPERM"
        ? `this user may not open it: run as root, or let everybody open it (chmod 0666 ${path}), as most distributions do`
        : `load the driver (modprobe tun), and in a container pass the device in (--device ${path})`;
    throw new EqlError("TUN_MISSING", `cannot open ${path} (${code}): ${cure}`, { cause, details: { path } });
  }
}

/** @returns null, or what `unshare` complained of */
async function tryUnshare(args: readonly string[]): Promise<string | null> {
  try {
    await promisify(execFile)(findTool("unshare"), args);
    return null;
  } catch (error) {
    if (error instanceof EqlError) throw error;
    const { stderr = "", message } = error as Error & { stderr?: string };
    return stderr.trim() || message;
  }
}

/** What to do when no namespace can be had; `complaint` is the system's. */
export function namespaceRefused(complaint: string): EqlError {
  return new EqlError(
    "CAPABILITY_MISSING",
    `cannot make a network namespace (${complaint}): run as root, or allow user namespaces ` +
      "(sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1; on Ubuntu also " +
      "kernel.apparmor_restrict_unprivileged_userns=0; a container has to be started with --privileged)",
  );
}

function runAgain(argv: readonly string[]): Promise<number> {
  const inner = [findTool("unshare"), "-Urnm", process.execPath, ...process.execArgv, ...argv.slice(1)];
  const child = spawn(findTool("setpriv"), ["--pdeathsig", "KILL", ...inner], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  return new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  }).finally(() => {
    for (const signal of FORWARDED) process.off(signal, forward);
  });
}
