import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Config, LineConfig, MasterConfig } from "../../src/config/config.ts";
import { defaultConfig, loadConfig, parseConfig } from "../../src/config/load.ts";

const EXAMPLES = new URL("../../../examples/", import.meta.url);

const parse = (text: string) => parseConfig(text, "eql.toml");

const MASTER: MasterConfig = {
  name: "eql",
  address: null,
  peer: null,
  mtu: 1500,
  scheduler: "earliest-arrival",
  maxSlaves: 4,
  minSlaves: 1,
  queuePackets: 64,
  group: { wanted: null, demand: false, highWaterOctets: null, highWaterMs: 10_000, idleMs: null },
  defaultRoute: false,
  routes: [],
};

const LINE: LineConfig = {
  name: "sl0",
  kind: "slip",
  device: "/dev/ttyS0",
  speedBps: 38400,
  rateBps: 38400,
  rtscts: false,
  carrier: false,
  lock: true,
  mtu: 1500,
  master: null,
  tunnel: null,
  address: null,
  peer: null,
  routes: [],
  defaultRoute: false,
  echo: null,
  ppp: null,
  dial: null,
  upCommand: null,
};

/** All but the source's own text. */
const without = (config: Config): Config => ({ ...config, source: {} });

describe("defaults", () => {
  it("give a master that waits to be addressed when there is no file", () => {
    assert.deepEqual(without(defaultConfig()), {
      daemon: {
        socket: "/run/eql/eql.sock",
        socketMode: 0o600,
        socketGroup: null,
        lockDirectory: "/var/lock",
        logLevel: "info",
      },
      masters: [MASTER],
      lines: [],
      tunnels: [],
      dialers: [],
      stations: [],
      radius: new Map(),
      source: {},
    });
  });

  it("complete an empty file", () => {
    assert.deepEqual(without(parse("")), { ...without(defaultConfig()), masters: [] });
  });

  it("complete a line of which only the device is given", () => {
    assert.deepEqual(parse('[line.sl0]\ndevice = "/dev/ttyS0"').lines, [LINE]);
  });

  it("take the rate of a line from its speed", () => {
    const [line] = parse('[line.sl0]\ndevice = "/dev/ttyS0"\nspeed = 115200').lines;
    assert.deepEqual(line, { ...LINE, speedBps: 115200, rateBps: 115200 });
  });

  it("take MTU, address and peer of a line from its master, routes not", () => {
    const config = parse(`
      [master.eql]
      address = "10.0.0.1"
      peer = "10.0.0.2"
      mtu = 576
      default-route = true
      routes = ["192.168.7.0/24"]
      [line.sl0]
      device = "/dev/ttyS0"
      master = "eql"
      [line.sl1]
      device = "/dev/ttyS1"
      master = "eql"
      address = "10.1.0.1"
      peer = "10.1.0.2"`);
    const inherited = { ...LINE, master: "eql", mtu: 576, address: "10.0.0.1", peer: "10.0.0.2" };
    const own = { ...inherited, name: "sl1", device: "/dev/ttyS1", address: "10.1.0.1", peer: "10.1.0.2" };
    assert.deepEqual(config.lines, [inherited, own]);
  });

  it("make a kernel interface a line without the settings of a tty", () => {
    const [line] = parse('[line.ppp0]\ninterface = "ppp0"\nrate = 50000').lines;
    const expected: LineConfig = {
      ...LINE,
      name: "ppp0",
      kind: "device",
      device: "ppp0",
      speedBps: 50000,
      rateBps: 50000,
      lock: false,
    };
    assert.deepEqual(line, expected);
  });

  it("ask for three echoes once there is an interval", () => {
    const [line] = parse(
      '[line.sl0]\ndevice = "/dev/ttyS0"\naddress = "10.0.0.1"\npeer = "10.0.0.2"\necho-interval = 0.5',
    ).lines;
    assert.deepEqual(line?.echo, { intervalMs: 500, failures: 3 });
  });

  it("raise max-slaves to the number of configured slaves, and only then", () => {
    const slaves = (count: number, master: string) =>
      Array.from(
        { length: count },
        (_, at) => `[line.sl${at}]\ndevice = "/dev/ttyS${at}"\nmaster = "eql"`,
      ).join("\n") + `\n[master.eql]\n${master}`;
    assert.equal(parse(slaves(6, "")).masters[0]?.maxSlaves, 6);
    assert.equal(parse(slaves(6, "max-slaves = 9")).masters[0]?.maxSlaves, 9);
    assert.equal(parse(slaves(3, "max-slaves = 2")).masters[0]?.maxSlaves, 3);
    assert.equal(parse(slaves(3, "")).masters[0]?.maxSlaves, 4);
  });
});

