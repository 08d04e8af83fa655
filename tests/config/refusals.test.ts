import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { EqlError } from "../../src/errors.ts";

const parse = (text: string) => parseConfig(text, "eql.toml");

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
    [
      "an unknown table",
      "[masters.eql]",
      "masters: unknown key; allowed: daemon, master, dial, answer, radius, server, line",
    ],
    [
      "an unknown key",
      '[daemon]\nlog = "info"',
      "daemon.log: unknown key; allowed: socket, socket-mode, socket-group, lock-directory, log-level",
    ],
    [
      "an unknown key in a list of tables",
      `[line.ppp0]\n${TTY}\nprotocol = "ppp"\nsecrets = [{ client = "a", secret = "b", servr = "c" }]`,
      'line.ppp0.secrets[0].servr: unknown key; allowed: a list of tables, such as [{ client = "them", secret = "…" }]',
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
      "a speed below the least",
      `[line.sl0]\n${TTY}\nspeed = 49`,
      "line.sl0.speed: found 49; allowed: an integer from 50 to 100000000 (bits per second)",
    ],
    [
      "text for an integer",
      `[line.sl0]\n${TTY}\nspeed = "fast"`,
      'line.sl0.speed: found "fast"; allowed: an integer from 50 to 100000000 (bits per second)',
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
      'master.eql.address: found "localhost" (it is no IP address); allowed: an IPv4 or IPv6 address; with server also with a prefix length, or several in a list, such as ["10.98.0.2/24", "fd00:98::2/64"]',
    ],
    [
      "no address at all",
      '[master.eql]\naddress = "::"',
      'master.eql.address: found "::" (it stands for no address at all); allowed: an IPv4 or IPv6 address; with server also with a prefix length, or several in a list, such as ["10.98.0.2/24", "fd00:98::2/64"]',
    ],
    [
      "a multicast address",
      '[master.eql]\naddress = "224.0.0.5"',
      'master.eql.address: found "224.0.0.5" (it is a multicast address); allowed: an IPv4 or IPv6 address; with server also with a prefix length, or several in a list, such as ["10.98.0.2/24", "fd00:98::2/64"]',
    ],
    [
      "the broadcast address",
      '[master.eql]\naddress = "255.255.255.255"',
      'master.eql.address: found "255.255.255.255" (it is the broadcast address); allowed: an IPv4 or IPv6 address; with server also with a prefix length, or several in a list, such as ["10.98.0.2/24", "fd00:98::2/64"]',
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
      `[line.sl0]\n${TTY}\nprotocol = "x25"`,
      'line.sl0.protocol: found "x25"; allowed: "slip", "ppp", "udp"',
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
      "a way of dialing that is not there",
      `[line.sl0]\n${TTY}\ndial = "isp"`,
      'line.sl0.dial: found "isp"; allowed: a [dial.NAME], and there is none; add [dial.isp]',
    ],
    [
      "a modem without a number",
      `[dial.isp]\n[line.sl0]\n${TTY}\ndial = "isp"`,
      "line.sl0.numbers: found none, here and in dial.isp; give numbers in one of them",
    ],
    [
      "a line of a master that is to be dialed on demand by itself",
      `[master.eql]\n[dial.isp]\nnumbers = ["1"]\ndemand = true\n[line.sl0]\n${TTY}\ndial = "isp"\nmaster = "eql"`,
      "line.sl0.dial: dial.isp has demand, which is for lines without a master; give demand in master.eql instead",
    ],
    [
      "a line of a master that is to hang up by itself",
      `[master.eql]\n[dial.isp]\nnumbers = ["1"]\nidle-limit = 60\n[line.sl0]\n${TTY}\ndial = "isp"\nmaster = "eql"`,
      "line.sl0.dial: dial.isp has idle-limit, which is for lines without a master; give idle-time in master.eql instead",
    ],
    [
      "numbers that nobody dials",
      `[line.sl0]\n${TTY}\nnumbers = ["1"]`,
      "line.sl0.numbers: found no dial, so that nothing is dialed; give dial, or leave it out",
    ],
    [
      "two ways to dial",
      '[dial.isp]\nconnect = "true"\nchat = "/etc/chat"',
      "dial.isp.chat: found connect as well; give one of them, as each dials and logs in by itself",
    ],
    [
      "a login beside a command that does it",
      '[dial.isp]\nconnect = "true"\nuser = "a"',
      "dial.isp.user: found connect as well, which does this by itself; give one of them",
    ],
    [
      "a login beside a script",
      '[dial.isp]\nscript = [{ send = "x" }]\nuser = "a"',
      "dial.isp.user: found script as well, which logs in by itself; give one of them",
    ],
    [
      "two passwords",
      '[dial.isp]\nuser = "a"\npassword = "b"\npassword-file = "/c"',
      "dial.isp.password-file: found password as well; give one of them",
    ],
    [
      "a password without a user",
      '[dial.isp]\npassword = "b"',
      "dial.isp.password: found no user, so that there is no login; give user as well, or leave it out",
    ],
    [
      "a pause that is longer than the longest",
      "[dial.isp]\nredial-pause = 90",
      "dial.isp.longest-redial-pause: found 60; allowed: at least redial-pause",
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
      "  line.sl0.sped: unknown key; allowed: device, interface, protocol, speed, rate, rtscts, carrier, lock, role, dial, numbers, answer, up-command, mtu, master, " +
        "address, peer, routes, default-route, echo-interval, echo-failures, server, local-address, tier, send-limit, receive-limit",
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
