import assert from "node:assert/strict";
import { FlowQueue } from "../src/bundle/flow-queue.ts";
import type { CipherName } from "../src/crypto/cipher.ts";
import type { Primitives } from "../src/crypto/primitives.ts";
import { KEY_LIMITS, SessionKeys } from "../src/crypto/session-keys.ts";
import { type NativeBuffer, nativeBuffer } from "../src/host/libc.ts";
import { tunnelCrypto } from "../src/host/tunnel-crypto.ts";
import { EarliestArrival } from "../src/scheduler/earliest-arrival.ts";
import type { Choice } from "../src/scheduler/scheduler.ts";
import { ClassicPath } from "../src/sim/classic-path.ts";
import { after, instant, NEVER } from "../src/time.ts";
import { ArrivalLog } from "../src/tunnel/arrival-log.ts";
import { LanesIn } from "../src/tunnel/lanes-in.ts";
import { RunQueue } from "../src/tunnel/run-queue.ts";
import { RunTable } from "../src/tunnel/run-table.ts";
import { SentLog } from "../src/tunnel/sent-log.ts";
import { SlotPools, Slots } from "../src/tunnel/slots.ts";
import { finishChecksum } from "../src/wire/checksum.ts";
import { Coalescer } from "../src/wire/coalescer.ts";
import {
  DEFAULT_ASYNC_MAP,
  HDLC_FLAG,
  HdlcDecoder,
  HdlcEncoder,
  hdlcBodyBound,
  hdlcBodyLength,
} from "../src/wire/hdlc.ts";
import { Segments } from "../src/wire/segments.ts";
import { encodeSlipBody, SLIP_END, SlipDecoder, slipBodyBound } from "../src/wire/slip.ts";
import { REPORT_BOUND, Report } from "../src/wire/tunnel-report.ts";
import { datagramsOverLoopback } from "./datagrams.ts";
import { advance, linkView, makePool, randomOctets, tcpPacket, tcpRun } from "./packets.ts";

/** Things to measure, by name; a call is one packet. */
type Cases = Readonly<Record<string, () => unknown>>;

const LENGTH = 1500;
const WAITING = 64;
/** Datagrams that a report is of: 10 ms at 1 Gbit/s. */
const A_REPORT = 900;
const FLOWS = 4;
/** What the kernel hands over of a TCP flow. */
const RUN = { count: 45, head: 52, body: 1388, length: 52 + 45 * 1388 } as const;
/** One waiting packet of each: CoDel lets them stand, and together they are enough to look ahead in. */
const PATH_FLOWS = 32;

function slip(): Cases {
  const packet = randomOctets(LENGTH, 1995);
  const into = new Uint8Array(slipBodyBound(LENGTH) + 1);
  const framed = encodeSlipBody(packet, 0, LENGTH, into, 0);
  into[framed] = SLIP_END;
  const line = into.slice(0, framed + 1);
  const decoder = new SlipDecoder(new Uint8Array(LENGTH));
  assert.equal(decoder.decode(line, 0, line.length), line.length);
  assert.deepEqual(decoder.frame, packet);
  return {
    "plain copy": () => into.set(packet),
    encode: () => encodeSlipBody(packet, 0, LENGTH, into, 0),
    decode: () => decoder.decode(line, 0, line.length),
  };
}

function hdlc(asyncMap: number): Cases {
  const packet = randomOctets(LENGTH, 1995);
  const into = new Uint8Array(hdlcBodyBound(LENGTH) + 1);
  const encoder = new HdlcEncoder();
  const decoder = new HdlcDecoder(new Uint8Array(LENGTH + 2));
  encoder.asyncMap = asyncMap;
  decoder.asyncMap = asyncMap;
  const encode = (): number => {
    encoder.begin(into, 0);
    encoder.octets(packet, 0, LENGTH);
    return encoder.finish();
  };
  const framed = encode();
  into[framed] = HDLC_FLAG;
  const line = into.slice(0, framed + 1);
  assert.equal(decoder.decode(line, 0, line.length), line.length);
  assert.deepEqual(decoder.frame.subarray(0, decoder.frameLength), packet);
  return {
    encode,
    "its length, escaped": () => hdlcBodyLength(encoder, packet, 0, LENGTH),
    decode: () => decoder.decode(line, 0, line.length),
  };
}

