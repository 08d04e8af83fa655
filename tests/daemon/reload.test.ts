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
      `${MASTER}\ndefault-route = true`,
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
      "master.wan: default-route",
      "master.other: added",
      "line.sl0: speed",
    ]);
    assert.equal(config.daemon.logLevel, "info");
    assert.deepEqual(
      config.tunnels.map(({ name, mtu, defaultRoute, masquerade }) => [name, mtu, defaultRoute, masquerade]),
      [
        ["wan", 1440, false, false],
        ["vpn", 1440, false, true],
      ],
    );
    assert.equal(config.tunnels[1]?.peers[0]?.publicKey, key(3));
    assert.deepEqual(planReload(config, next), { config, applied: [], restart });
    assert.deepEqual(planReload(config, was).applied, [
      "server.vpn: forward, masquerade",
      "server.vpn.client.joe: key, address",
    ]);
  });

  it("leaves lines as they are", () => {
    const was = parse(MASTER, path("eth0"), TTY);
    for (const next of [
      parse(MASTER, '[line.eth0]\ndevice = "/dev/ttyS1"', TTY),
      parse(TTY),
      parse(MASTER, path("eth0"), path("sl0")),
      parse(MASTER, path("eth0", 'tier = "backup"'), TTY),
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
