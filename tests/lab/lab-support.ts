import { spawnSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { findTool, type Tool } from "../../src/lab/tool.ts";

/** Why tests with hosts cannot run here; null when they can. Required in CI: there it is never a reason to skip. */
function obstacle(tools: readonly Tool[]): string | null {
  try {
    for (const tool of tools) findTool(tool);
    const { status, stderr } = spawnSync(findTool("unshare"), ["--net", "true"], { encoding: "utf8" });
    return status === 0 ? null : `no network namespaces: ${stderr.trim()}`;
  } catch (error) {
    return String(error);
  }
}

/** True when the test shall go on; else it is marked as skipped, with the reason. */
export function needsHosts(t: TestContext, tools: readonly Tool[] = ["nsenter", "setpriv"]): boolean {
  const reason = process.env["EQL_REQUIRE_ALL"] === "1" ? null : obstacle(tools);
  if (reason !== null) t.skip(reason);
  return reason === null;
}

/** Waits for a condition, looking every few milliseconds. */
export async function eventually(condition: () => boolean, what: string, deadlineMs = 60_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(10);
  }
}

/** Identity of a process's network namespace; null when the process is gone. */
export function networkOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/** Processes that live in a network namespace. */
export const processesIn = (network: string): readonly number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && networkOf(pid) === network);
