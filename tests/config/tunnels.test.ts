import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { parseConfig } from "../../src/config/load.ts";
import type { TunnelConfig, TunnelPeerConfig } from "../../src/config/tunnel-config.ts";
import { contains, formatHostPort, parseHostPort } from "../../src/config/tunnel-words.ts";
import { EqlError } from "../../src/errors.ts";

const parse = (text: string) => parseConfig(text, "eql.toml");
const KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

const CALLER = `[master.eql]\nserver = "192.0.2.1:7411"\nserver-key = "${KEY}"\nkey-file = "/etc/eql/key"\n`;
const SERVER = '[server.vpn]\nkey-file = "/etc/eql/key"\n';
const CLIENT = `[server.vpn.client.joe]\nkey = "${KEY}"\naddress = "10.98.0.2"\n`;
const path = (name: string, ...more: readonly string[]): string =>
  [`[line.${name}]`, 'protocol = "udp"', 'master = "eql"', ...more, ""].join("\n");

const onlyTunnel = (text: string): TunnelConfig => {
  const { tunnels, masters, lines } = parse(text);
  assert.deepEqual([tunnels.length, masters.length, lines.length], [1, 0, 0]);
  return tunnels[0] as TunnelConfig;
};
const onlyPeer = (text: string): TunnelPeerConfig => {
  const { peers } = onlyTunnel(text);
  assert.equal(peers.length, 1);
  return peers[0] as TunnelPeerConfig;
};

describe("a master that calls a server", () => {
  it("is a tunnel to one peer, by one path where no line is given", () => {
    assert.deepEqual(onlyTunnel(CALLER), {
      name: "eql",
      mtu: 1440,
      addresses: [],
      peer: null,
      defaultRoute: false,
      routes: [],
      keyFile: "/etc/eql/key",
      listen: [],
      masquerade: false,
      forward: false,
      dns: [],
      search: [],
      scripts: null,
      peers: [
        {
          name: "server",
          publicKey: KEY,
          presharedKeyFile: null,
          servers: ["192.0.2.1:7411"],
          networks: ["0.0.0.0/0", "::/0"],
          dns: [],
          search: [],
          sendBps: null,
          receiveBps: null,
          redundant: false,
          paths: [
            {
              name: "any",
              device: null,
              address: null,
              servers: [],
              farPort: null,
              dials: false,
              tier: "primary",
              sendBps: null,
              receiveBps: null,
            },
          ],
        },
      ],
    });
  });

  it("takes from its server only what it has a route to", () => {
    const { networks } = onlyPeer(
      `${CALLER}address = "10.98.0.2"\npeer = "10.98.0.1"\nroutes = ["10.7.0.0/16"]`,
    );
    assert.deepEqual(networks, ["10.98.0.2/32", "10.98.0.1/32", "10.7.0.0/16"]);
    const two = onlyPeer(`${CALLER}address = ["10.98.0.2/24", "fd00:0::2/64"]`);
    assert.deepEqual(two.networks, ["10.98.0.0/24", "fd00::/64"]);
    const all = onlyPeer(`${CALLER}address = "10.98.0.2"\ndefault-route = true`);
    assert.deepEqual(all.networks, ["0.0.0.0/0", "::/0"]);
  });

  it("has its lines as paths", () => {
    const { paths } = onlyPeer(
      CALLER +
        path("lte", 'device = "wwan0"', 'tier = "backup"', "send-limit = 1_000_000") +
        path(
          "dsl",
          'device = "eth0"',
          'local-address = "fd00:0::7"',
          "receive-limit = 5000",
          'server = ["10.9.0.1:7411", "[fd00:0::1]:7411"]',
        ),
    );
    assert.deepEqual(paths, [
      {
        name: "lte",
        device: "wwan0",
        address: null,
        servers: [],
        farPort: null,
        dials: false,
        tier: "backup",
        sendBps: 1e6,
        receiveBps: null,
      },
      {
        name: "dsl",
        device: "eth0",
        address: "fd00::7",
        servers: ["10.9.0.1:7411", "[fd00::1]:7411"],
        farPort: null,
        dials: false,
        tier: "primary",
        sendBps: null,
        receiveBps: 5000,
      },
    ]);
  });

  it("has a path over each of its serial lines, to the far end or where the line says", () => {
    const { lines, tunnels } = parse(
      `${CALLER.replace(":7411", ":444")}mtu = 1400\naddress = "10.98.0.2"
[dial.home]\nnumbers = ["1"]\nidle-limit = 5
[line.modem]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\ndial = "home"\nmaster = "eql"\ntier = "backup"
${path("dsl", 'device = "eth0"')}
[line.sl0]\ndevice = "/dev/ttyS1"\npeer = "10.9.0.1"\naddress = "10.9.0.2"\nmaster = "eql"\nserver = "10.7.0.1:7"`,
    );
    // As lines they are alone.
    assert.deepEqual(
      lines.map(({ name, master, tunnel, mtu, address, echo, ppp }) => ({
        name,
        master,
        tunnel,
        mtu,
        address,
        echo,
        multilink: ppp?.lcp.multilink ?? null,
      })),
      [
        {
          name: "modem",
          master: null,
          tunnel: "eql",
          mtu: 1500,
          address: null,
          echo: null,
          multilink: null,
        },
        {
          name: "sl0",
          master: null,
          tunnel: "eql",
          mtu: 1500,
          address: "10.9.0.2",
          echo: null,
          multilink: null,
        },
      ],
    );
    const { paths = [] } = tunnels[0]?.peers[0] ?? {};
    assert.deepEqual(
      paths.map(({ name, device, servers, farPort, dials, tier }) => [
        name,
        device,
        servers,
        farPort,
        dials,
        tier,
      ]),
      [
        ["modem", "modem", [], 444, true, "backup"],
        ["dsl", "eth0", [], null, false, "primary"],
        ["sl0", "sl0", ["10.7.0.1:7"], null, false, "primary"],
      ],
    );
  });

  it("has a path over a master of serial lines", () => {
    const { masters, tunnels } = parse(
      `${CALLER}[master.modems]\n[line.ppp0]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\nmaster = "modems"\n${path(
        "both",
        'device = "modems"',
        'server = "10.9.0.1:7411"',
      )}`,
    );
    assert.deepEqual(
      masters.map(({ name }) => name),
      ["modems"],
    );
    assert.equal(tunnels[0]?.peers[0]?.paths[0]?.device, "modems");
  });
});