function flowQueue(): Cases {
  const queue = fullQueue();
  let now = instant(0);
  const cycle = (): void => {
    now = after(now, 1);
    const packet = queue.take(0);
    queue.finish(packet);
    advance(packet.octets, WAITING / FLOWS);
    queue.enqueue(packet, now);
  };
  for (let i = 0; i < 1000; i++) cycle();
  assert.equal(queue.count, WAITING);
  return { "take, finish, and enqueue the next": cycle };
}

function earliestArrival(): Cases {
  const queue = fullQueue();
  const scheduler = new EarliestArrival();
  const choice: Choice = { packet: 0, link: 0, notBefore: NEVER };
  const fast = [0, 1, 2].map((id) => linkView(id, 115_200, 2));
  const first = [linkView(0, 115_200, 0), ...fast.slice(1), linkView(3, 115_200, 2)];
  assert.ok(scheduler.choose(queue, first, 1, instant(0), choice));
  assert.equal(choice.packet, 0);
  // All that waits is done on three fast lines before the slow one would be done with a single packet.
  const none = [...fast, linkView(3, 300, 0)];
  assert.equal(scheduler.choose(queue, none, 1, instant(0), choice), false);
  return {
    "the first packet is the one": () => scheduler.choose(queue, first, 1, instant(0), choice),
    "none is: the whole queue is planned": () => scheduler.choose(queue, none, 1, instant(0), choice),
  };
}

function classicPath(speeds: readonly number[]): () => unknown {
  const lines = speeds.map((bps) => ({ bps }));
  const path = new ClassicPath(new EarliestArrival(), lines, LENGTH);
  const { queue } = path.bundle;
  const packets = Array.from({ length: PATH_FLOWS }, (_, flow) => tcpPacket(LENGTH, 5000 + flow));
  let turn = 0;
  const pass = (): unknown => {
    while (queue.count < PATH_FLOWS) {
      const packet = packets[turn++ % PATH_FLOWS] as Uint8Array;
      advance(packet, 1);
      path.send(packet);
    }
    return path.next(NEVER);
  };
  for (let i = 0; i < 1000; i++) assert.ok(pass());
  assert.deepEqual(new Set(Object.values(path.bundle.drops)), new Set([0]));
  return pass;
}

function offloadedRun(): Cases {
  const count = 45;
  const segmentOctets = 1388;
  const head = 52;
  const { octets, view, length } = tcpRun(count, segmentOctets, head);
  const segments = new Segments();
  const at = { run: 64, head: 70_000, packets: 72_000 };
  assert.ok(segments.read({ octets, view }, at.run, length));
  assert.deepEqual([segments.count, segments.headLength], [count, head]);
  let segment = 0;
  const cut = (): void => {
    segment = segment === count - 1 ? 0 : segment + 1;
    segments.writeHead(octets, view, at.run, length, head, segmentOctets, segment, at.head);
  };
  let runs = 0;
  const coalescer = new Coalescer(
    { octets, view },
    { writeRun: () => runs++ },
    { hold: () => {}, release: () => {} },
    { hasHeader: true, mergeUdp: true },
  );
  const room = 1500;
  const packets = Array.from({ length: count }, (_, i) => at.packets + i * room);
  const heads = packets.map((packet, i) => {
    segments.writeHead(octets, view, at.run, length, head, segmentOctets, i, packet);
    return octets.slice(packet, packet + head);
  });
  const first = packets[0] as number;
  const firstHead = heads[0] as Uint8Array;
  let packet = 0;
  const join = (): void => {
    coalescer.take(0, packets[packet] as number, head + segmentOctets, true);
    if (++packet < count) return;
    coalescer.flush();
    octets.set(firstHead, first);
    packet = 0;
  };
  for (let i = 0; i < count; i++) join();
  assert.equal(runs, 1);
  return {
    "cut: the header of a segment": cut,
    "join: a segment": join,
    "complete a checksum": () => finishChecksum(octets, view, at.packets + room, head + segmentOctets),
  };
}