describe("values", () => {
  it("reach the configuration, each under its name", () => {
    const config = parse(`
      [daemon]
      socket = "/run/x.sock"
      socket-mode = "660"
      socket-group = "dialout"
      lock-directory = "/run/lock"
      log-level = "debug"
      [master.eql]
      address = "FD00::1"
      peer = "fd00:0::2"
      mtu = 1400
      scheduler = "eql-1995"
      max-slaves = 8
      min-slaves = 2
      queue-packets = 32
      lines-wanted = 2
      demand = true
      high-water = 4000
      high-water-time = 5
      idle-time = 60
      default-route = true
      routes = ["fd00:7::/64", "192.0.2.7"]
      [dial.isp]
      numbers = ["5551000"]
      modem-init = ["AT&F1"]
      dial-command = "ATDP"
      carrier-wait = 60
      user = "alice"
      password-file = "/etc/eql/isp.password"
      login-prompt = "name:"
      password-prompt = "word:"
      login-wait = 20
      login-command = "slip"
      login-ready = "go"
      redial-pause = 1
      longest-redial-pause = 30
      attempts = 7
      link-wait = 25
      session-limit = 3600

      [line.sl0]
      device = "/dev/ttyS0"
      protocol = "slip"
      speed = 115200
      rate = 28800
      rtscts = true
      lock = false
      mtu = 1400
      master = "eql"
      address = "10.0.0.1"
      peer = "10.0.0.2"
      carrier = false
      dial = "isp"
      numbers = ["5551009"]
      up-command = "logger $interface"
      routes = ["10.2.0.0/16"]
      default-route = true
      echo-interval = 5
      echo-failures = 2`);
    assert.deepEqual(without(config), {
      daemon: {
        socket: "/run/x.sock",
        socketMode: 0o660,
        socketGroup: "dialout",
        lockDirectory: "/run/lock",
        logLevel: "debug",
      },
      masters: [
        {
          name: "eql",
          address: "fd00::1",
          peer: "fd00::2",
          mtu: 1400,
          scheduler: "eql-1995",
          maxSlaves: 8,
          minSlaves: 2,
          queuePackets: 32,
          group: { wanted: 2, demand: true, highWaterOctets: 4000, highWaterMs: 5000, idleMs: 60_000 },
          defaultRoute: true,
          routes: ["fd00:7::/64", "192.0.2.7/32"],
        },
      ],
      lines: [
        {
          name: "sl0",
          kind: "slip",
          device: "/dev/ttyS0",
          speedBps: 115200,
          rateBps: 28800,
          rtscts: true,
          lock: false,
          mtu: 1400,
          master: "eql",
          tunnel: null,
          address: "10.0.0.1",
          peer: "10.0.0.2",
          routes: ["10.2.0.0/16"],
          defaultRoute: true,
          carrier: false,
          echo: { intervalMs: 5000, failures: 2 },
          ppp: null,
          dial: {
            name: "isp",
            numbers: ["5551009"],
            connect: null,
            chatFile: null,
            modem: { init: ["AT&F1"], dial: "ATDP", carrierWaitMs: 60_000 },
            login: {
              user: "alice",
              password: null,
              passwordFile: "/etc/eql/isp.password",
              loginPrompt: "name:",
              passwordPrompt: "word:",
              command: "slip",
              ready: "go",
            },
            script: null,
            firstPauseMs: 1000,
            longestPauseMs: 30_000,
            attempts: 7,
            loginWaitMs: 20_000,
            linkWaitMs: 25_000,
            sessionLimitMs: 3_600_000,
            demand: false,
            idleLimitMs: null,
          },
          upCommand: "logger $interface",
        },
      ],
      tunnels: [],
      dialers: config.dialers,
      stations: [],
      radius: new Map(),
      source: {},
    });
  });

  it("say when a line without a master is called", () => {
    const dial = '[dial.isp]\nnumbers = ["5551000"]\ndemand = true\nidle-limit = 300\n';
    const { dial: found } = parse(`${dial}[line.sl0]\ndevice = "/dev/ttyS0"\ndial = "isp"`).lines[0] ?? LINE;
    assert.deepEqual([found?.demand, found?.idleLimitMs], [true, 300_000]);
  });

  it("may be whatever the limits of their key allow", () => {
    const line = '[line.sl0]\ndevice = "/dev/ttyS0"\n';
    assert.equal(parse(`${line}mtu = 68`).lines[0]?.mtu, 68);
    assert.equal(parse(`${line}mtu = 16384`).lines[0]?.mtu, 16384);
    assert.equal(parse(`${line}speed = 50`).lines[0]?.speedBps, 50);
    for (const name of ["eql", "a", "ppp0.7", "wan-uplink_1", "fifteen-letters"]) {
      assert.equal(parse(`[master."${name}"]`).masters[0]?.name, name);
    }
  });
});

