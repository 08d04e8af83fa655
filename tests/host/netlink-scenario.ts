import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { ioctl, nativeBuffer, O_RDWR, open } from "../../src/host/libc.ts";
import type { Netlink } from "../../src/host/netlink.ts";
import type { Interface } from "../../src/host/netlink-objects.ts";

/*
 * For tests against the real kernel, with ip(8) as the witness. Each scenario runs in a process and a network
 * namespace of its own: the test file starts itself again through unshare(1), with the scenario's name in the
 * environment.
 */
const CHOSEN = "EQL_TEST_NETLINK_SCENARIO";
const DEADLINE_MS = 60_000;
const NAMESPACE = process.getuid?.() === 0 ? ["-n"] : ["-Urn"];

const chosen = process.env[CHOSEN];
const TUN = ["ip", "tuntap", "add", "dev", "probe", "mode", "tun"];
const noTun = chosen === undefined && whatIsMissing(TUN);

/** Why a command cannot succeed in a network namespace here; false when it can. */
function whatIsMissing(command: readonly string[]): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  const probe = spawnSync("unshare", [...NAMESPACE, ...command]);
  if (probe.status === 0) return false;
  const words = probe.error?.message ?? probe.stderr.toString().trim();
  return `impossible here: ${command.join(" ")}, in a network namespace: ${words}`;
}

export interface Surroundings {
  /** A command that runs the process inside the namespace. */
  readonly wrapper?: readonly string[];
  /** A command that must succeed in a namespace, besides that which makes a TUN device. */
  readonly needs?: readonly string[];
}

/** @param file `import.meta.url` of the test file: what is started again */
export function scenario(
  file: string,
  name: string,
  body: () => void,
  { wrapper = [], needs }: Surroundings = {},
): void {
  if (chosen === name) body();
  if (chosen !== undefined) return;
  it(name, { skip: noTun || (needs !== undefined && whatIsMissing(needs)) }, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const inside = [...wrapper, process.execPath, "--enable-source-maps", fileURLToPath(file)];
    const run = spawnSync("unshare", [...NAMESPACE, ...inside], {
      env: { ...env, [CHOSEN]: name },
      timeout: DEADLINE_MS,
      encoding: "utf8",
    });
    assert.ifError(run.error);
    assert.equal(run.status, 0, run.stderr);
  });
}

export const ip = (command: string): string => execFileSync("ip", command.split(" "), { encoding: "utf8" });

export function tun(net: Netlink, name: string): Interface {
  ip(`tuntap add dev ${name} mode tun`);
  const made = net.interface(name);
  assert.ok(made);
  return made;
}

/** Opens a TUN device, which gives it a carrier until the descriptor is closed. */
export function plugIn(name: string): number {
  const fd = open("/dev/net/tun", O_RDWR);
  const request = nativeBuffer(40); // struct ifreq
  request.octets.set(Buffer.from(name));
  request.view.setUint16(16, 0x1001, true); // IFF_TUN | IFF_NO_PI
  assert.equal(ioctl(fd, 0x400454ca, request.address), 0, "TUNSETIFF");
  return fd;
}

/** A TUN device that is up and makes no addresses of its own. */
export function tunUp(net: Netlink, name: string): number {
  const { index } = tun(net, name);
  net.disableGeneratedAddresses(index);
  net.setUp(index, true);
  return index;
}