function runQueue(mostOctets: number): () => unknown {
  const count = 45;
  const [head, body] = [52, 1388];
  const waiting = 20;
  const memory = { octets: new Uint8Array(256), view: new DataView(new ArrayBuffer(0)) };
  const slots = new SlotPools(new Slots(0, 0, 0, 2 * waiting), new Slots(2 * waiting, 0, 0, 0));
  const runs = new RunTable(slots);
  const queue = new RunQueue(runs, 1995, memory);
  let now = instant(0);
  const enqueue = (): void => {
    const run = runs.add(slots.big.take(), 0, head + count * body, count, head, body, true);
    queue.enqueue(run, slots.big.free % FLOWS, now);
  };
  const segment = (): void => {
    if (queue.packets <= (waiting - FLOWS - 1) * count) enqueue();
    now = after(now, 0.005);
    assert.ok(queue.take(mostOctets, now));
    queue.releaseTaken();
  };
  for (let i = 0; i < 1000; i++) segment();
  assert.deepEqual(queue.drops, { queueFull: 0, delayed: 0 });
  return segment;
}

/** Packets of flows with little traffic, which pass so many flows with much. */
function sparseFlows(ahead: number): () => unknown {
  const memory = { octets: new Uint8Array(256), view: new DataView(new ArrayBuffer(0)) };
  const slots = new SlotPools(new Slots(0, 0, 0, 4 * ahead), new Slots(4 * ahead, 0, 0, 8));
  const runs = new RunTable(slots);
  const queue = new RunQueue(runs, 1995, memory);
  let now = instant(0);
  for (let flow = 0; flow < ahead; flow++)
    queue.enqueue(runs.add(slots.big.take(), 0, RUN.length, RUN.count, RUN.head, RUN.body, true), flow, now);
  const packet = (): void => {
    now = after(now, 20);
    queue.enqueue(runs.add(slots.small.take(), 0, 84, 1, 0, 84, false), ahead, now);
    assert.ok(queue.takeSparse(now));
    queue.releaseTaken();
  };
  for (let i = 0; i < 1000; i++) packet();
  assert.deepEqual([queue.packets, slots.small.free], [ahead * RUN.count, 8]);
  return packet;
}

/** What is kept of segments that go by two paths, and asked when reports tell of them. */
function verdicts(): Cases {
  const slots = new SlotPools(new Slots(0, 0, 0, 2), new Slots(2, 0, 0, 0));
  const runs = new RunTable(slots);
  const add = (): number => runs.add(slots.big.take(), 0, RUN.length, RUN.count, RUN.head, RUN.body, true);
  const [once, twice] = [add(), add()];
  let segment = 0;
  const next = (): number => {
    segment = segment === RUN.count - 1 ? 0 : segment + 1;
    return segment;
  };
  const ofOne = (): boolean => runs.settle(once, next(), true);
  const bothCame = (): boolean => {
    runs.setCopied(twice, next(), 1);
    return runs.settle(twice, segment, true) && runs.settle(twice, segment, true);
  };
  const bothLost = (): boolean => {
    runs.setCopied(twice, next(), 1);
    return runs.settle(twice, segment, false) && !runs.settle(twice, segment, false);
  };
  const alone = (): boolean => {
    runs.setCopied(twice, next(), 1);
    runs.setSingle(twice, segment);
    return !runs.settle(twice, segment, true);
  };
  for (let i = 0; i < 1000; i++) assert.ok(!ofOne() && bothCame() && bothLost() && alone());
  return {
    "by one path: settle": ofOne,
    "by two paths: set, and settle both as come": bothCame,
    "by two paths: set, and settle both as lost": bothLost,
    "by two paths of which one has gone: set, make single, settle": alone,
  };
}

