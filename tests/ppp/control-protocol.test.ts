import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeControlPacket } from "../../src/ppp/control-packet.ts";
import { ControlProtocol, type CpStart } from "../../src/ppp/control-protocol.ts";
import { ACK, type ConfigOption, type RawOption, REJECT, writeOptions } from "../../src/ppp/option.ts";
import { instant, NEVER } from "../../src/time.ts";

const SETTINGS = { restartMs: 3000, maxConfigure: 10, maxTerminate: 2, maxFailure: 5 };

/** One octet: 0 is what it wants of the peer, less than 100 is fine, 200 and more it will not talk about. */
const octetOption = (type: number, wanted: number | undefined, vital = false): ConfigOption<number> => ({
  type,
  name: `option ${type}`,
  vital,
  begin: () => wanted,
  judge: (wish) => (wish < 100 ? ACK : wish < 200 ? { say: "nak", instead: 0 } : REJECT),
  revise: (_, instead) => instead ?? undefined,
  read: (data) => (data.length === 1 ? data[0] : undefined),
  write: (value) => Uint8Array.of(value),
  show: (value) => value,
});

const one = octetOption(1, 11);
const two = octetOption(2, 22);

const option = (type: number, ...data: number[]): RawOption => ({ type, data: Uint8Array.from(data) });
const OURS = [1, 3, 11, 2, 3, 22];

/** An automaton at the end of a line, and what it says; the peer is the test. */
class Bench {
  readonly protocol: ControlProtocol;
  now = instant(0);

  constructor(start: CpStart = "active", options: readonly ConfigOption<unknown>[] = [one, two]) {
    this.protocol = new ControlProtocol(SETTINGS, options, start);
    this.protocol.open(this.now);
    this.protocol.lowerUp(this.now);
  }

  receive(code: number, id: number, ...data: number[]): void {
    this.receiveRaw([...writeControlPacket(code, id, Uint8Array.from(data))]);
  }

  receiveRaw(octets: readonly number[]): void {
    this.protocol.handlePacket(Uint8Array.from([0xee, ...octets]), 1, 1 + octets.length, this.now);
  }

  request(id: number, ...options: RawOption[]): void {
    this.receive(1, id, ...writeOptions(options));
  }

  /** Code, Identifier and the rest of all that it has said since. */
  said(): number[][] {
    const packets: number[][] = [];
    for (let packet = this.protocol.pollPacket(); packet; packet = this.protocol.pollPacket()) {
      assert.equal(((packet[2] as number) << 8) | (packet[3] as number), packet.length);
      packets.push([packet[0] as number, packet[1] as number, ...packet.subarray(4)]);
    }
    return packets;
  }

  events(): string[] {
    const events: string[] = [];
    for (let event = this.protocol.pollEvent(); event; event = this.protocol.pollEvent()) events.push(event);
    return events;
  }

  /** To the next deadline. */
  timeOut(): void {
    this.now = this.protocol.pollTimeout();
    assert.notEqual(this.now, NEVER);
    this.protocol.handleTimeout(this.now);
  }

  /** Opens it; what was said on the way is forgotten. */
  opened(): this {
    this.request(77, option(1, 5));
    this.receive(2, this.said()[0]?.[1] as number, ...OURS);
    assert.equal(this.protocol.state, "opened");
    this.said();
    this.events();
    return this;
  }
}

