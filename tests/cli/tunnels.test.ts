import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { formatStatus } from "../../src/cli/format-status.ts";
import { formatTunnels } from "../../src/cli/format-tunnels.ts";
import { ownPublicKey } from "../../src/cli/own-key.ts";
import {
  type ClientOptions,
  clientConfig,
  clientLines,
  handedOut,
  type ServerOptions,
  serverConfig,
} from "../../src/cli/tunnel-set-up.ts";
import type { TunnelConfig } from "../../src/config/tunnel-config.ts";
import { keyText } from "../../src/crypto/key-text.ts";
import { newPrivateKey } from "../../src/host/tunnel-crypto.ts";
import { status, tunnel } from "../daemon/fake-daemon.ts";
import { Bench } from "./run.ts";

const key = (octet: number): string => keyText(new Uint8Array(32).fill(octet));

const SHOWN = `TUNNEL  STATE   MTU  PEERS
wan     up     1440  1 of 1
  public key 9jz5NVmW8Q7bKZ0u1P3eFxYh2RrTtGv4LsXcDdAa0EE=
  dropped: 3 stranger

PEER    TUNNEL  SESSION      QUEUE  OCTETS  SENT   OCTETS  REPEATED  RECEIVED   OCTETS
server  wan     established     12   16000  1190  1600000         2       890  1000000
  public key Zk1d2s0X9y8W7v6U5t4S3r2Q1p0ONmLkJiHgFeDcBaA=; aes-256-gcm
  dropped: 7 delayed

PATH      PEER    STATE    TIER         RATE  TRIP     QUEUE   LOSS   SENT  LOST  RECEIVED
dsl       server  alive    primary  94300000  21.3 ms  3.9 ms  0.1 %  1200     2       900
  eth0: 192.168.1.7:40001 -> 192.0.2.1:7411, MTU 1440
lte       server  proving  backup          -  -        0.0 ms  0.0 %     4     0         0
  wwan0: ? -> ?, MTU 1200
starlink  wan     waiting  -               -  -        -       -         -     -         -
  why: there is no interface eth1
`;

describe("the status of tunnels", () => {
  it("shows peers and paths, and why a path is not there", () => {
    assert.equal(formatTunnels([tunnel()]), SHOWN);
  });

  it("stands in for masters and lines that are not there", () => {
    const text = formatStatus(status({ masters: [], lines: [], tunnels: [tunnel()] }));
    assert.equal(text, `eql 0.1.0, process 4242, up 1h02m\n\n${SHOWN}`);
  });

  it("shows a server without clients, and a peer with two paths for each packet", () => {
    const idle = tunnel({ peers: [], waiting: [], drops: {}, listen: ["0.0.0.0:7411"] });
    assert.match(
      formatTunnels([idle]),
      /^TUNNEL.*\nwan .*0 of 0\n {2}public key .*\n {2}listens at 0\.0\.0\.0:7411\n$/,
    );
    const [peer] = tunnel().peers;
    assert.ok(peer !== undefined);
    const twice = tunnel({ peers: [{ ...peer, redundant: true, cipher: null, session: "none", drops: {} }] });
    assert.match(formatTunnels([twice]), /public key \S+; all packets by two paths\n/);
    assert.match(formatTunnels([twice]), /0 of 1\n/);
  });
});

describe("commands for tunnels", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = new Bench();
    await bench.serve();
    bench.daemon.now = status({ tunnels: [tunnel()] });
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const shown = { code: 0, stdout: SHOWN, stderr: "" };

  it("eql master shows a tunnel, and lets its packets go by two paths", async () => {
    assert.deepEqual(await bench.run("eql", "master", "wan"), shown);
    assert.deepEqual(await bench.run("eql", "master", "wan", "--redundant", "on"), shown);
    assert.deepEqual(bench.daemon.calls.at(-1), ["changeTunnel", "wan", { redundant: true }]);
    const both = await bench.run("eql", "master", "wan", "--redundant", "off", "--max", "3");
    assert.equal(both.code, 2);
  });

  it("eql line set changes a path, also one that is not there", async () => {
    assert.deepEqual(await bench.run("eql", "line", "set", "dsl", "--tier", "backup"), shown);
    assert.deepEqual(bench.daemon.calls.at(-1), ["changePath", "wan", "dsl", { tier: "backup" }]);
    const limits = ["--send-limit", "5000", "--receive-limit", "none"];
    assert.deepEqual(await bench.run("eql", "line", "set", "starlink", ...limits), shown);
    assert.deepEqual(bench.daemon.calls.at(-1), [
      "changePath",
      "wan",
      "starlink",
      { sendBps: 5000, receiveBps: null },
    ]);
  });

  it("eql line set says what is wrong", async () => {
    const unknown = await bench.run("eql", "line", "set", "dls", "--tier", "backup");
    assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
    assert.match(unknown.stderr, /^eql: there is no UDP line dls: /);
    for (const args of [["dsl"], ["dsl", "--tier", "third"], ["dsl", "--send-limit", "10"]]) {
      const { code, stderr } = await bench.run("eql", "line", "set", ...args);
      assert.equal(code, 2, stderr);
    }
    assert.ok(bench.daemon.calls.every(([call]) => call === "status"));
  });
});

