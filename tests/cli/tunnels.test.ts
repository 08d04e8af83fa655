import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { formatStatus } from "../../src/cli/format-status.ts";
import { formatTunnels } from "../../src/cli/format-tunnels.ts";
import {
  changeClients,
  clientsFileOf,
  freeNumber,
  type KnownClient,
  readClients,
  updateClients,
} from "../../src/cli/known-clients.ts";
import { ownPublicKey } from "../../src/cli/own-key.ts";
import {
  bestAddress,
  type ClientOptions,
  clientConfig,
  clientLines,
  handedOut,
  isPrivate,
  nextClientLine,
  type ServerOptions,
  serverConfig,
} from "../../src/cli/tunnel-set-up.ts";
import type { TunnelConfig, TunnelPeerConfig } from "../../src/config/tunnel-config.ts";
import { keyText } from "../../src/crypto/key-text.ts";
import type { InterfaceAddress } from "../../src/host/netlink-objects.ts";
import { newPrivateKey } from "../../src/host/tunnel-crypto.ts";
import { status, tunnel } from "../daemon/fake-daemon.ts";
import { Bench } from "./run.ts";

const KNOWN_CLIENTS = new URL("../../src/cli/known-clients.js", import.meta.url).href;

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
    const some = tunnel({ peers: [{ ...peer, redundant: ["sparse", 46], drops: {} }] });
    assert.match(formatTunnels([some]), /; by two paths: those of sparse flows, DSCP 46\n/);
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
    assert.deepEqual(await bench.run("eql", "master", "wan", "--redundant", "sparse,ef,8"), shown);
    assert.deepEqual(bench.daemon.calls.at(-1), ["changeTunnel", "wan", { redundant: ["sparse", 46, 8] }]);
    const unknown = await bench.run("eql", "master", "wan", "--redundant", "sparse,fast");
    assert.match(unknown.stderr, /"fast" is no kind of packets; allowed: on, off, or sparse and code points/);
    const both = await bench.run("eql", "master", "wan", "--redundant", "off", "--max", "3");
    assert.equal(both.code, 2);
  });

  it("eql reload tells what was applied, and what was not", async () => {
    assert.equal((await bench.run("eql", "reload")).stdout, "nothing differs\n");
    bench.daemon.reloaded = { applied: ["server.vpn.client.joe: added"], restart: ["line.ttyS0: speed"] };
    assert.deepEqual(await bench.run("eql", "reload"), {
      code: 0,
      stdout: "server.vpn.client.joe: added\nline.ttyS0: speed (needs a restart)\n",
      stderr: "",
    });
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
    assert.match(unknown.stderr, /^eql: there is no path dls: /);
    for (const args of [["dsl"], ["dsl", "--tier", "third"], ["dsl", "--send-limit", "10"]]) {
      const { code, stderr } = await bench.run("eql", "line", "set", ...args);
      assert.equal(code, 2, stderr);
    }
    assert.ok(bench.daemon.calls.every(([call]) => call === "status"));
  });
});

describe("what a server without a file is", () => {
  const options: ServerOptions = { name: "eql", address: ["10.98.0.1/24"], keyFile: "/etc/eql/server.key" };
  const only = (change: Partial<ServerOptions> = {}, clients: readonly KnownClient[] = []): TunnelConfig => {
    const { tunnels, masters, lines } = serverConfig({ ...options, ...change }, clients);
    assert.deepEqual([tunnels.length, masters.length, lines.length], [1, 0, 0]);
    return tunnels[0] as TunnelConfig;
  };

  it("gives its clients addresses by their numbers, and prints their commands", () => {
    const server = only({}, [
      { number: 1, key: key(1) },
      { number: 4, key: key(2) },
    ]);
    assert.deepEqual(
      server.peers.map(({ name, publicKey, networks }) => [name, publicKey, networks]),
      [
        ["client1", key(1), ["10.98.0.2/32"]],
        ["client4", key(2), ["10.98.0.5/32"]],
      ],
    );
    assert.deepEqual(clientLines(server, key(9), "vpn.example.org"), [
      `eql client --server vpn.example.org:7411 --server-key ${key(9)} --address 10.98.0.2 --peer 10.98.0.1`,
      `eql client --server vpn.example.org:7411 --server-key ${key(9)} --address 10.98.0.5 --peer 10.98.0.1`,
    ]);
  });

  it("has a command for a client to come, and names what is not as usual", () => {
    const server = only({ address: ["10.98.0.1/24", "fd00::1/64"], listen: ["[::]:443"], mtu: 1400 });
    assert.equal(
      nextClientLine(server, 2, key(9), "2001:db8::1"),
      `eql client --server [2001:db8::1]:443 --server-key ${key(9)} --address 10.98.0.3/24 --address fd00::3/64 --mtu 1400`,
    );
    const peer = {
      ...only({}, [{ number: 1, key: key(1) }]).peers[0],
      dns: ["10.98.0.1"],
      search: ["a.org", "b.org"],
    };
    const lines = clientLines({ ...server, peers: [peer as TunnelPeerConfig] }, key(9), "192.0.2.1");
    assert.match(lines[0] ?? "", / --mtu 1400 --dns 10\.98\.0\.1 --dns-search a\.org b\.org$/);
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
    assert.throws(() => only({}, [{ number: 1, key: "nonsense" }]), { code: "CONFIG_INVALID" });
    assert.throws(() => only({ address: ["10.98.0.1/33"] }), { code: "CONFIG_INVALID" });
  });
});