describe("a server", () => {
  it("has its clients as peers, and routes to what its own addresses do not reach", () => {
    const { routes, peers, listen } = onlyTunnel(
      `${SERVER}address = "10.98.0.1/24"\n${CLIENT}routes = ["192.168.7.0/24", "fd00:7::/64"]`,
    );
    assert.deepEqual(routes, ["192.168.7.0/24", "fd00:7::/64"]);
    assert.deepEqual(peers[0]?.networks, ["10.98.0.2/32", "192.168.7.0/24", "fd00:7::/64"]);
    assert.deepEqual(peers[0]?.paths, []);
    assert.deepEqual(listen, ["0.0.0.0:7411", "[::]:7411"]);
  });
});

describe("packets by two paths", () => {
  const chosen = (text: string): unknown => onlyTunnel(`${CALLER}redundant = ${text}`).peers[0]?.redundant;

  it("are all, none, or kinds by name and number", () => {
    assert.equal(chosen("true"), true);
    assert.equal(chosen("false"), false);
    assert.deepEqual(chosen('["sparse", "EF", "af41", 7, "12"]'), ["sparse", 46, 34, 7, 12]);
  });

  it("are of kinds that there are", () => {
    assert.throws(() => chosen('["fast"]'), /master\.eql\.redundant.*it is no kind of packets/s);
    assert.throws(() => chosen("[64]"), /master\.eql\.redundant/);
    assert.throws(() => chosen('["64"]'), /it is no kind of packets/);
    assert.throws(
      () => chosen('"on"'),
      /master\.eql\.redundant: .*true, false, or kinds of packets in a list/s,
    );
  });
});

