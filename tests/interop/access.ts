import { execFileSync } from "node:child_process";

/** Why a test cannot have hosts (network namespaces) here; false when it can, or must (EQL_REQUIRE_ALL=1). */
export function hostMissing(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  try {
    execFileSync("unshare", ["--net", "test", "-w", "/dev/net/tun"], { stdio: "ignore" });
    return false;
  } catch {
    return "needs the right to make network namespaces (root) and /dev/net/tun";
  }
}
