import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeControlPacket } from "../../src/ppp/control-packet.ts";
import { describeControlPacket } from "../../src/ppp/describe.ts";
import type { AuthSettings, LcpSettings, MultilinkSettings } from "../../src/ppp/settings.ts";
import { instant } from "../../src/time.ts";
import { PPP_LCP } from "../../src/wire/ppp-packet.ts";
import { join, SessionPeer } from "./pair.ts";

const MULTILINK: MultilinkSettings = {
  mrru: 1600,
  shortSequenceNumbers: false,
  endpoint: { class: 1, address: Uint8Array.of(0x70) },
};

/** A session at the end of a line; the peer is the test. */
class Bench {
  readonly peer: SessionPeer;
  now = instant(0);

  constructor(lcp: Partial<LcpSettings> = {}, auth: Partial<AuthSettings> = {}) {
    this.peer = new SessionPeer(lcp, auth);
    this.peer.up(this.now);
  }

  receive(code: number, id: number, ...data: number[]): void {
    const octets = writeControlPacket(code, id, Uint8Array.from(data));
    this.peer.handlePacket(PPP_LCP, octets, 0, octets.length, this.now);
  }

  /** What it has said since, in pppd's words, without the protocol. */
  said(): string[] {
    const lines: string[] = [];
    for (let packet = this.peer.pollPacket(); packet; packet = this.peer.pollPacket()) {
      const line = describeControlPacket(true, packet.protocol, packet.octets, 0, packet.octets.length);
      lines.push(line.replace(/^sent \[LCP (.*)\]$/, "$1"));
    }
    return lines;
  }

  /** What it answers to a Configure-Request. */
  answer(...options: number[]): string {
    this.said();
    this.receive(1, 7, ...options);
    return this.said().join(" and ");
  }

  /** Both sides agree: to what it asks, and to what the test asks. */
  open(...options: number[]): this {
    const request = this.peer.pollPacket()?.octets as Uint8Array;
    this.receive(2, request[1] as number, ...request.subarray(4));
    assert.match(this.answer(...options), /^ConfAck/);
    assert.equal(this.peer.phase, "network");
    return this;
  }

  timeOut(): void {
    this.now = this.peer.pollTimeout();
    this.peer.handleTimeout(this.now);
  }
}

const MAGIC = [5, 6, 0xca, 0xfe, 0xba, 0xbe];

describe("LCP options", () => {
  it("are asked for in pppd's order", () => {
    const bench = new Bench(
      { mru: 1400, multilink: { ...MULTILINK, shortSequenceNumbers: true } },
      { require: ["pap", "chap-md5"] },
    );
    const line = bench
      .said()
      .join()
      .replace(/0x[0-9a-f]{6,8}/, "M");
    assert.equal(
      line,
      "ConfReq id=0x1 <mru 1400> <asyncmap 0x0> <auth pap> <magic M> <pcomp> <accomp> <mrru 1600> <ssnhf> <endpoint [local:70]>",
    );
  });

  it("are left out when they are not wanted or are the default", () => {
    const bench = new Bench({
      asyncMap: null,
      magicNumber: false,
      protocolCompression: false,
      addressCompression: false,
    });
    assert.deepEqual(bench.said(), ["ConfReq id=0x1"]);
  });

  it("are rejected when they are unknown, all of them in one answer", () => {
    const bench = new Bench();
    assert.equal(
      bench.answer(1, 4, 5, 0xdc, 4, 4, 0xc0, 0x25, 13, 3, 6),
      "ConfRej id=0x7 <quality lqr> <callback CBCP>",
    );
  });

  it("that say yes by being there are rejected by who does not want them", () => {
    const bench = new Bench({ protocolCompression: false, addressCompression: false });
    assert.equal(bench.answer(7, 2, 1, 4, 5, 0xdc, 8, 2), "ConfRej id=0x7 <pcomp> <accomp>");
    assert.equal(new Bench().answer(7, 3, 0), "ConfRej id=0x7 < 07 03 00>");
  });

  it("of an MRU too small are Nak'd with one that will do", () => {
    const bench = new Bench();
    assert.equal(bench.answer(1, 4, 0, 127), "ConfNak id=0x7 <mru 128>");
    assert.equal(bench.answer(1, 4, 0, 128), "ConfAck id=0x7 <mru 128>");
  });

  it("of a smaller MRU than ours are taken over, larger ones are not", () => {
    const bench = new Bench({ mru: 1400, asyncMap: null, magicNumber: false });
    bench.said();
    bench.receive(3, 1, 1, 4, 0x03, 0xe8);
    bench.receive(3, 2, 1, 4, 0x10, 0x00);
    assert.deepEqual(bench.said(), [
      "ConfReq id=0x2 <mru 1000> <pcomp> <accomp>",
      "ConfReq id=0x3 <pcomp> <accomp>",
    ]);
  });

  it("for more octets to escape are taken over", () => {
    const bench = new Bench({ asyncMap: 0x0a, magicNumber: false });
    bench.said();
    bench.receive(3, 1, 2, 6, 0, 0, 0, 0xa0);
    bench.receive(4, 2, 2, 6, 0, 0, 0, 0xaa);
    assert.deepEqual(bench.said(), [
      "ConfReq id=0x2 <asyncmap 0xaa> <pcomp> <accomp>",
      "ConfReq id=0x3 <pcomp> <accomp>",
    ]);
  });

  it("of multilink are rejected without multilink, the endpoint too", () => {
    const mrru = [17, 4, 5, 0xdc, 18, 2, 19, 4, 1, 0x70];
    assert.equal(new Bench().answer(...mrru), "ConfRej id=0x7 <mrru 1500> <ssnhf> <endpoint [local:70]>");
    const long = new Bench({ multilink: MULTILINK });
    assert.equal(long.answer(...mrru), "ConfRej id=0x7 <ssnhf>");
    const short = new Bench({ multilink: { ...MULTILINK, shortSequenceNumbers: true } });
    assert.match(short.answer(...mrru), /^ConfAck/);
    assert.equal(short.answer(17, 4, 0, 100), "ConfNak id=0x7 <mrru 128>");
  });

  it("of endpoints are never Nak'd, malformed ones are rejected", () => {
    const bench = new Bench({ multilink: MULTILINK });
    assert.match(bench.answer(19, 3, 0), /^ConfAck/);
    assert.match(bench.answer(19, 23, 200, ...Array<number>(20).fill(1)), /^ConfAck/);
    assert.match(bench.answer(19, 24, 1, ...Array<number>(21).fill(1)), /^ConfRej/);
    assert.match(bench.answer(19, 2), /^ConfRej/);
  });

  it("of multilink keep the bundle's value, whatever the peer would have", () => {
    const bench = new Bench({ asyncMap: null, magicNumber: false, multilink: MULTILINK });
    bench.said();
    bench.receive(3, 1, 17, 4, 4, 0, 19, 3, 0);
    assert.deepEqual(bench.said(), ["ConfReq id=0x2 <pcomp> <accomp> <mrru 1600> <endpoint [local:70]>"]);
  });
});