describe("a control protocol (RFC 1661)", () => {
  it("acknowledges octet for octet and in the peer's order, and opens when it was acknowledged", () => {
    const bench = new Bench();
    assert.deepEqual(bench.said(), [[1, 1, ...OURS]]);
    bench.request(9, option(2, 7), option(1, 8));
    assert.deepEqual(bench.said(), [[2, 9, 2, 3, 7, 1, 3, 8]]);
    assert.deepEqual(bench.events(), ["started"]);
    bench.receive(2, 1, ...OURS);
    assert.deepEqual(bench.events(), ["up"]);
    assert.equal(bench.protocol.ours(one), 11);
    assert.equal(bench.protocol.theirs(one), 8);
    assert.equal(bench.protocol.pollTimeout(), NEVER);
    assert.deepEqual(bench.protocol.describe(), {
      ours: { "option 1": 11, "option 2": 22 },
      theirs: { "option 1": 8, "option 2": 7 },
    });
  });

  it("repeats a request with its Identifier, Max-Configure times in all, and then finishes", () => {
    const bench = new Bench();
    for (let n = 1; n < SETTINGS.maxConfigure; n++) {
      bench.timeOut();
      assert.equal(bench.now, n * SETTINGS.restartMs);
    }
    assert.deepEqual(bench.said(), Array(10).fill([1, 1, ...OURS]));
    bench.timeOut();
    assert.deepEqual(bench.said(), []);
    assert.deepEqual(bench.events(), ["started", "finished"]);
    assert.equal(bench.protocol.state, "stopped");
    assert.equal(bench.protocol.reason, "nobody answers");
  });

  it("says so when the peer talks and does not agree", () => {
    const bench = new Bench();
    for (let n = 0; n < SETTINGS.maxConfigure; n++) {
      bench.request(n, option(9, 0));
      bench.timeOut();
    }
    assert.equal(bench.protocol.state, "stopped");
    assert.equal(bench.protocol.reason, "no agreement in time");
  });

  it("drops an Ack of another Identifier, of other options, in another order, and a copy of one", () => {
    const bench = new Bench();
    bench.receive(2, 2, ...OURS);
    bench.receive(2, 1, 1, 3, 12, 2, 3, 22);
    bench.receive(2, 1, 2, 3, 22, 1, 3, 11);
    bench.receive(2, 1, 1, 3, 11);
    bench.receive(2, 1);
    assert.equal(bench.protocol.state, "reqSent");
    bench.receive(2, 1, ...OURS);
    assert.equal(bench.protocol.state, "ackRcvd");
    bench.receive(2, 1, ...OURS);
    assert.equal(bench.protocol.state, "ackRcvd");
    assert.deepEqual(bench.protocol.drops, { malformed: 4, unexpected: 2 });
  });

  it("drops a Nak and a Reject of another Identifier, and a Reject of what it did not ask for", () => {
    const bench = new Bench();
    bench.said();
    bench.receive(3, 2, 1, 3, 50);
    bench.receive(4, 0, ...OURS);
    bench.receive(4, 1, 1, 3, 12);
    bench.receive(4, 1, 3, 3, 12);
    bench.receive(4, 1, 2, 3, 22, 1, 3, 11);
    bench.receive(4, 1);
    bench.receive(3, 1);
    assert.deepEqual(bench.said(), []);
    assert.deepEqual(bench.protocol.drops, { malformed: 5, unexpected: 2 });
  });

  it("asks anew with another Identifier after a Nak and after a Reject", () => {
    const bench = new Bench();
    bench.receive(3, 1, 1, 3, 50);
    bench.receive(4, 2, 2, 3, 22);
    assert.deepEqual(bench.said(), [
      [1, 1, ...OURS],
      [1, 2, 1, 3, 50, 2, 3, 22],
      [1, 3, 1, 3, 50],
    ]);
    bench.receive(2, 3, 1, 3, 50);
    assert.equal(bench.protocol.state, "ackRcvd");
  });

  it("ignores a Nak's proposals of what it does not know", () => {
    const bench = new Bench();
    bench.receive(3, 1, 200, 4, 1, 2);
    assert.deepEqual(bench.said(), [
      [1, 1, ...OURS],
      [1, 2, ...OURS],
    ]);
  });

  it("rejects before it Naks, never both in one answer, and judges malformed and repeated options", () => {
    const bench = new Bench();
    bench.said();
    bench.request(1, option(1, 150), option(9, 1, 2), option(2, 250));
    bench.request(2, option(1, 150), option(2, 1, 2));
    bench.request(3, option(1, 5), option(1, 6));
    bench.request(4, option(2, 150), option(1, 150));
    bench.request(5, option(1, 5), option(2, 150));
    assert.deepEqual(bench.said(), [
      [4, 1, 9, 4, 1, 2, 2, 3, 250],
      [4, 2, 2, 4, 1, 2],
      [4, 3, 1, 3, 6],
      [3, 4, 2, 3, 0, 1, 3, 0],
      [3, 5, 2, 3, 0],
    ]);
    assert.equal(bench.protocol.state, "reqSent");
  });

  it("rejects what it would Nak once it has done so Max-Failure times, until an Ack", () => {
    const bench = new Bench();
    bench.said();
    const codes = (): (number | undefined)[] => bench.said().map(([code]) => code);
    for (let n = 0; n < 7; n++) bench.request(n, option(1, 150));
    assert.deepEqual(codes(), [3, 3, 3, 3, 3, 4, 4]);
    bench.request(8, option(1, 5));
    bench.request(9, option(1, 150));
    assert.deepEqual(codes(), [2, 3]);
  });

  it("Naks what is missing, until the peer was asked often enough", () => {
    const bench = new Bench("active", [{ ...octetOption(1, undefined), missing: () => 42 }]);
    bench.said();
    for (let n = 0; n < 6; n++) bench.request(n);
    const said = bench.said();
    assert.deepEqual(said[0], [3, 0, 1, 3, 42]);
    assert.deepEqual(
      said.map(([code]) => code),
      [3, 3, 3, 3, 3, 2],
    );
  });

  it("gives an option up that the peer Naks without end", () => {
    const bench = new Bench();
    bench.receive(3, 1, 1, 3, 50);
    for (let id = 2; id < 11; id++) bench.receive(3, id, 1, 3, 51);
    assert.deepEqual(bench.said().at(-1), [1, 11, 2, 3, 22]);
  });

  it("ends when the peer refuses what is vital", () => {
    const bench = new Bench("active", [octetOption(1, 11, true), two]);
    bench.receive(4, 1, 1, 3, 11);
    assert.equal(bench.protocol.state, "closing");
    assert.equal(bench.protocol.refused, "option 1");
    assert.equal(bench.said().at(-1)?.[0], 5);
    bench.receive(6, 3);
    assert.deepEqual(bench.events(), ["started", "finished"]);
    assert.equal(bench.protocol.reason, "the peer refuses option 1");
  });

  it("negotiates again, from its first wishes, when the peer does while it is opened", () => {
    const bench = new Bench();
    bench.receive(3, 1, 1, 3, 50);
    bench.request(77, option(1, 5));
    bench.receive(2, 2, 1, 3, 50, 2, 3, 22);
    assert.equal(bench.protocol.state, "opened");
    bench.said();
    bench.events();
    bench.request(78, option(2, 6));
    assert.deepEqual(bench.said(), [
      [1, 3, ...OURS],
      [2, 78, 2, 3, 6],
    ]);
    assert.deepEqual(bench.events(), ["down"]);
    bench.receive(2, 3, ...OURS);
    assert.deepEqual(bench.events(), ["up"]);
    assert.equal(bench.protocol.theirs(one), undefined);
    assert.equal(bench.protocol.theirs(two), 6);
  });

  it("waits a restart period after a Terminate-Request, answering copies of it", () => {
    const bench = new Bench().opened();
    bench.receive(5, 200, 0x62, 0x79, 0x65, 0x0a);
    bench.receive(5, 200);
    assert.deepEqual(bench.said(), [
      [6, 200],
      [6, 200],
    ]);
    assert.deepEqual(bench.events(), ["down"]);
    assert.ok(bench.protocol.peerTerminated);
    assert.equal(bench.protocol.reason, "terminated by the peer: bye\\u{a}");
    assert.equal(bench.protocol.pollTimeout(), bench.now + SETTINGS.restartMs);
    bench.timeOut();
    assert.deepEqual(bench.events(), ["finished"]);
    assert.deepEqual(bench.said(), []);
  });

  it("says farewell Max-Terminate times, each with an Identifier of its own", () => {
    const bench = new Bench().opened();
    bench.protocol.close("bye", bench.now);
    bench.timeOut();
    bench.timeOut();
    assert.deepEqual(bench.said(), [
      [5, 2, 0x62, 0x79, 0x65],
      [5, 3, 0x62, 0x79, 0x65],
    ]);
    assert.deepEqual(bench.events(), ["down", "finished"]);
    assert.equal(bench.protocol.state, "closed");
  });

  it("rejects unknown codes, cut to what the peer takes, with new Identifiers", () => {
    const bench = new Bench().opened();
    bench.protocol.peerMru = 12;
    bench.receive(99, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    bench.receiveRaw([98, 6, 0, 5, 1, 0xaa, 0xaa]);
    assert.deepEqual(bench.said(), [
      [7, 2, 99, 5, 0, 13, 1, 2, 3, 4],
      [7, 3, 98, 6, 0, 5, 1],
    ]);
  });

  it("takes a rejected code that it needs for the end, and another one for nothing", () => {
    for (let code = 1; code <= 7; code++) {
      const bench = new Bench().opened();
      bench.receive(7, 1, 8, 1, 0, 4);
      bench.receive(7, 1, 0, 1, 0, 4);
      assert.equal(bench.protocol.state, "opened");
      bench.receive(7, 1, code, 1, 0, 4);
      assert.equal(bench.protocol.state, "stopping");
      assert.equal(bench.protocol.reason, `the peer rejects code ${code}`);
    }
  });

  it("takes a Protocol-Reject for the end", () => {
    const bench = new Bench();
    bench.protocol.handleProtocolReject(bench.now);
    assert.deepEqual(bench.events(), ["started", "finished"]);
    assert.equal(bench.protocol.reason, "the peer rejects the protocol");
  });

  it("drops what is cut short, takes no notice of padding", () => {
    const bench = new Bench();
    bench.said();
    const good = [1, 5, 0, 7, 1, 3, 9];
    for (let length = 0; length < good.length; length++) bench.receiveRaw(good.slice(0, length));
    bench.receiveRaw([1, 5, 0, 3, 1, 3, 9]);
    bench.receiveRaw([1, 5, 0, 6, 1, 3, 9]);
    bench.receiveRaw([1, 5, 0, 7, 1, 1, 9]);
    bench.receiveRaw([1, 5, 0, 5, 1]);
    bench.receiveRaw([7, 5, 0, 4]);
    assert.deepEqual(bench.said(), []);
    assert.deepEqual(bench.protocol.drops, { malformed: 12, unexpected: 0 });
    bench.receiveRaw([...good, 0, 0, 0]);
    assert.deepEqual(bench.said(), [[2, 5, 1, 3, 9]]);
  });

  it("drops everything before its line is up", () => {
    const protocol = new ControlProtocol(SETTINGS, []);
    protocol.open(instant(0));
    protocol.handlePacket(Uint8Array.of(1, 1, 0, 4), 0, 4, instant(0));
    assert.equal(protocol.pollPacket(), undefined);
    assert.equal(protocol.drops.unexpected, 1);
  });

  it("waits on when passive, and answers whoever comes", () => {
    const bench = new Bench("passive");
    for (let n = 0; n < SETTINGS.maxConfigure; n++) bench.timeOut();
    assert.deepEqual(bench.events(), ["started"]);
    assert.equal(bench.protocol.pollTimeout(), NEVER);
    bench.said();
    bench.request(1);
    assert.deepEqual(bench.said(), [
      [1, 2, ...OURS],
      [2, 1],
    ]);
  });

  it("says nothing first when silent", () => {
    const bench = new Bench("silent");
    assert.deepEqual(bench.said(), []);
    assert.equal(bench.protocol.pollTimeout(), NEVER);
    bench.opened();
    bench.protocol.lowerDown(bench.now);
    bench.protocol.lowerUp(bench.now);
    assert.deepEqual(bench.said(), []);
  });
});
