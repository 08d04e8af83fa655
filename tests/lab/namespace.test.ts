import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { EqlError } from "../../src/errors.ts";
import { namespaceRefused } from "../../src/lab/lab-access.ts";
import { Host } from "../../src/lab/namespace.ts";
import { eventually, needsHosts, networkOf, processesIn } from "./lab-support.ts";

const NAMESPACE = new URL("../../src/lab/namespace.js", import.meta.url).href;

/** A parent with one host and one long-lived command on it; prints their pids. */
const PARENT = `
  import { Host } from ${JSON.stringify(NAMESPACE)};
  const host = await Host.create("h");
  const child = host.spawn(["sleep", "1000"], { stdio: "ignore" });
  console.log(JSON.stringify([host.pid, child.pid]));
`;

describe("Host", () => {
  it("is a network of its own, with loopback up and without timestamps or IPv6", async (t) => {
    if (!needsHosts(t)) return;
    const host = await Host.create("a");
    t.after(() => host.close());
    assert.notEqual(networkOf(host.pid), networkOf(process.pid));
    const { stdout } = await host.run(["cat", "/proc/sys/net/ipv4/tcp_timestamps", "/proc/net/if_inet6"]);
    assert.equal(stdout, "0\n");
    const routes = await host.must(["cat", "/proc/net/fib_trie"]);
    assert.match(routes, /127\.0\.0\.1/);
  });

  it("reports what a command said and how it exited", async (t) => {
    if (!needsHosts(t)) return;
    const host = await Host.create("a");
    t.after(() => host.close());
    const result = await host.run(["sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert.deepEqual(result, { stdout: "out\n", stderr: "err\n", code: 3 });
    await assert.rejects(host.must(["sh", "-c", "echo because >&2; exit 1"]), /host a.*exited 1: because/s);
  });

  it("leaves no process when it is closed, and closing again is harmless", async (t) => {
    if (!needsHosts(t)) return;
    const host = await Host.create("a");
    const network = networkOf(host.pid);
    assert.ok(network);
    const command = ["sh", "-c", "sleep 1000 & sleep 1000"];
    const child = host.spawn(command, { stdio: "ignore" });
    const outcome = host.run(command);
    await eventually(() => processesIn(network).length >= 7, "the commands run on the host");
    await host.close();
    await host.close();
    assert.equal(child.signalCode, "SIGKILL");
    await eventually(() => processesIn(network).length === 0, "the network has no process");
    assert.deepEqual(await outcome, { stdout: "", stderr: "", code: null });
  });

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    it(`is gone when its parent dies by ${signal}`, async (t) => {
      if (!needsHosts(t)) return;
      const parent = spawn(process.execPath, ["--input-type=module", "-e", PARENT], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      t.after(() => parent.kill("SIGKILL"));
      const [line] = (await once(parent.stdout, "data")) as [Buffer];
      const [holder = 0, child = 0] = JSON.parse(line.toString()) as number[];
      const network = networkOf(holder);
      assert.ok(network);
      await eventually(() => networkOf(child) === network, "the command entered the host");
      parent.kill(signal);
      await eventually(() => processesIn(network).length === 0, "the network has no process");
    });
  }

  it("says what to do when the kernel refuses", () => {
    const error = namespaceRefused("unshare: unshare failed: Operation not permitted");
    assert.ok(error instanceof EqlError);
    assert.equal(error.code, "CAPABILITY_MISSING");
    assert.match(error.message, /Operation not permitted.*run as root.*user namespaces/);
  });
});