describe("the magic number", () => {
  it("is never zero, nor acknowledged when it is", () => {
    const answer = new Bench().answer(5, 6, 0, 0, 0, 0);
    assert.match(answer, /^ConfNak id=0x7 <magic 0x[1-9a-f][0-9a-f]+>$/);
  });

  it("is another one after a Nak, and not the one proposed", () => {
    const bench = new Bench({ asyncMap: null });
    const before = bench.said()[0];
    bench.receive(3, 1, ...MAGIC);
    const after = bench.said()[0] as string;
    assert.match(after, /^ConfReq id=0x2 <magic 0x[0-9a-f]+> <pcomp> <accomp>$/);
    assert.notEqual(after.replace("0x2", "0x1"), before);
    assert.doesNotMatch(after, /cafebabe/);
  });

  it("tells a line that leads back, by name, and ends", () => {
    for (const maxFailure of [1, 2, 5, 50]) {
      const bench = new Bench({ maxFailure, echo: { intervalMs: 10_000, failures: 3 } });
      for (let packet = bench.peer.pollPacket(); packet; packet = bench.peer.pollPacket()) {
        bench.peer.handlePacket(packet.protocol, packet.octets, 0, packet.octets.length, bench.now);
      }
      assert.equal(bench.peer.end, "loopback");
      assert.deepEqual(
        bench.peer.said("log").map(({ text }) => text),
        ["Serial line is looped back"],
      );
      assert.deepEqual(bench.peer.said("established"), []);
    }
  });

  it("is no loop when it is equal once", () => {
    const bench = new Bench();
    const request = bench.peer.pollPacket()?.octets as Uint8Array;
    const ours = [...request.subarray(request.indexOf(5, 4)).subarray(0, 6)];
    assert.match(bench.answer(...ours), /^ConfNak/);
    assert.match(bench.answer(...MAGIC), /^ConfAck/);
    assert.match(bench.answer(...ours), /^ConfNak/);
    assert.equal(bench.peer.end, null);
  });
});

