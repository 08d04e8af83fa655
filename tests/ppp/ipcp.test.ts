import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetworkEvent } from "../../src/ppp/network-layer.ts";
import type { Secret } from "../../src/ppp/settings.ts";
import { instant } from "../../src/time.ts";
import { formatIpAddress } from "../../src/wire/ip-address.ts";
import { ip, ipv4, NetworkEnd, NetworkPair } from "./network-pair.ts";

const allowing = (...addresses: string[]): Secret => ({ client: "c", server: "*", secret: "x", addresses });

/** Events in one line each. */
const told = (end: NetworkEnd): string[] => end.events.map(lineOf);

function lineOf(event: NetworkEvent): string {
  if (event.type === "failed") return `failed: ${event.reason}`;
  if (event.type === "down") return "down";
  if (event.family === 6) return "up 6";
  const { local, remote, dns } = event;
  return ["up", ...[local, remote, ...dns].map(formatIpAddress)].join(" ");
}

const pairOf = (a: NetworkEnd, b: NetworkEnd): NetworkPair => new NetworkPair(a, b).up();

const server = { local: ip("10.5.0.1"), remote: ip("10.5.0.2") };

describe("IPCP as pppd speaks it (recorded sessions)", () => {
  it("rejects VJ, gives the address that 0.0.0.0 asks for, and takes the peer's", () => {
    const end = new NetworkEnd(ipv4(server));
    end.layer.lowerUp(instant(0));
    assert.deepEqual(end.drain(), ["8021" + "0101000a" + "03060a050001"]);
    end.take("8021 01010010 0206002d0f01 030600000000");
    assert.deepEqual(end.drain(), ["8021" + "0401000a" + "0206002d0f01"]);
    end.take("8021 0102000a 030600000000");
    assert.deepEqual(end.drain(), ["8021" + "0302000a" + "03060a050002"]);
    end.take("8021 0103000a 03060a050002");
    end.take("8021 0201000a 03060a050001");
    assert.deepEqual(end.drain(), ["8021" + "0203000a" + "03060a050002"]);
    assert.deepEqual(told(end), ["up 10.5.0.1 10.5.0.2"]);
    assert.ok(end.layer.ip4Open);
  });

  it("asks for an address, and takes the one of the Nak", () => {
    const end = new NetworkEnd(ipv4({}));
    end.layer.lowerUp(instant(0));
    assert.deepEqual(end.drain(), ["8021" + "0101000a" + "030600000000"]);
    end.take("8021 01010010 0206002d0f01 03060a050001");
    assert.deepEqual(end.drain(), ["8021" + "0401000a" + "0206002d0f01"]);
    end.take("8021 0301000a 03060a050002");
    assert.deepEqual(end.drain(), ["8021" + "0102000a" + "03060a050002"]);
    end.take("8021 0102000a 03060a050001");
    end.take("8021 0202000a 03060a050002");
    end.drain();
    assert.deepEqual(told(end), ["up 10.5.0.2 10.5.0.1"]);
  });
});

describe("addresses", () => {
  it("are as both ends have them configured", () => {
    const { a, b } = pairOf(
      new NetworkEnd(ipv4(server)),
      new NetworkEnd(ipv4({ local: server.remote, remote: server.local })),
    );
    assert.deepEqual(told(a), ["up 10.5.0.1 10.5.0.2"]);
    assert.deepEqual(told(b), ["up 10.5.0.2 10.5.0.1"]);
  });

  it("are the peer's wish for us where we accept that", () => {
    const { a, b } = pairOf(
      new NetworkEnd(ipv4(server)),
      new NetworkEnd(ipv4({ local: ip("192.168.1.1"), acceptLocal: true })),
    );
    assert.deepEqual(told(a), ["up 10.5.0.1 10.5.0.2"]);
    assert.deepEqual(told(b), ["up 10.5.0.2 10.5.0.1"]);
  });

  it("are the peer's own where we accept that", () => {
    const { a } = pairOf(
      new NetworkEnd(ipv4({ ...server, acceptRemote: true })),
      new NetworkEnd(ipv4({ local: ip("192.168.1.1") })),
    );
    assert.deepEqual(told(a), ["up 10.5.0.1 192.168.1.1"]);
  });

  it("fail in words when both ends insist", () => {
    const { a, b } = pairOf(new NetworkEnd(ipv4(server)), new NetworkEnd(ipv4({ local: ip("192.168.1.1") })));
    assert.deepEqual(told(a), ["failed: the peer insists on 192.168.1.1 instead of 10.5.0.2"]);
    assert.deepEqual(told(b), ["failed: the peer insists that we have 10.5.0.2, not 192.168.1.1"]);
    assert.ok(!a.layer.ip4Open && !b.layer.ip4Open);
  });

  it("fail when nobody has one for us", () => {
    const { a } = pairOf(new NetworkEnd(ipv4({})), new NetworkEnd(ipv4({ local: ip("10.5.0.1") })));
    assert.deepEqual(told(a), ["failed: the peer gives us no address"]);
  });

  for (const odd of ["127.0.0.1", "224.0.0.5", "255.255.255.255", "0.0.0.7"]) {
    it(`are never ${odd}`, () => {
      const wants = pairOf(
        new NetworkEnd(ipv4({ local: ip("10.5.0.1") })),
        new NetworkEnd(ipv4({ local: ip(odd) })),
      );
      assert.deepEqual(told(wants.a), [`failed: the peer wants ${odd}, which no host can have`]);
      const gives = pairOf(new NetworkEnd(ipv4({})), new NetworkEnd(ipv4({ ...server, remote: ip(odd) })));
      assert.deepEqual(told(gives.a), ["failed: the peer gives us no address"]);
    });
  }

  it("are asked for once where the peer's request has none, and made up where it tells none", () => {
    const end = new NetworkEnd(ipv4({ local: ip("10.5.0.1") }));
    end.layer.lowerUp(instant(0));
    end.drain();
    end.take("8021 01010004");
    assert.deepEqual(end.drain(), ["8021" + "0301000a" + "030600000000"]);
    end.take("8021 01020004");
    end.take("8021 0201000a 03060a050001");
    assert.deepEqual(end.drain(), ["8021" + "02020004"]);
    assert.match(told(end).join(), /^up 10\.5\.0\.1 10\.64\.64\.\d+$/);
  });

  it("are ours also where the peer does not know the option", () => {
    const end = new NetworkEnd(ipv4(server));
    end.layer.lowerUp(instant(0));
    end.drain();
    end.take("8021 0401000a 03060a050001");
    assert.deepEqual(end.drain(), ["8021" + "01020004"]);
    end.take("8021 02020004");
    end.take("8021 0101000a 03060a050002");
    end.drain();
    assert.deepEqual(told(end), ["up 10.5.0.1 10.5.0.2"]);
  });

  it("are not taken from the deprecated option 1, which is rejected (RFC 1332, section 3.1)", () => {
    const end = new NetworkEnd(ipv4(server));
    end.layer.lowerUp(instant(0));
    end.drain();
    end.take("8021 0101000e 010a0a0500020a050001");
    assert.deepEqual(end.drain(), ["8021" + "0401000e" + "010a0a0500020a050001"]);
    end.take("8021 01020004");
    assert.deepEqual(end.drain(), ["8021" + "0302000a" + "03060a050002"]);
  });
});

