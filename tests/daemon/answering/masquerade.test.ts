import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Masquerade } from "../../../src/daemon/answering/masquerade.ts";
import { Host, joinByCable } from "../../../src/lab/namespace.ts";
import { eventually, programsMissing, worldMissing } from "../world.ts";

const MAIN = fileURLToPath(new URL("masquerade-main.js", import.meta.url));
const DEADLINE_MS = 60_000;
const OUTSIDE = "192.0.2.2";
const missing = worldMissing() || programsMissing(["nft"]);

/** A caller and somebody outside, who knows no way to callers; between them, us. */
describe("masquerading", { skip: missing }, () => {
  let caller: Host;
  let us: Host;
  let outside: Host;
  before(async () => {
    caller = await Host.create("caller");
    us = await Host.create("us");
    outside = await Host.create("outside");
    await joinByCable(caller, us, { nearAddress: "10.64.0.12", farAddress: "10.64.0.1" });
    await us.must(["ip", "link", "set", "cable0", "name", "sl0"]);
    await joinByCable(us, outside, { nearAddress: "192.0.2.1", farAddress: OUTSIDE });
    await caller.must(["ip", "route", "add", "default", "via", "10.64.0.1"]);
  });
  after(async () => {
    for (const host of [caller, us, outside]) await host?.close();
  });

  const forwards = async (): Promise<string> =>
    (await us.must(["cat", "/proc/sys/net/ipv4/ip_forward"])).trim();
  const tables = async (): Promise<string[]> =>
    (await us.must(["nft", "list", "tables"])).split("\n").filter((line) => line !== "");
  const pings = async (): Promise<boolean> => {
    const { code } = await caller.run(["ping", "-c", "1", "-W", "1", OUTSIDE]);
    return code === 0;
  };

  /** One that has begun. */
  async function begin(...args: readonly string[]): Promise<{ child: ChildProcess; said: () => string }> {
    const child = us.spawn([process.execPath, MAIN, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    child.stdout?.on("data", (octets: Buffer) => {
      said += octets.toString();
    });
    await eventually("its beginning", () => said.includes("begun"), DEADLINE_MS);
    return { child, said: () => said };
  }

  async function end(child: ChildProcess): Promise<void> {
    const gone = once(child, "close");
    child.stdin?.end();
    assert.deepEqual(await gone, [0, null]);
  }

  it("says that the kernel does not forward, and leaves that to others", async () => {
    await us.must(["sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"]);
    const { child, said } = await begin();
    assert.match(said(), /warn: callers reach this host only: .*net\.ipv4\.ip_forward=1/);
    assert.equal(await forwards(), "0");
    assert.ok(!(await pings()));
    await end(child);
    assert.deepEqual(await tables(), []);
  });

  it("lets callers reach what we reach, and takes its table away at its end", async () => {
    const { child, said } = await begin("forward");
    assert.match(said(), /info: the kernel forwards/);
    assert.equal(await forwards(), "1");
    await eventually("an answer from outside", pings, DEADLINE_MS);
    assert.equal((await tables()).length, 1);
    await end(child);
    assert.match(said(), /ended/);
    assert.deepEqual(await tables(), []);
    assert.equal(await forwards(), "1");
    await outside.must(["ip", "neigh", "flush", "all"]);
    assert.ok(!(await pings()));
  });

  it("replaces the table of one that was killed, and leaves those of others", async () => {
    await us.must(["nft", "add table ip foreign"]);
    const first = await begin("forward");
    const killed = once(first.child, "close");
    // What was started is setpriv, which has become nsenter, which has become the program.
    first.child.kill("SIGKILL");
    await killed;
    const left = await tables();
    assert.equal(left.length, 2);
    const second = await begin("forward");
    assert.deepEqual(await tables(), left);
    assert.equal((await us.must(["nft", "list ruleset"])).split("masquerade").length, 2);
    await end(second.child);
    assert.deepEqual(await tables(), ["table ip foreign"]);
    await us.must(["nft", "delete table ip foreign"]);
  });

  it("leaves alone what callers say to each other and what others say", async () => {
    const { child } = await begin("forward");
    const rules = await us.must(["nft", "list ruleset"]);
    assert.match(rules, /elements = \{ 10\.64\.0\.10-10\.64\.0\.20 \}/);
    assert.match(rules, /ip saddr @pool ip daddr != @pool masquerade/);
    await end(child);
  });

  it("is for IPv6, too, and leaves alone addresses that are not of its networks", async () => {
    const conf = "/proc/sys/net/ipv6/conf";
    for (const host of [caller, us, outside]) {
      await host.must(["sh", "-c", `for i in ${conf}/*; do echo 0 > $i/disable_ipv6; done`]);
    }
    const add = async (host: Host, device: string, ...addresses: readonly string[]): Promise<void> => {
      for (const each of addresses) {
        await host.must(["ip", "address", "add", each, "dev", device, "nodad"]);
      }
    };
    await add(caller, "cable0", "fd00:64::12/64", "2001:db8:64::12/64");
    await add(us, "sl0", "fd00:64::1/64", "2001:db8:64::1/64");
    await add(us, "cable0", "2001:db8:1::1/64");
    await add(outside, "cable0", "2001:db8:1::2/64");
    await caller.must(["ip", "route", "add", "default", "via", "fd00:64::1"]);
    await us.must(["sh", "-c", `echo 0 > ${conf}/all/forwarding; echo 1 > ${conf}/cable0/accept_ra`]);
    const pingsFrom = async (source: string): Promise<boolean> => {
      const { code } = await caller.run(["ping", "-c", "1", "-W", "1", "-I", source, "2001:db8:1::2"]);
      return code === 0;
    };
    const { child, said } = await begin("forward", "ip6");
    assert.match(said(), /info: the kernel forwards IPv6/);
    const facts = await us.must(["cat", `${conf}/all/forwarding`, `${conf}/cable0/accept_ra`]);
    assert.equal(facts, "1\n2\n");
    assert.equal((await tables()).length, 2);
    await eventually("an answer from outside", () => pingsFrom("fd00:64::12"), DEADLINE_MS);
    assert.ok(!(await pingsFrom("2001:db8:64::12")));
    await outside.must(["ip", "route", "add", "2001:db8:64::/64", "via", "2001:db8:1::1"]);
    await eventually("an answer by a route", () => pingsFrom("2001:db8:64::12"), DEADLINE_MS);
    await end(child);
    assert.deepEqual(await tables(), []);
    assert.ok(!(await pingsFrom("fd00:64::12")));
  });

  it("is no error to end when it was taken away by others", async () => {
    const { child } = await begin("forward");
    await us.must(["nft", "flush ruleset"]);
    await end(child);
    assert.deepEqual(await tables(), []);
  });

  it("says what is to be installed when nft is not", async () => {
    const hidden =
      'for each in /usr/sbin /sbin /usr/bin/nft; do mount -t tmpfs none $each 2> /dev/null; done; exec "$@"';
    const { code, stderr } = await us.run([
      "unshare",
      "-m",
      "sh",
      "-c",
      hidden,
      "sh",
      process.execPath,
      MAIN,
    ]);
    assert.notEqual(code, 0);
    assert.match(stderr, /"nft" is not installed.*install the package nftables/);
  });

  it("says what is wrong when it is not allowed", async () => {
    const { code, stderr } = await us.run(["setpriv", "--bounding-set=-net_admin", process.execPath, MAIN]);
    assert.notEqual(code, 0);
    assert.match(stderr, /NETLINK_FAILED|Operation not permitted/);
    assert.deepEqual(await tables(), []);
  });
});

describe("masquerading that has not begun", () => {
  it("has nothing to end", async () => {
    const log = { info: () => assert.fail("said"), warn: () => assert.fail("said") };
    const masquerade = new Masquerade("/x", log);
    await masquerade.set({ pool: [], networks: [], forward: true });
    await masquerade.end();
  });
});
