import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import { differences, withDifferences } from "../../src/config/differences.ts";

const WAS = parse(`
daemon.log-level = "info"
[line.a]
speed = 1
[line.b]
speed = 2
routes = ["10.0.0.0/8"]
[server.vpn]
mtu = 1440
[server.vpn.client.joe]
key = "1"
[server.vpn.client.ann]
key = "2"
[server.old.client.bob]
key = "3"
`);
const IS = parse(`
daemon.log-level = "debug"
daemon.socket = "/run/x"
[line.b]
speed = 3
routes = ["10.0.0.0/9"]
[line.c]
[server.vpn]
forward = true
[server.vpn.client.joe]
key = "1"
address = "10.98.0.2"
[server.vpn.client.eve]
key = "4"
[server.new.client.bob]
key = "3"
`);

describe("differences", () => {
  it("are told table by table, those of a server's clients by themselves", () => {
    const told = differences(WAS, IS).map(({ table, change, keys }) =>
      [table.join("."), change, ...keys].join(" "),
    );
    assert.deepEqual(told, [
      "daemon changed log-level socket",
      "line.b changed speed routes",
      "line.c added",
      "line.a removed",
      "server.vpn changed forward mtu",
      "server.vpn.client.joe changed address",
      "server.vpn.client.eve added",
      "server.vpn.client.ann removed",
      "server.new added",
      "server.old removed",
    ]);
  });

  it("are none between two that say the same", () => {
    assert.deepEqual(differences(WAS, structuredClone(WAS)), []);
    assert.deepEqual(differences({}, {}), []);
  });

  it("make one of the other, all of them or some", () => {
    const all = differences(WAS, IS);
    assert.deepEqual(structuredClone(withDifferences(WAS, IS, all)), structuredClone(IS));
    assert.deepEqual(withDifferences(WAS, IS, []), structuredClone(WAS));
    const clients = all.filter(({ table }) => table.length === 4);
    const mixed = withDifferences(WAS, IS, clients);
    assert.deepEqual(differences(WAS, mixed), clients);
    assert.deepEqual(
      differences(mixed, IS),
      all.filter((each) => !clients.includes(each)),
    );
  });

  it("make one of the other, whatever they are", () => {
    const name = fc.constantFrom("a", "b", "constructor");
    const table = fc.dictionary(name, fc.constantFrom(1, "x", true));
    const named = fc.dictionary(name, table);
    const server = fc.record({ mtu: fc.integer(), client: named }, { requiredKeys: [] });
    const document = fc.record(
      { daemon: table, line: named, server: fc.dictionary(name, server) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(document, document, (was, is) => {
        const mixed = withDifferences(was, is, differences(was, is));
        assert.deepEqual(differences(mixed, is), []);
      }),
    );
  });
});