describe("addresses that a secret allows", () => {
  const cases: readonly [
    what: string,
    entry: Secret,
    remote: string | null,
    wish: string | null,
    expected: string,
  ][] = [
    ["any", allowing("*"), null, "10.9.9.9", "up 10.5.0.1 10.9.9.9"],
    ["a net", allowing("10.9.0.0/16"), null, "10.9.9.9", "up 10.5.0.1 10.9.9.9"],
    ["an address, for one that asks", allowing("!10.9.9.8", "10.9.9.9"), null, null, "up 10.5.0.1 10.9.9.9"],
    [
      "an address that is not the configured one",
      allowing("10.9.9.9"),
      "10.5.0.2",
      null,
      "up 10.5.0.1 10.9.9.9",
    ],
    ["the configured one", allowing("10.9.9.9", "10.5.0.2"), "10.5.0.2", null, "up 10.5.0.1 10.5.0.2"],
    [
      "another than the proposed one",
      allowing("10.9.9.9", "10.9.0.0/16"),
      null,
      "10.9.1.1",
      "up 10.5.0.1 10.9.1.1",
    ],
    ["none but the configured one", allowing(), "10.5.0.2", "10.5.0.2", "up 10.5.0.1 10.5.0.2"],
    [
      "another",
      allowing("10.9.9.9"),
      null,
      "10.9.9.7",
      'failed: the peer wants 10.9.9.7, which the secret of "c" does not allow',
    ],
    [
      "none",
      allowing(),
      null,
      "10.9.9.9",
      'failed: the peer wants 10.9.9.9, which the secret of "c" does not allow',
    ],
    ["none, for one that asks", allowing("-"), "10.5.0.2", null, "failed: there is no address for the peer"],
  ];
  for (const [what, entry, remote, wish, expected] of cases) {
    it(`${what}: ${expected}`, () => {
      const { a } = pairOf(
        new NetworkEnd(ipv4({ local: ip("10.5.0.1"), remote: remote === null ? null : ip(remote) }), entry),
        new NetworkEnd(ipv4({ local: wish === null ? null : ip(wish) })),
      );
      assert.deepEqual(told(a), [expected]);
    });
  }
});

describe("name servers (RFC 1877)", () => {
  const dns = [ip("10.0.0.53"), ip("10.0.1.53")];

  it("are told to a peer that asks", () => {
    const { b } = pairOf(new NetworkEnd(ipv4({ ...server, dns })), new NetworkEnd(ipv4({ askDns: true })));
    assert.deepEqual(told(b), ["up 10.5.0.2 10.5.0.1 10.0.0.53 10.0.1.53"]);
  });

  it("are one, where there is one", () => {
    const { b } = pairOf(
      new NetworkEnd(ipv4({ ...server, dns: dns.slice(1) })),
      new NetworkEnd(ipv4({ askDns: true })),
    );
    assert.deepEqual(told(b), ["up 10.5.0.2 10.5.0.1 10.0.1.53"]);
    // Both options name it, as with pppd: a peer that wants the second only gets it.
    assert.ok(b.sent.includes("8021" + "01020016" + "03060a050002" + "81060a000135" + "83060a000135"));
  });

  it("are rejected where there is none, and not asked for without wish", () => {
    const asks = pairOf(new NetworkEnd(ipv4(server)), new NetworkEnd(ipv4({ askDns: true })));
    assert.deepEqual(told(asks.b), ["up 10.5.0.2 10.5.0.1"]);
    const quiet = pairOf(new NetworkEnd(ipv4({ ...server, dns })), new NetworkEnd(ipv4({})));
    assert.deepEqual(told(quiet.b), ["up 10.5.0.2 10.5.0.1"]);
    assert.ok(quiet.b.sent.every((packet) => !/8106|8306/.test(packet)));
  });
});
