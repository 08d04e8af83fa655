import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { monotonicNow } from "../host/clock.ts";

/** What processes and the machine use, from /proc. */

/** USER_HZ, the same on every Linux that Node runs on. */
const TICKS_A_SECOND = 100;
/** Fields of /proc/PID/stat after the name in parentheses: utime and stime are the 14th and 15th of all. */
const UTIME = 14 - 3;
const STIME = 15 - 3;

export interface ProcessUsage {
  /** Processor time in seconds, user and system. */
  readonly cpuSeconds: number;
  /** Most memory that was resident so far, in octets. */
  readonly peakResident: number;
}

/** Null when the process is gone. */
export function processUsage(pid: number): ProcessUsage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[UTIME]) + Number(fields[STIME]);
    const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return { cpuSeconds: ticks / TICKS_A_SECOND, peakResident: Number(peak?.[1] ?? 0) * 1024 };
  } catch {
    return null;
  }
}

/** How busy the whole machine was since it was made: 0 idle, 1 all cores. */
export class MachineLoad {
  readonly #startedAt = monotonicNow();
  readonly #idleAtStart = idleSeconds();

  share(): number {
    const seconds = (monotonicNow() - this.#startedAt) / 1000;
    const idle = idleSeconds() - this.#idleAtStart;
    return Math.min(1, Math.max(0, 1 - idle / (seconds * cpus().length)));
  }
}

/** Idle time of all cores together, waiting for disks included. */
function idleSeconds(): number {
  const [, , , , idle, waiting] = readFileSync("/proc/stat", "latin1").split(/\s+/, 6);
  return (Number(idle) + Number(waiting)) / TICKS_A_SECOND;
}
