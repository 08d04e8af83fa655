import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Tunnels } from "../../../src/daemon/tunnels/tunnels.ts";
import { Host } from "../../../src/lab/namespace.ts";
import { Scratch } from "../../../src/lab/scratch.ts";
import { instant } from "../../../src/time.ts";
import { eventually, programsMissing, Side, TestDaemon, worldMissing } from "../world.ts";
import { FakeWorld, PUBLIC_KEY } from "./fake-world.ts";

/** A master by the routes, whose scripts note nothing: ip-up goes on until it is let go. */
class Caller {
  readonly world: FakeWorld;
  readonly tunnels: Tunnels;

  private constructor(world: FakeWorld, tunnels: Tunnels) {
    this.world = world;
    this.tunnels = tunnels;
  }

  static async start(t: TestContext): Promise<Caller> {
    const world = new FakeWorld(t);
    const { directory } = world;
    const wait = `while [ ! -e ${directory}/go ] && [ -e ${directory} ]; do sleep 0.02; done`;
    writeFileSync(join(directory, "ip-up"), `#!/bin/sh\n${wait}\n`, { mode: 0o755 });
    writeFileSync(join(directory, "ip-down"), "#!/bin/sh\n", { mode: 0o755 });
    world.plug("eth0", ["192.168.1.7"]);
    world.route("default", { index: 100, gateway: "192.168.1.1" });
    const text = [
      `[master.wan]\nserver = "192.0.2.1:7411"\nserver-key = "${PUBLIC_KEY}"\nkey-file = "KEY"`,
      `address = "10.98.0.2"\npeer = "10.98.0.1"\ndefault-route = true\nscripts = "${directory}"`,
    ];
    const tunnels = await world.start(t, text.join("\n"));
    world.changed = true;
    await tunnels.look();
    return new Caller(world, tunnels);
  }

  tell(state: "alive" | "dead"): void {
    const [path] = this.tunnels.configs.flatMap(({ peers }) => peers.flatMap(({ paths }) => paths));
    const fields = { tunnel: "wan", peer: "server", path: path?.name ?? "", remote: null };
    this.tunnels.handleEvent({ type: "path", ...fields, state });
  }

  /** How often a script was started. */
  started(script: string): number {
    return this.world.logged.filter((text) => text.includes("script started") && text.includes(`"${script}"`))
      .length;
  }

  letGo(): void {
    writeFileSync(join(this.world.directory, "go"), "");
  }
}

describe("a tunnel that ends", () => {
  it("is not announced again, and gets no routes again, by what comes meanwhile", async (t) => {
    const caller = await Caller.start(t);
    const { world, tunnels } = caller;
    caller.tell("alive");
    assert.equal(caller.started("ip-up"), 1);
    assert.ok(world.routeTexts.includes("192.0.2.1/32 192.168.1.1 100"));
    const ended = tunnels.stop();
    await setImmediate();
    caller.tell("dead");
    caller.tell("alive");
    world.changed = true;
    await tunnels.look();
    assert.equal(caller.started("ip-up"), 1);
    assert.deepEqual(
      world.routeTexts.filter((text) => text.startsWith("192.0.2.1/32")),
      [],
    );
    caller.letGo();
    await ended;
    assert.equal(caller.started("ip-down"), 1);
  });

  it("waits for what was being taken back before", async (t) => {
    const caller = await Caller.start(t);
    const { world, tunnels } = caller;
    caller.tell("alive");
    caller.tell("dead");
    world.now = instant(world.now + 30_000);
    await tunnels.look();
    const ended = tunnels.stop();
    caller.letGo();
    await ended;
    assert.equal(caller.started("ip-down"), 1);
  });

  it("is waited for when its interface was deleted before", async (t) => {
    const caller = await Caller.start(t);
    const { world, tunnels } = caller;
    caller.tell("alive");
    world.unplug("wan");
    tunnels.handleEvent({ type: "tunnelGone", tunnel: "wan" });
    const ended = tunnels.stop();
    caller.letGo();
    await ended;
    assert.equal(caller.started("ip-down"), 1);
  });
});

/** A name server of 127.0.0.1 that notes that it was asked, and does not answer. */
const SILENT = `require("dgram").createSocket("udp4").on("message", () => console.log("asked")).bind(53, "127.0.0.1", () => console.log("there"))`;

describe("a daemon that ends", { skip: worldMissing() }, () => {
  it("does not wait for name servers that do not answer", async (t) => {
    const scratch = new Scratch("eql-silent-names");
    t.after(() => scratch.close());
    const side = new Side(await Host.create("near"), join(scratch.path, "near"), []);
    t.after(() => side.host.close());
    const silent = side.host.spawn([process.execPath, "-e", SILENT], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    silent.stdout?.on("data", (octets: Buffer) => {
      said += octets.toString();
    });
    await eventually("a name server", () => said.includes("there"));
    const names = join(scratch.path, "resolv.conf");
    writeFileSync(names, "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n");
    const key = join(scratch.path, "key");
    writeFileSync(key, `${PUBLIC_KEY}\n`, { mode: 0o600 });
    const config = side.configure(
      `[master.wan]\nserver = "vpn.example.org:7411"\nserver-key = "${PUBLIC_KEY}"\nkey-file = "${key}"\n`,
    );
    const before = [
      "unshare",
      "--mount",
      "sh",
      "-c",
      `mount --bind ${names} /etc/resolv.conf && exec "$@"`,
      "sh",
    ];
    const daemon = new TestDaemon(side, ["up", "-c", config], before);
    await daemon.ready();
    await eventually("a question", () => said.includes("asked"));
    assert.equal(await daemon.stop(), 0);
  });

  it("takes masquerading away though Ctrl-C is pressed twice", {
    skip: programsMissing(["nft"]),
  }, async (t) => {
    const scratch = new Scratch("eql-impatience");
    t.after(() => scratch.close());
    const side = new Side(await Host.create("near"), join(scratch.path, "near"), []);
    t.after(() => side.host.close());
    const key = join(scratch.path, "key");
    writeFileSync(key, `${PUBLIC_KEY}\n`, { mode: 0o600 });
    const calls = (): string => readFileSync(join(scratch.path, "calls"), "latin1");
    const slow = `#!/bin/sh\necho call >> ${scratch.path}/calls\nsleep 0.3\nPATH=/usr/sbin:/sbin:/usr/bin:/bin exec nft "$@"\n`;
    writeFileSync(join(scratch.path, "nft"), slow, { mode: 0o755 });
    const daemon = new TestDaemon(
      side,
      [
        "up",
        "-c",
        side.configure(`[server.eql]\nkey-file = "${key}"\naddress = "10.98.0.1/24"\nmasquerade = true\n`),
      ],
      ["unshare", "--mount", "sh", "-c", `mount --bind ${scratch.path} /usr/local/sbin && exec "$@"`, "sh"],
    );
    await daemon.ready();
    const tables = (): Promise<string> => side.host.must(["nft", "list", "tables"]);
    assert.match(await tables(), /table ip eql_/);
    // For all that the terminal runs.
    process.kill(-daemon.pid, "SIGINT");
    await eventually("nft runs again", () => calls().split("call").length === 3);
    process.kill(-daemon.pid, "SIGINT");
    assert.equal(await daemon.exit(), 0);
    assert.equal(await tables(), "");
  });
});
