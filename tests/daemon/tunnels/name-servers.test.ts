import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it, type TestContext } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";
import type { Tunnels } from "../../../src/daemon/tunnels/tunnels.ts";
import { instant } from "../../../src/time.ts";
import { eventually } from "../world.ts";
import { FakeWorld, PUBLIC_KEY } from "./fake-world.ts";

const LATE_MS = 30_000;

/** Programs that stand in for those of the system. */
class Programs {
  readonly #directory: string;

  constructor(world: FakeWorld) {
    this.#directory = join(world.directory, "bin");
    mkdirSync(this.#directory);
    process.env["PATH"] = this.#directory;
  }

  /**
   * Notes what it is called with, and what it is told.
   * @param more what it does after that
   */
  add(name: string, code = 0, more = ""): void {
    const script = `#!/bin/sh\n{ echo "${name} $*"; /bin/cat; } >> ${this.#log}\n${more}\nexit ${code}\n`;
    writeFileSync(join(this.#directory, name), script, { mode: 0o755 });
  }

  get said(): readonly string[] {
    try {
      return readFileSync(this.#log, "utf8").trim().split("\n");
    } catch {
      return []; // none was called
    }
  }

  get #log(): string {
    return join(this.#directory, "log");
  }
}

describe("the name servers of a tunnel", () => {
  let path: string | undefined;
  beforeEach(() => {
    path = process.env["PATH"];
  });
  afterEach(() => {
    process.env["PATH"] = path;
  });

  const textOf = (...more: readonly string[]): string =>
    [
      `[master.wan]\nserver = "192.0.2.1:7411"\nserver-key = "${PUBLIC_KEY}"\nkey-file = "KEY"`,
      'address = "10.98.0.2"\npeer = "10.98.0.1"',
      ...more,
      '[line.dsl]\nprotocol = "udp"\ndevice = "eth0"\nmaster = "wan"',
    ].join("\n");

  async function start(t: TestContext, world: FakeWorld, ...more: readonly string[]): Promise<Tunnels> {
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, textOf('dns = ["10.98.0.1", "fd00::1"]', ...more));
    await tunnels.look();
    return tunnels;
  }

  const tell = async (tunnels: Tunnels, state: "alive" | "dead"): Promise<void> => {
    tunnels.handleEvent({ type: "path", tunnel: "wan", peer: "server", path: "dsl", state, remote: null });
    await tunnels.look();
  };

  it("are told to systemd-resolved while the server answers, and for a while after that", async (t) => {
    const world = new FakeWorld(t);
    const programs = new Programs(world);
    programs.add("resolvectl");
    const tunnels = await start(t, world, "default-route = true", 'dns-search = ["example.org"]');
    assert.deepEqual(programs.said, []);
    await tell(tunnels, "alive");
    const begun = ["resolvectl dns wan 10.98.0.1 fd00::1", "resolvectl domain wan example.org ~."];
    await eventually("both calls", () => programs.said.length === 2, LATE_MS);
    assert.deepEqual(programs.said, begun);
    await tell(tunnels, "dead");
    await tell(tunnels, "alive");
    await tell(tunnels, "dead");
    world.now = instant(world.now + 30_000);
    await tunnels.look();
    await eventually("the end", () => programs.said.length === 3, LATE_MS);
    assert.deepEqual(programs.said, [...begun, "resolvectl revert wan"]);
    await tell(tunnels, "alive");
    await eventually("both calls again", () => programs.said.length === 5, LATE_MS);
    await tunnels.stop();
    assert.equal(programs.said.at(-1), "resolvectl revert wan");
  });

  it("are others when another configuration says so, and none when it names none", async (t) => {
    const world = new FakeWorld(t);
    const programs = new Programs(world);
    programs.add("resolvectl");
    const tunnels = await start(t, world);
    const change = async (...more: readonly string[]): Promise<void> => {
      const toml = textOf(...more).replaceAll("KEY", world.keyFile);
      await tunnels.plan(parseConfig(toml, "eql.toml").tunnels).apply();
    };
    await tell(tunnels, "alive");
    const said = ["resolvectl dns wan 10.98.0.1 fd00::1"];
    await eventually("the call", () => programs.said.length === 1, LATE_MS);
    await change('dns = ["10.98.0.1", "fd00::1"]', "redundant = true");
    await change('dns = ["10.98.0.7"]', 'dns-search = ["example.org"]');
    said.push("resolvectl revert wan", "resolvectl dns wan 10.98.0.7", "resolvectl domain wan example.org");
    await eventually("the other calls", () => programs.said.length === said.length, LATE_MS);
    assert.deepEqual(programs.said, said);
    await change();
    assert.deepEqual(programs.said, [...said, "resolvectl revert wan"]);
  });

  it("are told to resolvconf where systemd-resolved does not run", async (t) => {
    const world = new FakeWorld(t);
    const programs = new Programs(world);
    programs.add("resolvectl", 1);
    programs.add("resolvconf");
    const tunnels = await start(t, world, 'dns-search = ["example.org"]');
    await tell(tunnels, "alive");
    await eventually("the call", () => programs.said.length === 5, LATE_MS);
    assert.equal(programs.said[0], "resolvectl dns wan 10.98.0.1 fd00::1");
    assert.match(programs.said[1] ?? "", /^resolvconf -a (tun\.)?wan$/);
    assert.deepEqual(programs.said.slice(2), [
      "nameserver 10.98.0.1",
      "nameserver fd00::1",
      "search example.org",
    ]);
    await tunnels.stop();
    assert.match(programs.said.at(-1) ?? "", /^resolvconf -d (tun\.)?wan$/);
  });

  it("are told of in the log where neither is there", async (t) => {
    const world = new FakeWorld(t);
    const programs = new Programs(world);
    await tell(await start(t, world), "alive");
    await eventually(
      "a warning",
      () => world.logged.some((line) => line.startsWith("warn: name servers not set")),
      LATE_MS,
    );
    assert.match(world.logged.at(-1) ?? "", /nameserver 10\.98\.0\.1, nameserver fd00::1/);
    assert.deepEqual(programs.said, []);
  });

  it("are taken back in time where what sets them does not end, or leaves something running", async (t) => {
    const world = new FakeWorld(t);
    const programs = new Programs(world);
    const wait = `while [ -e ${world.directory} ]; do /bin/sleep 0.1; done`;
    programs.add("resolvectl", 1, `(${wait}) &`);
    programs.add("resolvconf", 0, `[ $1 = -d ] || { ${wait}; }`);
    const tunnels = await start(t, world);
    await tell(tunnels, "alive");
    await eventually("the call", () => programs.said.some((said) => said.includes(" -a ")), LATE_MS);
    await tunnels.stop();
    assert.match(programs.said.at(-1) ?? "", /^resolvconf -d (tun\.)?wan$/);
    assert.match(world.logged.at(-1) ?? "", /name servers taken back/);
  });

  it("are told to scripts of PPP", async (t) => {
    const world = new FakeWorld(t);
    const programs = new Programs(world);
    const noted = join(world.directory, "noted");
    for (const name of ["ip-up", "ip-down"]) {
      const script = `#!/bin/sh\necho "${name} $1 $4 $5 $DNS1 $DNS2 $USEPEERDNS" >> ${noted}\n`;
      writeFileSync(join(world.directory, name), script, { mode: 0o755 });
    }
    const tunnels = await start(t, world, `scripts = "${world.directory}"`);
    programs.add("resolvectl");
    await tell(tunnels, "alive");
    const lines = (): readonly string[] => readFileSync(noted, "utf8").trim().split("\n");
    const rest = "wan 10.98.0.2 10.98.0.1 10.98.0.1 fd00::1 1";
    await eventually("ip-up", () => lines()[0] === `ip-up ${rest}`, LATE_MS);
    await tunnels.stop();
    await eventually("ip-down", () => lines()[1] === `ip-down ${rest}`, LATE_MS);
  });
});
