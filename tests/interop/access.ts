import { spawnSync } from "node:child_process";
import { findTool } from "../../src/lab/tool.ts";

/** Why a test cannot have hosts (network namespaces) with TUN devices here; false when it can, or must (EQL_REQUIRE_ALL=1). */
export function hostMissing(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  const { status } = spawnSync(findTool("unshare"), ["--net", "test", "-w", "/dev/net/tun"]);
  return status === 0 ? false : "needs the right to make network namespaces (root) and /dev/net/tun";
}