function lanesIn(): Cases {
  const octets = new Uint8Array(4 * 70_000);
  const memory = { octets, view: new DataView(octets.buffer) };
  const slots = new SlotPools(new Slots(0, 0, 70_000, 2), new Slots(2, 140_000, 2048, 64));
  let delivered = 0;
  const lanes = new LanesIn(slots, memory, { deliver: () => delivered++ });
  const slot = slots.big.take();
  const now = instant(0);
  let number = 0;
  const handle = (lane: number, at: number, isCrowded: boolean): void =>
    lanes.handle(slot, 100, 1440, lane, at & 0xffffff, true, isCrowded, now);
  const inOrder = (): void => handle(0, number++, true);
  /** Each second one comes before the one that it follows. */
  const swapped = (lane: number, isCrowded: boolean): (() => void) => {
    let turn = 0;
    return () => handle(lane, turn++ ^ 1, isCrowded);
  };
  const cases = {
    "in order": inOrder,
    "pairs the wrong way round, slots held": swapped(1, true),
    "pairs the wrong way round, copied": swapped(2, false),
  };
  for (const packet of Object.values(cases)) for (let i = 0; i < 1000; i++) packet();
  assert.deepEqual([delivered, lanes.heldPackets], [3000, 0]);
  return cases;
}

function fullQueue(): FlowQueue {
  const queue = new FlowQueue(WAITING, 1);
  const pool = makePool(WAITING, LENGTH);
  for (let i = 0; i < WAITING; i++) {
    const packet = pool.take();
    assert.ok(packet);
    packet.octets.set(tcpPacket(LENGTH, 5000 + (i % FLOWS)));
    advance(packet.octets, Math.floor(i / FLOWS));
    packet.length = LENGTH;
    packet.frameLength = LENGTH + 1;
    assert.equal(queue.enqueue(packet, instant(0)), null);
  }
  return queue;
}

/** Content of a datagram, and where in the memory: the datagram, the two parts that it is made of, a sealed one. */
const CONTENT = 1400;
const AT = { datagram: 0, head: 2000, body: 3000, sealed: 5000 } as const;
const HEAD = 56;
const CIPHER_LIMITS = { ...KEY_LIMITS, mostDatagrams: Number.POSITIVE_INFINITY };

function sessionEnds(primitives: Primitives, cipher: CipherName): [SessionKeys, SessionKeys] {
  const keys = { fromInitiator: new Uint8Array(32).fill(1), fromResponder: new Uint8Array(32).fill(2) };
  const agreement = { keys, cipher, remoteIndex: 1 };
  const end = (initiator: boolean): SessionKeys =>
    new SessionKeys(primitives, agreement, {
      localIndex: 1,
      bornAt: instant(0),
      initiator,
      limits: CIPHER_LIMITS,
    });
  return [end(true), end(false)];
}

function sealing(name: CipherName): Cases {
  const memory = nativeBuffer(8192);
  const { octets } = memory;
  const cases = (primitives: Primitives): [() => unknown, () => unknown, () => unknown] => {
    const cipher = primitives.transportCipher(name, new Uint8Array(32));
    octets.set(randomOctets(CONTENT, 1995), AT.sealed);
    cipher.seal(octets, AT.sealed, CONTENT, 0, 0);
    const [near, far] = sessionEnds(primitives, name);
    const both = (): string => {
      const length = near.sealParts(0, octets, AT.datagram, AT.head, HEAD, AT.body, CONTENT - HEAD);
      return far.open(octets, AT.datagram, length);
    };
    const open = (): boolean => {
      octets.copyWithin(AT.datagram, AT.sealed, AT.sealed + CONTENT + 16);
      return cipher.open(octets, AT.datagram, CONTENT + 16, 0, 0);
    };
    assert.ok(open());
    assert.equal(both(), "opened");
    return [() => cipher.seal(octets, AT.datagram, CONTENT, 0, 0), open, both];
  };
  const make = (native: NativeBuffer | null): ReturnType<typeof cases> => cases(tunnelCrypto(native));
  const [seal, open, both] = make(memory);
  const [slowSeal, slowOpen, slowBoth] = make(null);
  return {
    "seal, by EVP": seal,
    "copy and open, by EVP": open,
    "seal two parts and open, with keys of a session, by EVP": both,
    "seal, by node:crypto": slowSeal,
    "copy and open, by node:crypto": slowOpen,
    "seal two parts and open, with keys of a session, by node:crypto": slowBoth,
  };
}