describe("the framing", () => {
  it("is the default until LCP is open, and again after it", () => {
    const plain = {
      sendAsyncMap: 0xffffffff,
      receiveAsyncMap: 0xffffffff,
      sendProtocolCompression: false,
      sendAddressCompression: false,
      peerMru: 1500,
      ourMru: 1500,
    };
    const bench = new Bench({ mru: 1400, asyncMap: 0xa0000 });
    const { session } = bench.peer;
    assert.deepEqual(session.framing, plain);
    bench.open(1, 4, 1, 40, 2, 6, 0, 0, 0, 1, 8, 2);
    assert.deepEqual(session.framing, {
      // What is said to be dangerous on the line we escape as well.
      sendAsyncMap: 0xa0001,
      receiveAsyncMap: 0xa0000,
      sendProtocolCompression: false,
      sendAddressCompression: true,
      peerMru: 296,
      ourMru: 1400,
    });
    bench.receive(5, 9);
    assert.deepEqual(session.framing, plain);
  });

  it("follows what was asked for each way", () => {
    const bench = new Bench({ asyncMap: null }).open();
    assert.equal(bench.peer.session.framing.sendAsyncMap, 0xffffffff);
    assert.equal(bench.peer.session.framing.receiveAsyncMap, 0xffffffff);
    assert.equal(bench.peer.session.framing.sendProtocolCompression, false);
  });
});

describe("multilink", () => {
  const peerMrru = [17, 4, 5, 0xdc];

  it("is agreed on with both MRRUs, short numbers each way by who receives them", () => {
    const short = { ...MULTILINK, shortSequenceNumbers: true };
    const bench = new Bench({ multilink: short }).open(...peerMrru);
    assert.deepEqual(bench.peer.session.agreement?.multilink, {
      ourMrru: 1600,
      peerMrru: 1500,
      sendShort: false,
      receiveShort: true,
      peerEndpoint: null,
    });
    const both = new Bench({ multilink: short }).open(...peerMrru, 18, 2, 19, 4, 1, 9);
    assert.equal(both.peer.session.agreement?.multilink?.sendShort, true);
    assert.deepEqual(both.peer.session.agreement?.multilink?.peerEndpoint, {
      class: 1,
      address: Uint8Array.of(9),
    });
  });

  it("is not when only one side has an MRRU", () => {
    assert.equal(new Bench({ multilink: MULTILINK }).open().peer.session.agreement?.multilink, null);
    const bench = new Bench({ multilink: MULTILINK });
    bench.said();
    bench.receive(4, 1, 17, 4, 0x06, 0x40);
    bench.open(...peerMrru);
    assert.equal(bench.peer.session.agreement?.multilink, null);
  });
});

describe("LCP when it is open", () => {
  const opened = (lcp: Partial<LcpSettings> = {}): Bench => new Bench(lcp).open(...MAGIC);
  const ourMagic = (bench: Bench): number[] => {
    const shown = Number(bench.peer.session.describe().ours["magic"]);
    return [24, 16, 8, 0].map((shift) => (shown >>> shift) & 0xff);
  };

  it("answers an echo with the same data and its own magic number", () => {
    const bench = opened({ magicNumber: true });
    const magic = bench.peer.session.describe().ours["magic"];
    bench.receive(9, 5, 0xca, 0xfe, 0xba, 0xbe, 1, 2);
    assert.deepEqual(bench.said(), [`EchoRep id=0x5 magic=${magic} 01 02`]);
    bench.receive(9, 6, 1, 2, 3);
    assert.deepEqual(bench.said(), []);
  });

  it("answers no echo before, and none that is its own", () => {
    const early = new Bench();
    early.said();
    early.receive(9, 5, 1, 2, 3, 4);
    assert.deepEqual(early.said(), []);
    const bench = opened();
    for (let n = 0; n < 4; n++) bench.receive(9, n, ...ourMagic(bench));
    assert.deepEqual(bench.said(), []);
    assert.equal(bench.peer.phase, "network");
    bench.receive(9, 5, ...ourMagic(bench));
    assert.equal(bench.peer.phase, "terminate");
    assert.deepEqual(bench.said(), ['TermReq id=0x2 "Loopback detected"']);
    bench.receive(6, 2);
    assert.equal(bench.peer.end, "loopback");
  });

  it("cuts its answers to what the peer takes", () => {
    const bench = new Bench({ magicNumber: false }).open(1, 4, 0, 128);
    bench.receive(9, 5, ...Array<number>(1000).fill(0));
    assert.equal(bench.peer.pollPacket()?.octets.length, 128);
    const packet = new Uint8Array(600).fill(0xab);
    bench.peer.handlePacket(0x80fd, packet, 10, 600, bench.now);
    const reject = bench.peer.pollPacket()?.octets as Uint8Array;
    assert.equal(reject.length, 128);
    assert.deepEqual([...reject.subarray(0, 7)], [8, 2, 0, 128, 0x80, 0xfd, 0xab]);
  });

  it("rejects unknown protocols, in a copy of its own", () => {
    const bench = opened();
    const packet = Uint8Array.of(1, 1, 0, 4);
    bench.peer.handlePacket(0x80fd, packet, 0, 4, bench.now);
    packet.fill(0);
    assert.deepEqual(bench.said(), ["ProtRej id=0x2 80 fd 01 01 00 04"]);
    bench.peer.session.rejectProtocol(0x57, packet, 0, 4, bench.now);
    assert.deepEqual(bench.said(), ["ProtRej id=0x3 00 57 00 00 00 00"]);
  });

  it("does not answer unknown protocols before there is a network", () => {
    const bench = new Bench();
    bench.said();
    bench.peer.handlePacket(0x8021, Uint8Array.of(1, 1, 0, 4), 0, 4, bench.now);
    assert.deepEqual(bench.said(), []);
  });

  it("passes a Protocol-Reject on, but not one of LCP itself", () => {
    const bench = opened();
    bench.receive(8, 1, 0x80, 0xfd, 1, 1);
    bench.receive(8, 2, 0x80);
    assert.deepEqual(
      bench.peer.said("protocolRejected").map(({ protocol }) => protocol),
      [0x80fd],
    );
    bench.receive(8, 3, 0xc0, 0x21, 1, 1);
    assert.equal(bench.peer.phase, "terminate");
  });

  it("identifies itself, and tells once what the peer says of itself", () => {
    const bench = new Bench({ identification: "eql" }).open();
    const data = [0, 0, 0, 0, 0x1b, 0x5b, 0x32, 0x4a, 0x41];
    bench.receive(12, 1, ...data);
    bench.receive(12, 2, ...data);
    bench.receive(12, 3, 1);
    assert.deepEqual(
      bench.peer.said("log").map(({ text }) => text),
      ["the peer's identification: \\u{1b}[2JA"],
    );
    const said = new Bench({ identification: "eql", magicNumber: false });
    said.receive(2, 1, ...(said.peer.pollPacket()?.octets.subarray(4) ?? []));
    said.receive(1, 1);
    assert.deepEqual(said.said().slice(1), ['Ident id=0x2 magic=0x0 "eql"']);
  });

  it("takes no notice of Discard-Request and Time-Remaining, and rejects codes that it does not know", () => {
    const bench = opened();
    bench.receive(11, 1, 0, 0, 0, 0);
    bench.receive(13, 2, 0, 0, 0, 0, 0, 0, 0, 9);
    bench.receive(14, 3);
    assert.deepEqual(bench.said(), ["CodeRej id=0x2 0e 03 00 04"]);
  });
});