describe("the file itself", () => {
  it("is read", () => {
    const directory = mkdtempSync(join(tmpdir(), "eql-config-"));
    try {
      const path = join(directory, "eql.toml");
      writeFileSync(path, "[master.eql]\nmtu = 576\n");
      assert.equal(loadConfig(path).masters[0]?.mtu, 576);
      writeFileSync(path, "[master.eql]\nmtu = 5\n");
      assert.throws(() => loadConfig(path), { code: "CONFIG_INVALID" });
      assert.throws(() => loadConfig(join(directory, "none.toml")), {
        code: "CONFIG_UNREADABLE",
        message: /there is no such file; give its path with -c/,
        details: { file: join(directory, "none.toml") },
      });
      assert.throws(() => loadConfig(directory), { code: "CONFIG_UNREADABLE", message: /it is a directory/ });
      assert.throws(() => loadConfig(join(path, "deeper")), {
        code: "CONFIG_UNREADABLE",
        message: /ENOTDIR/,
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("the examples", () => {
  const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".toml"));
  const textOf = (name: string) => readFileSync(new URL(name, EXAMPLES), "utf8");

  it("are there", () => {
    assert.ok(
      ["null-modem.toml", "single-slip.toml", "terminal-server.toml"].every((name) => names.includes(name)),
    );
  });

  for (const name of names) {
    it(`${name} is valid and names the schema for editors`, () => {
      const text = textOf(name);
      const { lines, stations, tunnels } = parseConfig(text, name);
      assert.ok(lines.length + stations.length + tunnels.length > 0);
      assert.ok(text.startsWith("#:schema ../schema/eql.schema.json\n"));
    });
  }

  it("null-modem.toml serves both sides with address and peer swapped", () => {
    const text = textOf("null-modem.toml");
    const swapped = text
      .replace(/^address = "10\.0\.0\.1"/m, 'address = "10.0.0.2"')
      .replace(/^peer = "10\.0\.0\.2"/m, 'peer = "10.0.0.1"');
    const here = parseConfig(text, "here");
    const there = parseConfig(swapped, "there");
    const swap = <T extends { address: string | null; peer: string | null }>(of: T): T => ({
      ...of,
      address: of.peer,
      peer: of.address,
    });
    assert.equal(here.lines.length, 2);
    const expected = { ...without(here), masters: here.masters.map(swap), lines: here.lines.map(swap) };
    assert.deepEqual(without(there), expected);
  });
});