describe("the address by which clients are to reach a host", () => {
  const at = (index: number, local: string): InterfaceAddress => ({
    index,
    family: local.includes(":") ? 6 : 4,
    local,
    peer: null,
    prefix: 24,
  });
  const all = [at(1, "127.0.0.1"), at(1, "::1"), at(2, "fe80::1"), at(2, "10.0.0.1"), at(3, "192.0.2.1")];

  it("is that of the default route, else one that is reached from afar, else any", () => {
    assert.equal(bestAddress(all, 2), "10.0.0.1");
    assert.equal(bestAddress(all, undefined), "192.0.2.1");
    assert.equal(bestAddress(all, 7), "192.0.2.1");
    assert.equal(bestAddress(all.slice(0, 4), undefined), "10.0.0.1");
    assert.equal(bestAddress(all.slice(0, 3), 2), null);
  });

  it("is in doubt where it is a private one", () => {
    assert.deepEqual(
      ["10.1.2.3", "172.31.0.1", "fd00::1", "192.0.2.1", "2001:db8::1", "vpn.example.org"].map(isPrivate),
      [true, true, true, false, false, false],
    );
  });
});

describe("the clients of a server without a file", () => {
  const one = { number: 1, key: key(1) };
  const two = { number: 2, key: key(2) };

  it("keep their numbers when others come and go", () => {
    assert.deepEqual(changeClients([], [key(1), key(2), key(1)], []), [one, two]);
    assert.deepEqual(changeClients([one, two], [], [key(1)]), [two]);
    assert.deepEqual(changeClients([two], [key(3)], []), [{ number: 1, key: key(3) }, two]);
    assert.deepEqual(changeClients([one, two], [key(2)], []), [one, two]);
    assert.deepEqual([freeNumber([]), freeNumber([two]), freeNumber([one, two])], [1, 1, 3]);
  });

  it("are in a file beside its key, which may be edited", () => {
    const directory = mkdtempSync(join(tmpdir(), "eql-clients-"));
    try {
      const file = clientsFileOf(join(directory, "etc", "server.key"));
      assert.equal(file, join(directory, "etc", "server.clients"));
      assert.deepEqual(readClients(file), []);
      assert.deepEqual(
        updateClients(file, () => [one, two]),
        [one, two],
      );
      assert.deepEqual(readClients(file), [one, two]);
      writeFileSync(file, `${readFileSync(file, "utf8")}\n 7\t${key(7)} # the van\r\n`);
      assert.deepEqual(readClients(file), [one, two, { number: 7, key: key(7) }]);
      for (const line of ["0 x", "x", "1 a b", "1"]) {
        writeFileSync(file, `# comment\n${line}\n`);
        assert.throws(() => readClients(file), { code: "CONFIG_INVALID", message: /clients:2: found / });
      }
      assert.throws(() => readClients(directory), { code: "CONFIG_UNREADABLE" });
      assert.throws(() => updateClients(join(file, "clients"), () => []), { code: "REQUEST_INVALID" });
      writeFileSync(file, "");
      const become = (): [] => {
        rmSync(file);
        mkdirSync(file);
        return [];
      };
      assert.throws(() => updateClients(file, become), { code: "REQUEST_INVALID" });
      assert.equal(existsSync(`${file}.new`), false);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("are all kept when several are let in at once", async () => {
    const directory = mkdtempSync(join(tmpdir(), "eql-clients-"));
    try {
      const file = join(directory, "server.clients");
      const add = (who: number): Promise<unknown> => {
        const script = `import { changeClients, updateClients } from ${JSON.stringify(KNOWN_CLIENTS)};
          for (let n = 0; n < 50; n++) updateClients(process.argv[1], (all) => changeClients(all, ["${who}-" + n], []));`;
        return promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, file]);
      };
      await Promise.all([0, 1, 2].map(add));
      assert.equal(readClients(file).length, 150);
    } finally {
      rmSync(directory, { recursive: true });
    }
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
    const server = { name: "eql", address: ["10.98.0.1/24", "fd00::1/64"], keyFile: "/etc/eql/server.key" };
    const [tunnel] = serverConfig(server, []).tunnels;
    const text = nextClientLine(tunnel as TunnelConfig, 1, key(9), "192.0.2.1");
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