/** A link of a tunnel: what its receiver notes of a datagram, and what both ends do, shares of a report included. */
function datagramLogs(lossEach: number): Cases {
  const octets = new Uint8Array(REPORT_BOUND);
  const report = new Report();
  let verdicts = 0;
  const sink = { acked: () => verdicts++, lost: () => verdicts++ };
  const receiver = (sent: SentLog | null) => {
    const arrivals = new ArrivalLog(0);
    let counter = 0;
    return () => {
      const now = instant(counter * 0.01);
      sent?.add(now, LENGTH, counter & 0xff, 0);
      if (counter % lossEach !== 7) arrivals.handle(1, counter, LENGTH, now, true);
      counter++;
      if (counter % A_REPORT !== 0) return;
      const length = arrivals.write(octets, 0, octets.length, now);
      if (sent === null || !report.read(octets, 0, length)) return;
      sent.handleReport(report, now, sink);
    };
  };
  const sent = new SentLog();
  sent.beginSession(1);
  const both = receiver(sent);
  for (let i = 0; i < 4 * A_REPORT; i++) both();
  assert.ok(verdicts > 3 * A_REPORT);
  return { "at the receiver": receiver(null), "at both ends": both };
}

/** What one packet costs, part by part. Each part checks that it does what it says while it is prepared. */
export const MICRO_GROUPS: Readonly<Record<string, () => Cases>> = {
  [`SLIP, a packet of ${LENGTH} random octets`]: slip,
  [`HDLC with FCS-16, a packet of ${LENGTH} random octets, only flag and escape escaped`]: () => hdlc(0),
  [`HDLC with FCS-16, a packet of ${LENGTH} random octets, all control octets escaped`]: () =>
    hdlc(DEFAULT_ASYNC_MAP),
  [`the flow queue, ${WAITING} packets of ${FLOWS} flows`]: flowQueue,
  [`earliest-arrival, ${WAITING} packets of ${FLOWS} flows and 4 links`]: earliestArrival,
  [`AES-256-GCM, a datagram with ${CONTENT} octets`]: () => sealing("aes-256-gcm"),
  [`ChaCha20-Poly1305, a datagram with ${CONTENT} octets`]: () => sealing("chacha20-poly1305"),
  "a run of 45 segments of 1440 octets, TCP with time stamps": offloadedRun,
  [`what a link of a tunnel notes of a datagram, with a report of each ${A_REPORT}`]: () =>
    datagramLogs(2 ** 30),
  [`what a link of a tunnel notes of a datagram, with a report of each ${A_REPORT}, 1 % lost`]: () =>
    datagramLogs(100),
  "a datagram of 1400 octets over the loop-back, sent and received": () => ({
    "many as one message": datagramsOverLoopback(true),
    "one message each": datagramsOverLoopback(false),
  }),
  [`the run queue, runs of 45 segments of ${FLOWS} flows; take, and enqueue a run now and then`]: () => ({
    "segments of one millisecond of 1 Gbit/s": runQueue(125_000),
    "segments of 16 KB": runQueue(16_384),
    "one segment": runQueue(1),
  }),
  "the run queue, a packet of a flow with little traffic: enqueue, take": () => ({
    "nothing else waits": sparseFlows(0),
    [`${FLOWS} flows wait`]: sparseFlows(FLOWS),
    "15 flows wait": sparseFlows(15),
  }),
  "what became of a segment": verdicts,
  "lanes of a tunnel, a packet of 1440 octets": lanesIn,
  "the whole way of a packet on virtual time, SLIP both ends included": () => ({
    "ClassicPath, 1 line": classicPath([115_200]),
    "ClassicPath, 4 unequal lines": classicPath([115_200, 115_200, 57_600, 9600]),
  }),
};