describe("what a server without a file is", () => {
  const options: ServerOptions = { name: "eql", address: ["10.98.0.1/24"], keyFile: "/etc/eql/server.key" };
  const only = (change: Partial<ServerOptions> = {}): TunnelConfig => {
    const { tunnels, masters, lines } = serverConfig({ ...options, ...change });
    assert.deepEqual([tunnels.length, masters.length, lines.length], [1, 0, 0]);
    return tunnels[0] as TunnelConfig;
  };

  it("gives its clients addresses in order, and prints their commands", () => {
    const server = only({ client: [key(1), key(2)] });
    assert.deepEqual(
      server.peers.map(({ name, publicKey, networks }) => [name, publicKey, networks]),
      [
        ["client1", key(1), ["10.98.0.2/32"]],
        ["client2", key(2), ["10.98.0.3/32"]],
      ],
    );
    assert.deepEqual(clientLines(server, key(9), "vpn.example.org"), [
      `eql client --server vpn.example.org:7411 --server-key ${key(9)} --address 10.98.0.2 --peer 10.98.0.1`,
      `eql client --server vpn.example.org:7411 --server-key ${key(9)} --address 10.98.0.3 --peer 10.98.0.1`,
    ]);
  });

  it("has a command for the first client before there is one, and names what is not as usual", () => {
    const server = only({ address: ["10.98.0.1/24", "fd00::1/64"], listen: ["[::]:443"], mtu: 1400 });
    assert.deepEqual(clientLines(server, key(9), "2001:db8::1"), [
      `eql client --server [2001:db8::1]:443 --server-key ${key(9)} --address 10.98.0.2/24 --address fd00::2/64 --mtu 1400`,
    ]);
  });

  it("masquerades when it is told to", () => {
    assert.deepEqual([only().masquerade, only().forward], [false, false]);
    const told = only({ masquerade: true });
    assert.deepEqual([told.masquerade, told.forward], [true, true]);
  });

  it("has no more clients than addresses", () => {
    assert.equal(handedOut("10.98.0.255/16", 1), "10.98.1.0");
    assert.equal(handedOut("fd00::ffff/64", 2), "fd00::1:1");
    assert.throws(() => handedOut("10.98.0.1/30", 3), { code: "REQUEST_INVALID" });
    assert.throws(() => handedOut("255.255.255.255/8", 1), { code: "REQUEST_INVALID" });
  });

  it("refuses what a file would be refused for", () => {
    assert.throws(() => only({ client: ["nonsense"] }), { code: "CONFIG_INVALID" });
    assert.throws(() => only({ address: ["10.98.0.1/33"] }), { code: "CONFIG_INVALID" });
  });
});

describe("what a client without a file is", () => {
  const options: ClientOptions = {
    name: "eql",
    server: ["192.0.2.1:7411"],
    serverKey: key(9),
    keyFile: "/etc/eql/client.key",
  };

  it("has a path for each device", () => {
    const { tunnels } = clientConfig({ ...options, address: ["10.98.0.2"], peer: "10.98.0.1" }, [
      "eth0",
      "wwan0",
    ]);
    const [{ addresses, peer, peers } = assert.fail()] = tunnels;
    assert.deepEqual([addresses, peer], [["10.98.0.2/32"], "10.98.0.1"]);
    assert.deepEqual(
      peers[0]?.paths.map(({ name, device, tier }) => [name, device, tier]),
      [
        ["eth0", "eth0", "primary"],
        ["wwan0", "wwan0", "primary"],
      ],
    );
  });

  it("understands the command that a server prints", () => {
    const [server] = serverConfig({
      name: "eql",
      address: ["10.98.0.1/24", "fd00::1/64"],
      keyFile: "/etc/eql/server.key",
    }).tunnels;
    const [text = ""] = clientLines(server as TunnelConfig, key(9), "192.0.2.1");
    const address = [...text.matchAll(/--address (\S+)/g)].map(([, found = ""]) => found);
    const { tunnels } = clientConfig({ ...options, address }, []);
    assert.deepEqual(tunnels[0]?.addresses, ["10.98.0.2/24", "fd00::2/64"]);
    assert.deepEqual(tunnels[0]?.peers[0]?.paths[0]?.device, null);
  });
});

describe("the key of a server or client", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "eql-own-key-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  it("is made at the first start, for its owner alone, and kept", () => {
    const file = join(directory, "etc", "server.key");
    const made = ownPublicKey(file);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const content = readFileSync(file, "utf8");
    assert.equal(ownPublicKey(file), made);
    assert.equal(readFileSync(file, "utf8"), content);
    assert.ok(!content.includes(made));
  });

  it("is not used when others may read it", () => {
    const file = join(directory, "open.key");
    writeFileSync(file, keyText(newPrivateKey()), { mode: 0o644 });
    assert.throws(() => ownPublicKey(file), { code: "CONFIG_UNREADABLE" });
  });
});
