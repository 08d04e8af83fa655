import { readFileSync } from "node:fs";

/** Clock ticks a second in /proc, the same on every machine that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The name of a program by its process, from /proc/PID/comm. */
export function programOf(pid: number): string {
  return readProc(`/proc/${pid}/comm`)?.trim() ?? "an unknown program";
}

/** Whether a process exists and still runs: one that was killed and only waits to be reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const state = statFields(pid)?.[0];
  return state !== "Z" && state !== "X";
}

/** How long a process has been there, in milliseconds; null when it is not to be seen. */
export function ageOf(pid: number): number | null {
  const startTicks = statFields(pid)?.[19];
  const uptime = readProc("/proc/uptime")?.split(" ")[0];
  if (startTicks === undefined || uptime === undefined) return null;
  return (Number(uptime) - Number(startTicks) / TICKS_PER_SECOND) * 1000;
}

/** The fields of /proc/PID/stat from the third (the state) on: the second, the name, may contain anything. */
function statFields(pid: number): string[] | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // gone, or hidden from this user
  }
}