describe("what does not agree", () => {
  const cases: readonly [what: string, text: string, ...messages: readonly string[]][] = [
    [
      "settings of serial lines with a server",
      `${CALLER}scheduler = "weighted"\ndemand = true`,
      "master.eql.scheduler: a master that calls a server has no such setting; leave it out, or server",
      "master.eql.demand: a master that calls a server has no such setting; leave it out, or server",
    ],
    [
      "no keys",
      '[master.eql]\nserver = "vpn.example.org:7411"',
      "master.eql.server-key: found nothing; allowed: the server's public key, as `eql pubkey` prints it there",
      "master.eql.key-file: found nothing; allowed: a file with our private key, as `eql genkey` makes it",
    ],
    [
      "settings of UDP without a server",
      "[master.eql]\nredundant = true",
      "master.eql.redundant: only a master that calls a server has such a setting; give server as well, or leave it out",
    ],
    [
      "several addresses without a server",
      '[master.eql]\naddress = ["10.0.0.1", "fd00::1"]',
      "master.eql.address: found a list (there is no server); allowed: an IPv4 or IPv6 address",
    ],
    [
      "a peer of several addresses",
      `${CALLER}address = ["10.98.0.2/24"]\npeer = "10.98.0.1"`,
      "master.eql.peer: found 10.98.0.1; allowed: nothing where address is a list or has a prefix length",
    ],
    [
      "a peer of another family",
      `${CALLER}address = "10.98.0.2"\npeer = "fd00::1"`,
      "master.eql.peer: found fd00::1; allowed: an IPv4 address, as 10.98.0.2 is one",
    ],
    [
      "a place without a port",
      CALLER.replace(":7411", ""),
      'master.eql.server: found "192.0.2.1" (it is no HOST:PORT); allowed: HOST:PORT, such as "vpn.example.org:7411" or "[2001:db8::1]:7411", or several in a list',
    ],
    [
      "settings of a tty on a UDP line",
      CALLER + path("wan0", "speed = 9600", 'dial = "isp"', 'device = "/dev/ttyS0"'),
      'line.wan0.speed: a line with protocol = "udp" has no such setting; leave it out',
      'line.wan0.dial: a line with protocol = "udp" has no such setting; leave it out',
      'line.wan0.device: found "/dev/ttyS0"; allowed: the name of an interface, such as "wwan0"',
    ],
    [
      "settings of UDP on a tty",
      '[line.sl0]\ndevice = "/dev/ttyS0"\ntier = "backup"',
      'line.sl0.tier: only a line with protocol = "udp", or with a master that calls a server, has such a setting; leave it out',
    ],
    [
      "a UDP line without a master, and one whose master has no server",
      `[master.other]\n${CALLER}[line.a]\nprotocol = "udp"\n${path("b").replace('"eql"', '"other"')}`,
      "line.a.master: found nothing; allowed: eql",
      'line.b.master: found "other", which calls no server; give server in master.other, or name another',
    ],
    [
      "a SLIP line of such a master without a far end",
      `${CALLER}[line.sl0]\ndevice = "/dev/ttyS0"\nmaster = "eql"\nlocal-address = "10.9.0.2"`,
      'line.sl0.local-address: only a line with protocol = "udp" has such a setting; give address',
      "line.sl0.peer: found nothing; allowed: the address of the far end, to which the path of master.eql leads, or server besides",
    ],
    [
      "a PPP line of such a master that is of a bundle, or without addresses, or on demand",
      `${CALLER}[dial.home]\nnumbers = ["1"]\ndemand = true
[line.ppp0]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\nmaster = "eql"\nmultilink = true\nmrru = 1500
[line.ppp1]\ndevice = "/dev/ttyS1"\nprotocol = "ppp"\nmaster = "eql"\nipv4 = false\nipv6 = true\ndial = "home"\nmultilink = false`,
      "line.ppp0.multilink: found a link of a bundle, but master.eql calls a server; leave it out, or give the bundle a master of its own, and that a UDP line",
      "line.ppp0.mrru: found a link of a bundle, but master.eql calls a server; leave it out, or give the bundle a master of its own, and that a UDP line",
      "line.ppp1.ipv4: found false; allowed: true, as the path of master.eql needs an address",
      'line.ppp1.dial: dial.home has demand, and a path has always something to send; leave that out, or give tier = "backup"',
    ],
    [
      "a kernel interface as a serial line of such a master",
      `${CALLER}[line.wan]\ninterface = "wan0"\nrate = 9600\nmaster = "eql"`,
      'line.wan.master: found "eql", which calls a server; give protocol = "udp", and device instead of interface',
    ],
    [
      "a path over a line that has one already",
      `${CALLER}[line.sl0]\ndevice = "/dev/ttyS0"\nmaster = "eql"\npeer = "10.9.0.1"\naddress = "10.9.0.2"\n${path("a", 'device = "sl0"')}`,
      'line.a.device: found "sl0", which joins eql; allowed: a line that stays alone',
    ],
    [
      "the same path twice",
      CALLER + path("a", 'device = "eth0"') + path("b", 'device = "eth0"') + path("c") + path("d"),
      "line.b.device: line.a is the same path; give another device or local-address",
      "line.d: line.c is the same path; give another device or local-address",
    ],
    [
      "more paths than can be told apart",
      CALLER + Array.from({ length: 33 }, (_, at) => path(`wan${at}`, `device = "eth${at}"`)).join(""),
      "master.eql: found 33 lines; allowed: at most 32",
    ],
    [
      "a path by an interface of paths",
      CALLER + path("a", 'device = "eql"'),
      'line.a.device: found "eql", which leads to peers itself; allowed: an interface below it',
    ],
    [
      "a path over a line that joins a master",
      `${CALLER}[master.old]\n[line.sl0]\ndevice = "/dev/ttyS0"\nmaster = "old"\n${path("a", 'device = "sl0"')}`,
      'line.a.device: found "sl0", which joins old; allowed: old, or a line that stays alone',
    ],
    [
      "a server without IPv4 that masquerades, with a small MTU",
      `${SERVER}address = "2001:db8::1/64"\nmtu = 1000\nmasquerade = true`,
      "server.vpn.mtu: found 1000; allowed: at least 1280, because 2001:db8::1/64 is IPv6",
      "server.vpn.masquerade: found neither an IPv4 address nor one of fc00::/7; give address as well",
    ],
    [
      "two clients that are one, and one that nothing leads to",
      `${SERVER}${CLIENT}${CLIENT.replace("joe", "jim")}[server.vpn.client.ann]\nkey = "${OTHER_KEY}"`,
      "server.vpn.client.jim.key: client.joe has the same one; each client has a key of its own",
      "server.vpn.client.jim: 10.98.0.2/32 is client.joe's already; it leads to one of them",
      "server.vpn.client.ann.address: found neither address nor routes, so that nothing leads to the client; give one",
    ],
    [
      "a client with the server's address",
      `${SERVER}address = "10.98.0.2/24"\n${CLIENT}`,
      "server.vpn.client.joe: 10.98.0.2/32 has the server's own address in it; give the client another one",
    ],
    [
      "two servers on one port, and with one name",
      `${SERVER}[server.eql]\nkey-file = "/k"\nlisten = ["[0::0]:7411"]\n[master.eql]`,
      "server.eql: the name is taken by master.eql; choose another",
      'server.eql.listen: found "[::]:7411", where server.vpn listens already',
    ],
    [
      "an unknown key of a client",
      `${SERVER}${CLIENT}keys = 1`,
      "server.vpn.client.joe.keys: unknown key; allowed: key, preshared-key-file, address, routes, dns, dns-search, send-limit, receive-limit, redundant",
    ],
  ];
  for (const [what, text, ...messages] of cases) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parse(text),
        (error) => {
          assert.ok(error instanceof EqlError, String(error));
          const said = error.message.replace(/^eql\.toml: (\d+ errors\n)?/, "").split("\n");
          assert.deepEqual(
            said.map((line) => line.trim()),
            messages,
          );
          return true;
        },
      );
    });
  }
});

