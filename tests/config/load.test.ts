import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringify } from "smol-toml";
import type { LineConfig, MasterConfig } from "../../src/config/config.ts";
import { defaultConfig, loadConfig, parseConfig, parseLine } from "../../src/config/load.ts";
import { EqlError } from "../../src/errors.ts";

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
  lock: true,
  mtu: 1500,
  master: null,
  address: null,
  peer: null,
  routes: [],
  defaultRoute: false,
  echo: null,
};

describe("defaults", () => {
  it("give a master that waits to be addressed when there is no file", () => {
    assert.deepEqual(defaultConfig(), {
      daemon: {
        socket: "/run/eql/eql.sock",
        socketMode: 0o600,
        socketGroup: null,
        lockDirectory: "/var/lock",
        logLevel: "info",
      },
      masters: [MASTER],
      lines: [],
    });
  });

  it("complete an empty file", () => {
    assert.deepEqual(parse(""), { ...defaultConfig(), masters: [] });
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
      default-route = true
      routes = ["fd00:7::/64", "192.0.2.7"]
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
      routes = ["10.2.0.0/16"]
      default-route = true
      echo-interval = 5
      echo-failures = 2`);
    assert.deepEqual(config, {
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
          address: "10.0.0.1",
          peer: "10.0.0.2",
          routes: ["10.2.0.0/16"],
          defaultRoute: true,
          echo: { intervalMs: 5000, failures: 2 },
        },
      ],
    });
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

/** Asserts the code, and the message in full. */
function refuses(text: string, message: string): void {
  assert.throws(
    () => parse(text),
    (error) => {
      assert.ok(error instanceof EqlError, String(error));
      assert.equal(error.code, "CONFIG_INVALID");
      assert.equal(error.message, `eql.toml: ${message}`);
      return true;
    },
  );
}

const TTY = 'device = "/dev/ttyS0"';

describe("a key by itself", () => {
  const cases: readonly [what: string, text: string, message: string][] = [
    ["an unknown table", "[masters.eql]", "masters: unknown key; allowed: daemon, master, line"],
    [
      "an unknown key",
      '[daemon]\nlog = "info"',
      "daemon.log: unknown key; allowed: socket, socket-mode, socket-group, lock-directory, log-level",
    ],
    ["a value for a table", "daemon = 3", "daemon: found 3; allowed: a table"],
    ["a date for a table", "master.eql = 1979-05-27", "master.eql: found a date or time; allowed: a table"],
    ["a list for the tables", "line = []", "line: found a list; allowed: tables [line.NAME]"],
    [
      "a relative path",
      '[daemon]\nsocket = "eql.sock"',
      'daemon.socket: found "eql.sock"; allowed: an absolute path of at most 107 characters, such as "/run/eql/eql.sock"',
    ],
    [
      "a mode that is no octal text",
      "[daemon]\nsocket-mode = 600",
      'daemon.socket-mode: found 600; allowed: octal digits as text, such as "0660"',
    ],
    [
      "a level that does not exist",
      '[daemon]\nlog-level = "loud"',
      'daemon.log-level: found "loud"; allowed: "trace", "debug", "info", "warn", "error"',
    ],
    [
      "an MTU below the least",
      "[master.eql]\nmtu = 67",
      "master.eql.mtu: found 67; allowed: an integer from 68 to 16384 (octets)",
    ],
    [
      "an MTU above the most",
      `[line.sl0]\n${TTY}\nmtu = 16385`,
      "line.sl0.mtu: found 16385; allowed: an integer from 68 to 16384 (octets)",
    ],
    [
      "a fraction for an integer",
      `[line.sl0]\n${TTY}\nspeed = 9600.5`,
      "line.sl0.speed: found 9600.5; allowed: an integer from 50 to 100000000 (bits per second)",
    ],
    [
      "no number at all",
      `[line.sl0]\n${TTY}\nspeed = nan`,
      "line.sl0.speed: found NaN; allowed: an integer from 50 to 100000000 (bits per second)",
    ],
    [
      "a scheduler that does not exist",
      '[master.eql]\nscheduler = "fastest"',
      'master.eql.scheduler: found "fastest"; allowed: "earliest-arrival", "eql-1995", "round-robin", "weighted", "active-backup"',
    ],
    [
      "text for a flag",
      `[line.sl0]\n${TTY}\nrtscts = "yes"`,
      'line.sl0.rtscts: found "yes"; allowed: true or false',
    ],
    [
      "an address with a prefix length",
      '[master.eql]\naddress = "10.0.0.1/24"',
      'master.eql.address: found "10.0.0.1/24" (an address stands without a prefix length); allowed: an IPv4 or IPv6 address',
    ],
    [
      "a host name for an address",
      '[master.eql]\naddress = "localhost"',
      'master.eql.address: found "localhost" (it is no IP address); allowed: an IPv4 or IPv6 address',
    ],
    [
      "no address at all",
      '[master.eql]\naddress = "::"',
      'master.eql.address: found "::" (it stands for no address at all); allowed: an IPv4 or IPv6 address',
    ],
    [
      "a multicast address",
      '[master.eql]\naddress = "224.0.0.5"',
      'master.eql.address: found "224.0.0.5" (it is a multicast address); allowed: an IPv4 or IPv6 address',
    ],
    [
      "the broadcast address",
      '[master.eql]\naddress = "255.255.255.255"',
      'master.eql.address: found "255.255.255.255" (it is the broadcast address); allowed: an IPv4 or IPv6 address',
    ],
    [
      "a route with bits behind the prefix",
      '[master.eql]\nroutes = ["10.0.0.0/8", "10.77.0.5/14"]',
      'master.eql.routes[1]: found "10.77.0.5/14" (it has bits set behind the prefix: the network is 10.76.0.0/14); ' +
        'allowed: networks in a list, such as ["192.168.7.0/24", "fd00:7::/64"]',
    ],
    [
      "a default route among the routes",
      '[master.eql]\nroutes = ["0.0.0.0/0"]',
      'master.eql.routes[0]: found "0.0.0.0/0" (for the default route, write default-route = true); ' +
        'allowed: networks in a list, such as ["192.168.7.0/24", "fd00:7::/64"]',
    ],
    [
      "a route that is not in a list",
      '[master.eql]\nroutes = "10.0.0.0/8"',
      'master.eql.routes: found "10.0.0.0/8"; allowed: networks in a list, such as ["192.168.7.0/24", "fd00:7::/64"]',
    ],
    [
      "another protocol",
      `[line.sl0]\n${TTY}\nprotocol = "ppp"`,
      'line.sl0.protocol: found "ppp"; allowed: "slip"',
    ],
    [
      "an echo without pause",
      `[line.sl0]\n${TTY}\necho-interval = 0`,
      "line.sl0.echo-interval: found 0; allowed: a number from 0.1 to 3600 (seconds)",
    ],
  ];
  for (const [what, text, message] of cases) it(`refuses ${what}`, () => refuses(text, message));

  it("refuses what the kernel does not take as the name of an interface", () => {
    const rule =
      "allowed: a name of 1 to 15 printable ASCII characters, without space, slash, colon or per cent sign";
    for (const name of ["", ".", "..", "a b", "a/b", "eth0:1", "tun%d", "sixteen-letters-", "ä"]) {
      const key = /^[\w-]+$/.test(name) ? name : `"${name}"`;
      refuses(`[master."${name}"]`, `master.${key}: found the name "${name}"; ${rule}`);
    }
  });
});

describe("keys together", () => {
  const eql = '[master.eql]\naddress = "10.0.0.1"\npeer = "10.0.0.2"\n';
  const cases: readonly [what: string, text: string, message: string][] = [
    [
      "a line without device and interface",
      "[line.sl0]",
      'line.sl0: found neither device nor interface; give one of them, such as device = "/dev/ttyS0"',
    ],
    [
      "a line with both",
      `[line.sl0]\n${TTY}\ninterface = "ppp0"`,
      "line.sl0.interface: found device as well; give one of them",
    ],
    [
      "a speed for an interface",
      '[line.ppp0]\ninterface = "ppp0"\nspeed = 9600\nrate = 9600',
      "line.ppp0.speed: a kernel interface has no such setting; leave it out, or give device instead of interface",
    ],
    [
      "an interface without a rate",
      '[line.ppp0]\ninterface = "ppp0"',
      "line.ppp0.rate: found nothing; allowed: the bits per second of the line, because an interface has no speed",
    ],
    [
      "a device twice",
      `[line.sl0]\n${TTY}\n[line.sl1]\ndevice = "/dev//ttyS0"`,
      'line.sl1.device: found "/dev//ttyS0", which line.sl0 has already',
    ],
    [
      "an interface twice",
      '[line.a]\ninterface = "ppp0"\nrate = 1\n[line.ppp0]\ninterface = "ppp0"\nrate = 1',
      'line.ppp0.interface: found "ppp0", which line.a has already',
    ],
    [
      "a master as the interface of a line",
      '[master.eql]\n[line.a]\ninterface = "eql"\nrate = 1',
      'line.a.interface: found "eql", which is master.eql; allowed: an interface that exists without eql',
    ],
    [
      "a later line's interface as that of a line",
      `[line.a]\ninterface = "sl0"\nrate = 1\n[line.sl0]\n${TTY}`,
      'line.a.interface: found "sl0", which is line.sl0; allowed: an interface that exists without eql',
    ],
    [
      "a line with the name of a master",
      `[master.eql]\n[line.eql]\n${TTY}`,
      "line.eql: the name is taken by master.eql; choose another",
    ],
    [
      "a master that does not exist",
      `[master.eql]\n[master.b]\n[line.sl0]\n${TTY}\nmaster = "eq1"`,
      'line.sl0.master: found "eq1"; allowed: eql, b',
    ],
    [
      "a master where there is none",
      `[line.sl0]\n${TTY}\nmaster = "eql"`,
      'line.sl0.master: found "eql"; allowed: a master, and there is none; add [master.eql]',
    ],
    [
      "another MTU than the master's, in the words of 1995",
      `[master.eql]\n[line.sl0]\n${TTY}\nmaster = "eql"\nmtu = 576`,
      "line.sl0.mtu: master (1500) and slave (576) MTU settings do not match; make it equal to master.eql.mtu, or leave it out",
    ],
    [
      "an echo that nobody answers",
      `[master.eql]\n[line.sl0]\n${TTY}\nmaster = "eql"\necho-interval = 5`,
      "line.sl0.echo-interval: an echo needs somebody to answer; give peer here or in the master, or no echo",
    ],
    [
      "failures of an echo that is not sent",
      `${eql}[line.sl0]\n${TTY}\nmaster = "eql"\necho-failures = 5`,
      "line.sl0.echo-failures: without echo-interval there is no echo; give both or neither",
    ],
    [
      "a peer without an address",
      '[master.eql]\npeer = "10.0.0.2"',
      "master.eql.peer: found 10.0.0.2 without an address; give address as well, or neither",
    ],
    [
      "an address that is forgotten in the swap",
      '[master.eql]\naddress = "10.0.0.2"\npeer = "10.0.0.2"',
      "master.eql.peer: found 10.0.0.2, which is the address of this side; give that of the far side",
    ],
    [
      "an IPv6 address that is written in two ways",
      '[master.eql]\naddress = "fd00::2"\npeer = "FD00:0::2"',
      "master.eql.peer: found fd00::2, which is the address of this side; give that of the far side",
    ],
    [
      "two families",
      '[master.eql]\naddress = "10.0.0.1"\npeer = "fd00::2"',
      "master.eql.peer: found fd00::2; allowed: an IPv4 address, as 10.0.0.1 is one",
    ],
    [
      "an address of another family than the inherited peer's",
      `${eql}[line.sl0]\n${TTY}\nmaster = "eql"\naddress = "fd00::5"`,
      "line.sl0.peer: found 10.0.0.2; allowed: an IPv6 address, as fd00::5 is one",
    ],
    [
      "an MTU below IPv6's least",
      '[master.eql]\naddress = "fd00::1"\nmtu = 1279',
      "master.eql.mtu: found 1279; allowed: at least 1280, because fd00::1 is IPv6",
    ],
    [
      "an IPv6 route on a small MTU",
      `[line.sl0]\n${TTY}\nmtu = 576\nroutes = ["fd00::/64"]`,
      "line.sl0.mtu: found 576; allowed: at least 1280, because fd00::/64 is IPv6",
    ],
  ];
  for (const [what, text, message] of cases) it(`refuse ${what}`, () => refuses(text, message));

  it("accept IPv6 from its least MTU on", () => {
    assert.equal(parse('[master.eql]\naddress = "fd00::1"\nmtu = 1280').masters[0]?.mtu, 1280);
  });

  it("accept a kernel interface whose line has the same name", () => {
    assert.equal(parse('[line.ppp0]\ninterface = "ppp0"\nrate = 1').lines.length, 1);
  });

  it("do not blame a line for its master's errors", () => {
    refuses(
      `[master.eql]\nmtu = 9\naddress = "10.0.0.1"\npeer = "10.0.0.2"\n[line.sl0]\n${TTY}\nmaster = "eql"\nmtu = 576\necho-interval = 5`,
      "master.eql.mtu: found 9; allowed: an integer from 68 to 16384 (octets)",
    );
  });
});

it("lists all errors of a file", () => {
  refuses(
    `[daemon]\nlog-level = 3\n[master.eql]\n[line.sl0]\n${TTY}\nsped = 1\n[line.sl1]\n${TTY}\nmaster = "x"\n[line.sl2]\n${TTY}`,
    [
      "4 errors",
      '  daemon.log-level: found 3; allowed: "trace", "debug", "info", "warn", "error"',
      "  line.sl0.sped: unknown key; allowed: device, interface, protocol, speed, rate, rtscts, lock, mtu, master, " +
        "address, peer, routes, default-route, echo-interval, echo-failures",
      '  line.sl1.master: found "x"; allowed: eql',
      '  line.sl2.device: found "/dev/ttyS0", which line.sl1 has already',
    ].join("\n"),
  );
});

describe("a text that is not TOML", () => {
  it("is refused with line and column", () => {
    assert.throws(() => parse('[master.eql]\nmtu = \naddress = "10.0.0.1"'), {
      code: "CONFIG_INVALID",
      message: /^eql\.toml:2:\d+: not TOML: /,
    });
  });

  it("is refused when a table stands there twice", () => {
    assert.throws(() => parse("[line.sl0]\n[line.sl0]"), {
      code: "CONFIG_INVALID",
      message: /^eql\.toml:2:\d+: not TOML: /,
    });
  });

  it("is refused when a key would reach into the prototype", () => {
    assert.throws(() => parse("[master.__proto__]"), { code: "CONFIG_INVALID" });
  });
});

describe("whatever stands in the file", () => {
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("/dev/ttyS0", "eql", "sl0", "10.0.0.1", "fd00::1", "10.0.0.0/8"),
      fc.integer({ min: -10, max: 200_000 }),
      fc.double(),
      fc.boolean(),
      fc.date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-12-31") }),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  const KEYS = [
    ..."socket socket-mode socket-group lock-directory log-level address peer mtu scheduler max-slaves".split(
      " ",
    ),
    ..."min-slaves queue-packets default-route routes device interface protocol speed rate rtscts lock".split(
      " ",
    ),
    ..."master echo-interval echo-failures".split(" "),
  ];
  const key = fc.oneof(fc.constantFrom(...KEYS), fc.string());
  const table = fc.dictionary(key, value, { maxKeys: 6 });
  const name = fc.oneof(fc.constantFrom("eql", "sl0", "ppp0"), fc.string());
  const tables = fc.oneof({ weight: 5, arbitrary: fc.dictionary(name, table, { maxKeys: 3 }) }, value);
  const document = fc.record({ daemon: table, master: tables, line: tables }, { requiredKeys: [] });

  const onlyEqlErrors = (run: () => unknown, code: string): void => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof EqlError && error.code === code, String(error));
    }
  };

  it("only an EqlError comes of it", () => {
    fc.assert(
      fc.property(document, (content) => onlyEqlErrors(() => parse(stringify(content)), "CONFIG_INVALID")),
    );
  });

  it("only an EqlError comes of text", () => {
    fc.assert(fc.property(fc.string(), (text) => onlyEqlErrors(() => parse(text), "CONFIG_INVALID")));
  });

  it("only an EqlError comes of the settings of a request", () => {
    const json = fc.dictionary(key, fc.oneof(value, fc.jsonValue()), { maxKeys: 6 });
    const config = parse('[master.eql]\n[line.sl0]\ndevice = "/dev/ttyS0"');
    fc.assert(
      fc.property(name, json, (line, settings) =>
        onlyEqlErrors(() => parseLine(line, settings, config), "REQUEST_INVALID"),
      ),
    );
  });
});

describe("a line that is added later", () => {
  const config = parse(`[master.eql]\nmtu = 576\n[line.sl0]\n${TTY}\nmaster = "eql"`);

  it("gets what a line in the file gets", () => {
    const line = parseLine("sl1", { device: "/dev/ttyS1", speed: 9600, master: "eql" }, config);
    const expected: LineConfig = {
      ...LINE,
      name: "sl1",
      device: "/dev/ttyS1",
      speedBps: 9600,
      rateBps: 9600,
      mtu: 576,
      master: "eql",
    };
    assert.deepEqual(line, expected);
  });

  const cases: readonly [what: string, name: string, settings: Record<string, unknown>, message: string][] = [
    [
      "an unknown key",
      "sl1",
      { device: "/dev/ttyS1", baud: 9600 },
      "line sl1: baud: unknown key; allowed: device, interface, protocol, speed, rate, rtscts, lock, mtu, master, " +
        "address, peer, routes, default-route, echo-interval, echo-failures",
    ],
    [
      "the device of another line",
      "sl1",
      { device: "/dev/ttyS0" },
      'line sl1: device: found "/dev/ttyS0", which line.sl0 has already',
    ],
    [
      "the name of another line",
      "sl0",
      { device: "/dev/ttyS1" },
      "line sl0: a line of this name exists already",
    ],
    [
      "the name of a master",
      "eql",
      { device: "/dev/ttyS1" },
      "line eql: the name is taken by master.eql; choose another",
    ],
    [
      "another MTU than the master's",
      "sl1",
      { device: "/dev/ttyS1", master: "eql", mtu: 1500 },
      "line sl1: mtu: master (576) and slave (1500) MTU settings do not match; make it equal to master.eql.mtu, or leave it out",
    ],
    [
      "a bad name and a null",
      "a b",
      { device: null },
      'line a b: 2 errors\n  found the name "a b"; allowed: a name of 1 to 15 printable ASCII characters, without space, ' +
        'slash, colon or per cent sign\n  device: found null; allowed: an absolute path of at most 4095 characters, such as "/dev/ttyS0"',
    ],
  ];
  for (const [what, name, settings, message] of cases) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseLine(name, settings, config), { code: "REQUEST_INVALID", message });
    });
  }
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
      assert.ok(parseConfig(text, name).lines.length > 0);
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
    assert.deepEqual(there, { ...here, masters: here.masters.map(swap), lines: here.lines.map(swap) });
  });
});
