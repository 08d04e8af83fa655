import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import { parseConfig, parseLine } from "../../src/config/load.ts";

describe("a line that is added later", () => {
  const config = parseConfig(
    '[master.eql]\nmtu = 576\n[line.sl0]\ndevice = "/dev/ttyS0"\nmaster = "eql"',
    "eql.toml",
  );

  it("gets what a line in the file gets", () => {
    const line = parseLine("sl1", { device: "/dev/ttyS1", speed: 9600, master: "eql" }, config);
    const expected: LineConfig = {
      name: "sl1",
      kind: "slip",
      device: "/dev/ttyS1",
      speedBps: 9600,
      rateBps: 9600,
      rtscts: false,
      carrier: false,
      lock: true,
      mtu: 576,
      master: "eql",
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
    assert.deepEqual(line, expected);
  });

  const cases: readonly [what: string, name: string, settings: Record<string, unknown>, message: string][] = [
    [
      "an unknown key",
      "sl1",
      { device: "/dev/ttyS1", baud: 9600 },
      "line sl1: baud: unknown key; allowed: device, interface, protocol, speed, rate, rtscts, carrier, lock, role, dial, numbers, answer, up-command, mtu, master, " +
        "address, peer, routes, default-route, echo-interval, echo-failures, server, local-address, tier, send-limit, receive-limit",
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
        'slash, colon or per cent sign\n  device: found null; allowed: an absolute path of at most 4095 characters, such as "/dev/ttyS0"; with UDP the name of an interface, such as "wwan0"',
    ],
  ];
  for (const [what, name, settings, message] of cases) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseLine(name, settings, config), { code: "REQUEST_INVALID", message });
    });
  }
});