describe("the echo", () => {
  const echo = { intervalMs: 1000, failures: 3 };

  it("is asked at once and at each interval, and tells the round trip", () => {
    const bench = new Bench({ echo }).open(...MAGIC);
    bench.timeOut();
    assert.match(bench.said().join(), /^EchoReq id=0x0/);
    bench.now = instant(35);
    bench.receive(10, 0, 0xca, 0xfe, 0xba, 0xbe);
    assert.equal(bench.peer.session.echoMs, 35);
    bench.timeOut();
    assert.equal(bench.now, 1000);
    assert.match(bench.said().join(), /^EchoReq id=0x1/);
    // Late, but alive; and what is not its answer tells no time.
    bench.receive(10, 0, 0xca, 0xfe, 0xba, 0xbe);
    assert.equal(bench.peer.session.echoMs, 35);
  });

  it("ends a link that is silent", () => {
    const bench = new Bench({ echo }).open(...MAGIC);
    for (let n = 0; n < 4; n++) bench.timeOut();
    assert.equal(bench.now, 3000);
    assert.deepEqual(
      bench.said().map((line) => line.split(" ")[0]),
      ["EchoReq", "EchoReq", "EchoReq", "TermReq"],
    );
    bench.timeOut();
    bench.timeOut();
    assert.equal(bench.peer.end, "echo");
  });

  it("takes its own echo for no answer", () => {
    const bench = new Bench({ echo }).open(...MAGIC);
    for (let n = 0; n < 4; n++) {
      bench.timeOut();
      const request = bench.peer.pollPacket()?.octets as Uint8Array;
      if (request[0] === 9) bench.receive(10, request[1] as number, ...request.subarray(4));
    }
    assert.equal(bench.peer.phase, "terminate");
  });

  it("is not asked of a peer that does not know it", () => {
    const bench = new Bench({ echo }).open(...MAGIC);
    bench.timeOut();
    bench.receive(7, 1, 9, 0, 0, 8, 0, 0, 0, 0);
    assert.equal(bench.peer.pollTimeout(), Number.POSITIVE_INFINITY);
  });

  it("goes on for ever between two ends that live", () => {
    const pair = join(new SessionPeer({ echo }, {}, 1), new SessionPeer({ echo }, {}, 2));
    pair.runUntil(3_600_000);
    assert.equal(pair.a.phase, "network");
    assert.equal(pair.a.session.echoMs, 40);
    assert.equal(pair.b.session.echoMs, 40);
  });
});
