import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { parseRunslip } from "../../src/config/runslip-conf.ts";
import { runslipToToml } from "../../src/config/runslip-toml.ts";
import { EqlError } from "../../src/errors.ts";
import { read } from "../docs/markdown.ts";

const translate = (text: string): string => runslipToToml(parseRunslip(text, "runslip.conf"), "runslip.conf");
const load = (text: string): Config => parseConfig(translate(text), "runslip.conf");

/** What is wrong, without the words around it. */
function complaints(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    assert.ok(error instanceof EqlError && error.code === "CONFIG_INVALID", String(error));
    return error.message.split("\n").map((line) => line.trim());
  }
  return [];
}

const TWO = `
\tname\t\tfirst
\tenabled
\tbaud\t\t38400
\tmtu\t\t576
\tducmd\t\t-e /etc/slip/first.xp -t 0
\tcommand\t eql_enslave eql $interface 28800
\taddress\t 198.51.100.7
\tline\t\t/dev/ttyS2

name second
enabled
baud 19200
mtu 576
ducmd -t3 -e/etc/slip/second.xp 5551000 'secret
command /usr/local/bin/eql_enslave eql "$interface" 14400
address 198.51.100.7
line ttyS3
`;

describe("a runslip.conf", () => {
  it("becomes lines that are dialed by Expect scripts and join their master at their rate", () => {
    const { masters, lines } = load(TWO);
    assert.deepEqual(
      masters.map(({ name, address, mtu, maxSlaves }) => [name, address, mtu, maxSlaves]),
      [["eql", "198.51.100.7", 576, 4]],
    );
    assert.deepEqual(
      lines.map((line) => ({
        name: line.name,
        kind: line.kind,
        device: line.device,
        speeds: [line.speedBps, line.rateBps],
        rtscts: line.rtscts,
        mtu: line.mtu,
        master: line.master,
        address: line.address,
        connect: line.dial?.connect,
        attempts: line.dial?.attempts,
        upCommand: line.upCommand,
      })),
      [
        {
          name: "first",
          kind: "slip",
          device: "/dev/ttyS2",
          speeds: [38400, 28800],
          rtscts: true,
          mtu: 576,
          master: "eql",
          address: "198.51.100.7",
          connect: "expect -f /etc/slip/first.xp",
          attempts: null,
          upCommand: null,
        },
        {
          name: "second",
          kind: "slip",
          device: "/dev/ttyS3",
          speeds: [19200, 14400],
          rtscts: true,
          mtu: 576,
          master: "eql",
          address: "198.51.100.7",
          connect: "expect -f /etc/slip/second.xp 5551000 ''\\''secret'",
          attempts: null,
          upCommand: null,
        },
      ],
    );
  });

  it("is the one of the examples", () => {
    const { masters, lines } = load(read("examples/1995/runslip.conf"));
    assert.deepEqual(
      masters.map(({ name, mtu }) => [name, mtu]),
      [["eql", 576]],
    );
    assert.deepEqual(
      lines.map(({ master, rateBps, dial }) => [master, rateBps, dial?.connect]),
      [
        ["eql", 28_800, "expect -f /etc/slip/dialout/cua2-288.xp"],
        ["eql", 14_400, "expect -f /etc/slip/dialout/cua3-144.xp"],
      ],
    );
  });

  it("keeps a command that does something else, for a master that waits to be addressed", () => {
    const { masters, lines } = load(
      "name a\nenabled\nmtu 296\naddress 10.0.0.1\ncommand ifconfig $interface metric 1; eql_enslave eql $interface 9600\nline tty1",
    );
    assert.deepEqual(
      masters.map(({ name, address, mtu }) => [name, address, mtu]),
      [["eql", null, 296]],
    );
    const [line] = lines;
    assert.deepEqual(
      [line?.master, line?.address, line?.dial, line?.rtscts],
      [null, "10.0.0.1", null, false],
    );
    assert.equal(line?.upCommand, "ifconfig $interface metric 1; eql_enslave eql $interface 9600");
  });

  it("leaves out what is not enabled, as a comment", () => {
    const toml = translate(TWO.replace(/^enabled\n/m, ""));
    assert.deepEqual(
      parseConfig(toml, "").lines.map(({ name }) => name),
      ["first"],
    );
    const shown = toml.replace(/^# (?=\[|[a-z-]+ = )/gm, "");
    assert.deepEqual(
      parseConfig(shown, "").lines.map(({ name, dial }) => [name, dial?.name]),
      [
        ["first", "first"],
        ["second", "second"],
      ],
    );
    assert.deepEqual(load("").lines, []);
  });

  it("gives a line another name where its own is none for an interface, and says so", () => {
    const text = "name the first of my modems\nenabled\nline /dev/a\n\nname sl0\nenabled\nline /dev/b\n";
    assert.deepEqual(
      load(text).lines.map(({ name }) => name),
      ["sl1", "sl0"],
    );
    assert.match(translate(text), /^# name the first of my modems\n\[line\.sl1\]$/m);
  });

  it("gives each line its address where they differ, and each master its lines", () => {
    const stanza = (name: string, master: string, address: string): string =>
      `name ${name}\nenabled\naddress ${address}\nline ${name}\ncommand eql_enslave ${master} $interface 9600\n`;
    const { masters, lines } = load(
      stanza("a", "eql", "10.0.0.1") + stanza("b", "eql", "10.0.0.2") + stanza("c", "eql1", "10.0.0.3"),
    );
    assert.deepEqual(
      masters.map(({ name, address }) => [name, address]),
      [
        ["eql", null],
        ["eql1", "10.0.0.3"],
      ],
    );
    assert.deepEqual(
      lines.map(({ master, address }) => [master, address]),
      [
        ["eql", "10.0.0.1"],
        ["eql", "10.0.0.2"],
        ["eql1", "10.0.0.3"],
      ],
    );
  });

  it("says how a device is called today", () => {
    assert.match(translate("name a\nline /dev/cua2"), /\/dev\/ttyS2/);
  });

  it("takes comments, carriage returns and any white space", () => {
    const text = "# two lines\r\n\r\n  name  a\t\r\n\t# here\r\nenabled\r\n\r\nbaud\t 9600 \r\nline /dev/a";
    assert.deepEqual(
      load(text).lines.map(({ name, speedBps }) => [name, speedBps]),
      [["a", 9600]],
    );
  });
});

describe("what is wrong with a runslip.conf", () => {
  it("is told all at once, by line", () => {
    const text = `baud 9600
name a
speed 9600
baud 96oo
mtu 5
address 10.0.0
enabled yes
ducmd -t many -v
line /dev/a
line /dev/b

name a
baud
`;
    assert.deepEqual(complaints(text), [
      "runslip.conf: 13 errors",
      "line 1: found baud before name, with which a stanza begins",
      'line 3: unknown key "speed"; allowed: name, enabled, baud, mtu, ducmd, command, address, line',
      'line 4: baud: found "96oo"; allowed: an integer from 50 to 100000000 (bits per second)',
      'line 5: mtu: found "5"; allowed: an integer from 68 to 16384 (octets)',
      'line 6: address: found "10.0.0"; allowed: an IPv4 or IPv6 address',
      'line 7: enabled: found "yes"; allowed: nothing, as it is a flag',
      'line 8: ducmd: found "many" after -t; allowed: a number',
      'line 8: ducmd: unknown option "-v"; allowed: -e SCRIPT, -t TRIES',
      "line 8: ducmd: found no -e SCRIPT, which names the Expect script that dials",
      "line 10: line is given in line 9 already; a stanza begins with name",
      "line 12: the stanza has no line, which names its tty",
      'line 12: the name "a" is that of line 2 already',
      "line 13: baud has no value",
    ]);
  });

  it("may be an MTU that is not that of the master's other lines, or a rate that is none", () => {
    const text = TWO.replace("mtu 576\nducmd -t3", "mtu 1500\nducmd -t3").replace("14400", "0");
    assert.deepEqual(complaints(text), [
      "runslip.conf: 2 errors",
      "line 11: mtu: found 1500; allowed: 576, as first has it, of eql too",
      'line 16: command: found "/usr/local/bin/eql_enslave eql \\"$interface\\" 0"; allowed: an integer from 1 to 10000000000 (bits per second)',
    ]);
  });

  it("never is more than an error, and what is right is a configuration", () => {
    const key = fc.constantFrom(
      "name",
      "enabled",
      "baud",
      "mtu",
      "ducmd",
      "command",
      "address",
      "line",
      "x",
      "#",
    );
    const value = fc.oneof(
      fc.constantFrom(
        "",
        "9600",
        "576",
        "-e /a/b -t 0",
        "eql_enslave eql $interface 9600",
        "10.0.0.1",
        "ttyS0",
      ),
      fc.string({ unit: "grapheme" }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 20 }), (entries) => {
        const text = entries.map(([k, v]) => `${k} ${v}\n`).join("");
        let toml: string;
        try {
          toml = translate(text);
        } catch (error) {
          assert.ok(error instanceof EqlError, String(error));
          return;
        }
        try {
          parseConfig(toml, "x");
        } catch (error) {
          // Values that agree with nothing else, but never text that is no TOML.
          assert.ok(error instanceof EqlError && !error.message.includes("not TOML"), toml);
        }
      }),
    );
  });
});