describe("HOST:PORT", () => {
  it("is read and written alike", () => {
    for (const text of ["192.0.2.1:1", "[2001:db8::1]:65535", "vpn.example.org:7411", "localhost:7411"]) {
      assert.equal(formatHostPort(parseHostPort(text) ?? { host: "", port: 0 }), text);
    }
    assert.deepEqual(parseHostPort("[2001:0db8:0::1]:7411"), { host: "2001:db8::1", port: 7411 });
  });

  it("is nothing else", () => {
    for (const text of [
      "",
      ":1",
      "a",
      "a:",
      "a:0",
      "a:65536",
      "2001:db8::1:7411",
      "[192.0.2.1]:1",
      "[a]:1",
      "1.2.3:4",
      "1.2.3.400:4",
      "-a:1",
      "a b:1",
      "a..b:1",
    ]) {
      assert.equal(parseHostPort(text), null, text);
    }
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = parseHostPort(text);
        return read === null || parseHostPort(formatHostPort(read)) !== null;
      }),
    );
  });
});

it("a network contains those within it", () => {
  assert.ok(contains("10.98.0.0/23", "10.98.1.7/32"));
  assert.ok(contains("0.0.0.0/0", "10.0.0.0/8"));
  assert.ok(contains("fd00::/9", "fd7f::1"));
  assert.ok(!contains("10.98.0.0/24", "10.98.1.7"));
  assert.ok(!contains("10.98.0.0/24", "10.98.0.0/23"));
  assert.ok(!contains("0.0.0.0/0", "fd00::/8"));
});

it("whatever stands in tables about UDP, only an EqlError comes of it", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(KEY, "10.98.0.1/24", "fd00::1", "192.0.2.1:7411", "udp", "eql", "wwan0", "/k"),
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.oneof(fc.string(), fc.constantFrom("10.98.0.1/24", "192.0.2.1:7411")), { maxLength: 3 }),
    fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
  );
  const key = fc.constantFrom(
    ..."listen key-file address mtu masquerade forward client key routes dns server server-key peer".split(
      " ",
    ),
    ..."protocol device master tier local-address send-limit default-route redundant".split(" "),
  );
  const table = fc.dictionary(key, value, { maxKeys: 7 });
  const tables = fc.dictionary(fc.constantFrom("eql", "a"), table, { maxKeys: 2 });
  const document = fc.record({ master: tables, server: tables, line: tables }, { requiredKeys: [] });
  fc.assert(
    fc.property(document, (content) => {
      try {
        parse(stringify(content));
      } catch (error) {
        assert.ok(error instanceof EqlError && error.code === "CONFIG_INVALID", String(error));
      }
    }),
  );
});
