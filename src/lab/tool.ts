import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { EqlError } from "../errors.ts";

/** Which Debian package, or its like, a program comes from. */
const PACKAGES = {
  fastd: "fastd",
  ip: "iproute2",
  nsenter: "util-linux",
  setpriv: "util-linux",
  tc: "iproute2",
  unshare: "util-linux",
} as const;

export type Tool = keyof typeof PACKAGES;

/**
 * The full path of a program. The system's directories are searched too: an ordinary user's PATH often lacks them.
 * @throws EqlError TOOL_MISSING
 */
export function findTool(tool: Tool, path: string = process.env["PATH"] ?? ""): string {
  for (const directory of [...path.split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"]) {
    if (directory === "") continue;
    const candidate = join(directory, tool);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // not here
    }
  }
  throw new EqlError(
    "TOOL_MISSING",
    `the program "${tool}" is not installed: install the package ${PACKAGES[tool]} (apt install ${PACKAGES[tool]}, or its like)`,
    { details: { tool } },
  );
}
