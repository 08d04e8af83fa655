import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { keyText } from "../../src/crypto/key-text.ts";
import { planReload } from "../../src/daemon/reload.ts";

const key = (octet: number): string => keyText(new Uint8Array(32).fill(octet));
const parse = (...tables: readonly string[]) => parseConfig(tables.join("\n"), "eql.toml");

const SERVER = '[server.vpn]\nkey-file = "/k"\naddress = "10.98.0.1/24"';
const client = (name: string, octet: number, ...more: readonly string[]): string =>
  [`[server.vpn.client.${name}]`, `key = "${key(octet)}"`, `address = "10.98.0.${octet}"`, ...more].join(
    "\n",
  );
const MASTER = `[master.wan]\nserver = "192.0.2.1:7411"\nserver-key = "${key(9)}"\nkey-file = "/k"`;
const path = (name: string, ...more: readonly string[]): string =>
  [`[line.${name}]`, 'protocol = "udp"', `device = "${name}"`, 'master = "wan"', ...more].join("\n");
const plain = (name: string, text: string): string => [`[line.${name}]`, text].join("\n");
const TTY = '[line.sl0]\ndevice = "/dev/ttyS0"';

describe("a configuration that is read again", () => {
  it("gives servers other clients and masquerading", () => {
    const was = parse(SERVER, client("joe", 2), client("ann", 3), MASTER, path("eth0"));
    const next = parse(
      `${SERVER}\nmasquerade = true`,
      client("joe", 2, "send-limit = 1_000_000"),
      client("eve", 4),
      MASTER,
      path("eth0"),
    );
    const { config, applied, restart } = planReload(was, next);
    assert.equal(config, next);
    assert.deepEqual(applied, [
      "server.vpn: masquerade",
      "server.vpn.client.joe: send-limit",
      "server.vpn.client.eve: added",
      "server.vpn.client.ann: removed",
    ]);
    assert.deepEqual(restart, []);
  });

  it("waits for a restart with all else, which stays as it was until then", () => {
    const was = parse("daemon.log-level = 'info'", SERVER, client("joe", 2), MASTER, path("eth0"), TTY);
    const next = parse(
      "daemon.log-level = 'debug'",
      `${SERVER}\nmtu = 1400\nforward = true\nmasquerade = true`,
      client("joe", 3),
      `${MASTER}\nmtu = 1400`,
      path("eth0"),
      `${TTY}\nspeed = 57600`,
      "[master.other]",
      '[server.more]\nkey-file = "/k"\nlisten = ["0.0.0.0:1"]',
      '[server.more.client.joe]\nkey = "' + key(2) + '"\naddress = "10.99.0.2"',
    );
    const { config, applied, restart } = planReload(was, next);
    assert.deepEqual(applied, ["server.vpn: forward, masquerade", "server.vpn.client.joe: key, address"]);
    assert.deepEqual(restart, [
      "daemon: log-level",
      "server.vpn: mtu",
      "server.more: added",
      "master.wan: mtu",
      "master.other: added",
      "line.sl0: speed",
    ]);
    assert.equal(config.daemon.logLevel, "info");
    assert.deepEqual(
      config.tunnels.map(({ name, mtu, masquerade }) => [name, mtu, masquerade]),
      [
        ["wan", 1440, false],
        ["vpn", 1440, true],
      ],
    );
    assert.equal(config.tunnels[1]?.peers[0]?.publicKey, key(3));
    assert.deepEqual(planReload(config, next), { config, applied: [], restart });
    assert.deepEqual(planReload(config, was).applied, [
      "server.vpn: forward, masquerade",
      "server.vpn.client.joe: key, address",
    ]);
  });

  it("gives masters that call a server other UDP lines, and tells this host of other name servers", () => {
    const was = parse(MASTER, path("eth0"), path("eth1"), TTY);
    const next = parse(
      `${MASTER}\nredundant = true\ndns = ["10.98.0.1"]\ndns-search = ["example.org"]\nmtu = 1400`,
      path("eth0", 'tier = "backup"', 'server = "192.0.2.7:7411"'),
      path("wwan0"),
      `${TTY}\nspeed = 57600`,
    );
    const { config, applied, restart } = planReload(was, next);
    assert.deepEqual(applied, [
      "master.wan: redundant, dns, dns-search",
      "line.eth0: tier, server",
      "line.wwan0: added",
      "line.eth1: removed",
    ]);
    assert.deepEqual(restart, ["master.wan: mtu", "line.sl0: speed"]);
    const [wan] = config.tunnels;
    assert.deepEqual(
      wan?.peers[0]?.paths.map(({ name, tier, servers }) => [name, tier, ...servers]),
      [
        ["eth0", "backup", "192.0.2.7:7411"],
        ["wwan0", "primary"],
      ],
    );
    assert.deepEqual([wan?.mtu, wan?.dns, wan?.search], [1440, ["10.98.0.1"], ["example.org"]]);
    assert.deepEqual(planReload(config, was).restart, []);
  });

  it("changes the path over a serial line, and nothing else of the line", () => {
    const serial = (text: string): string =>
      plain("modem", `device = "/dev/ttyS1"\nprotocol = "ppp"\n${text}`);
    const was = parse(MASTER, serial('master = "wan"'));
    const next = parse(MASTER, serial('master = "wan"\ntier = "backup"\nspeed = 57600'));
    const { applied, restart } = planReload(was, next);
    assert.deepEqual([applied, restart], [["line.modem: tier"], ["line.modem: speed"]]);
    assert.deepEqual(planReload(was, parse(MASTER, serial(""))).restart, ["line.modem: master"]);
  });

  it("leaves lines as they are that are no UDP lines, or whose master comes or goes", () => {
    const was = parse(MASTER, path("eth0"), TTY);
    for (const next of [
      parse(MASTER, '[line.eth0]\ndevice = "/dev/ttyS1"', TTY),
      parse(TTY),
      parse(MASTER, path("eth0"), path("sl0")),
      parse(MASTER.replace("wan", "other"), path("eth0").replace("wan", "other"), TTY),
      parse("[master.wan]", '[line.eth0]\ndevice = "/dev/ttyS1"\nmaster = "wan"', TTY),
    ]) {
      const { applied, restart, config } = planReload(was, next);
      assert.deepEqual(applied, []);
      assert.ok(restart.some((each) => each.startsWith("line.")));
      assert.deepEqual(structuredClone(config.source), structuredClone(was.source));
    }
  });

  it("is refused where it would be wrong without what waits for a restart", () => {
    const was = parse(SERVER, client("joe", 2));
    const next = parse(SERVER.replace("10.98.0.1", "10.98.0.9"), client("joe", 2), client("ann", 1));
    assert.throws(() => planReload(was, next), {
      code: "CONFIG_INVALID",
      message: /^the configuration without what needs a restart: server\.vpn\.client\.ann: .*own address/,
    });
  });
});
