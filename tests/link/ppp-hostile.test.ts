import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LcpSettings, NetworkSettings } from "../../src/ppp/settings.ts";
import { type Instant, instant } from "../../src/time.ts";
import { HDLC_FLAG, HdlcDecoder, HdlcEncoder, hdlcBodyBound } from "../../src/wire/hdlc.ts";
import { authSettings, secret } from "../ppp/auth-pair.ts";
import { ip, ipv4 } from "../ppp/network-pair.ts";
import { lcpSettings, randomOf } from "../ppp/pair.ts";
import { PppEnd } from "./ppp-end.ts";

const BPS = 115_200;
const OCTETS_PER_MS = BPS / 10_000;
const DELAY_MS = 5;
const LONGEST_FRAME = 4096;

const MULTILINK = { mrru: 1500, shortSequenceNumbers: false, endpoint: null };
const secrets = [secret("left", "right", "one"), secret("right", "left", "two")].map((entry) => ({
  ...entry,
  addresses: ["*"],
}));

interface Chunk {
  readonly at: number;
  readonly line: number;
  readonly to: PppEnd;
  readonly octets: Uint8Array;
}

/** Two ends joined by lines that take their time. */
class Lines {
  now: Instant = instant(0);
  readonly ends: readonly [PppEnd, PppEnd];
  /** Everything that went by, each frame without its check. */
  readonly frames: Uint8Array[] = [];
  readonly #count: number;
  #chunks: Chunk[] = [];
  readonly #freeAt = new Map<string, number>();
  readonly #decoders = new Map<string, HdlcDecoder>();

  constructor(count: number, changes: Partial<LcpSettings>, seed = 1) {
    this.#count = count;
    const echo = { intervalMs: 5000, failures: 4 };
    const lcp = lcpSettings({ restartMs: 500, echo, identification: "eql", ...changes });
    const end = (name: string, remoteName: string, addresses: Parameters<typeof ipv4>[0]): PppEnd => {
      const none = { local: null, remote: null };
      const network: NetworkSettings = { ...ipv4(addresses), restartMs: 500, ipv6: none };
      const auth = authSettings({ name, remoteName, papSecrets: secrets, chapSecrets: secrets });
      const require = name === "left" ? (["chap-md5"] as const) : (["pap"] as const);
      return new PppEnd({ lines: count, bps: BPS, lcp, auth: { ...auth, require }, network, seed: seed++ });
    };
    const addresses = { local: ip("10.0.0.1"), remote: ip("10.0.0.2") };
    this.ends = [end("left", "right", addresses), end("right", "left", {})];
  }

  /** @returns whether it holds at the end */
  runUntil(until: number, holds: () => boolean = () => false): boolean {
    for (;;) {
      this.#transmit();
      if (holds()) return true;
      const [next] = this.#chunks;
      const [a, b] = this.ends;
      const due = Math.min(next?.at ?? Number.POSITIVE_INFINITY, a.pollTimeout(), b.pollTimeout());
      if (due > until) {
        this.now = instant(until);
        return false;
      }
      this.now = instant(Math.max(this.now, due));
      if (next !== undefined && next.at <= this.now) {
        this.#chunks.shift();
        next.to.handleOctets(next.line, next.octets, this.now);
      }
      for (const end of this.ends) if (end.pollTimeout() <= this.now) end.handleTimeout(this.now);
    }
  }

  get areUp(): boolean {
    return this.ends.every(({ isUp }) => isUp);
  }

  #transmit(): void {
    for (const [index, end] of this.ends.entries()) {
      const to = this.ends[1 - index] as PppEnd;
      for (let line = 0; line < this.#count; line++) {
        const octets = end.pollOctets(line);
        if (octets.length === 0) continue;
        const way = `${index} ${line}`;
        const at = Math.max(this.now, this.#freeAt.get(way) ?? 0) + octets.length / OCTETS_PER_MS;
        this.#freeAt.set(way, at);
        this.#chunks.push({ at: at + DELAY_MS, line, to, octets: octets.slice() });
        if (this.isRecording) this.#record(way, octets);
      }
    }
    this.#chunks.sort((one, other) => one.at - other.at);
  }

  isRecording = false;

  #record(way: string, octets: Uint8Array): void {
    const decoder = this.#decoders.get(way) ?? new HdlcDecoder(new Uint8Array(LONGEST_FRAME));
    this.#decoders.set(way, decoder);
    decoder.asyncMap = 0;
    for (let at = 0; at < octets.length; ) {
      at = decoder.decode(octets, at, octets.length);
      if (decoder.frameLength > 0) this.frames.push(decoder.frame.slice(0, decoder.frameLength));
    }
  }
}

/** An IPv4 packet with its number, as long as its length field says. */
function ipPacket(number: number, length: number): Uint8Array {
  const packet = new Uint8Array(length).map((_, i) => (i * number) & 0xff);
  packet.set([0x45, 0, length >> 8, length & 0xff, number >> 8, number & 0xff, 0, 0, 64, 17, 0, 0]);
  packet.set([10, 0, 0, 1, 10, 0, 0, 2, number >> 8, number & 0xff, 0, 9], 12);
  return packet;
}

/** Data for both directions, some of it longer than one frame. */
function converse(lines: Lines, first: number, count: number): void {
  for (let n = first; n < first + count; n++) {
    for (const end of lines.ends) end.send(ipPacket(n, 60 + ((n * 97) % 1300)), lines.now);
    lines.runUntil(lines.now + 200);
  }
}

/** What two good ends say to each other, of every kind, and what neither of them says. */
function samples(count: number, changes: Partial<LcpSettings>): Uint8Array[] {
  const lines = new Lines(count, changes, 50);
  lines.isRecording = true;
  assert.ok(lines.runUntil(60_000, () => lines.areUp));
  converse(lines, 1, 20);
  lines.runUntil(lines.now + 12_000);
  for (const end of lines.ends) end.close(lines.now);
  lines.runUntil(lines.now + 20_000);
  const foreign = [
    [0xff, 3, 0x80, 0xfd, 1, 1, 0, 4],
    [0xff, 3, 0xc0, 0x25, 1, 1, 0, 4],
    [0xff, 3, 0, 0x2d, 0x40, 1, 2, 3],
    [0xff, 3, 0xc0, 0x21, 8, 1, 0, 6, 0x80, 0x21],
    [0xff, 3, 0xc0, 0x21, 8, 1, 0, 6, 0, 0x3d],
    [0xff, 3, 0xc0, 0x21, 7, 1, 0, 5, 1],
    [0x3d, 0xc0, 0, 0, 0, 0x80, 0xfd, 1, 1, 0, 4],
    [0x3d, 0xc0, 0, 0, 0],
    [0x21],
  ].map((octets) => Uint8Array.from(octets));
  return [...lines.frames, ...foreign];
}

/** Other octets, not far from these: cut, grown, or one of them changed. */
function mutate(octets: Uint8Array, random: () => number): Uint8Array {
  const at = Math.floor(random() * octets.length);
  const kind = Math.floor(random() * 6);
  if (kind === 0) return octets.slice(0, at);
  const changed = new Uint8Array(octets.length + (kind === 1 ? 1 : 0));
  changed.set(octets);
  if (kind === 1) changed.copyWithin(at + 1, at);
  if (kind === 2) changed.copyWithin(at, at + 1);
  // The first octets say most: address, control, protocol, code, number, length.
  changed[kind < 5 ? at : Math.min(at, Math.floor(random() * 12))] = Math.floor(random() * 256);
  return changed;
}

/** As a frame on the line, whatever the other side has agreed to. */
function framed(content: Uint8Array, encoder: HdlcEncoder): Uint8Array {
  const into = new Uint8Array(hdlcBodyBound(content.length + 2) + 2);
  into[0] = HDLC_FLAG;
  encoder.begin(into, 1);
  encoder.octets(content, 0, content.length);
  const to = encoder.finish();
  into[to] = HDLC_FLAG;
  return into.subarray(0, to + 1);
}

function attack(count: number, changes: Partial<LcpSettings>, frames: number, seed: number): void {
  const random = randomOf(seed);
  const originals = samples(count, changes);
  const lines = new Lines(count, changes, seed);
  const encoder = new HdlcEncoder();
  for (let n = 0; n < frames; n++) {
    const original = originals[Math.floor(random() * originals.length)] as Uint8Array;
    let content = random() < 0.2 ? original : mutate(original, random);
    if (random() < 0.3) content = mutate(content, random);
    let octets = framed(content, encoder);
    // Now and then the line is to blame: the check shows it.
    if (random() < 0.05) octets = mutate(octets, random);
    const victim = lines.ends[n % 2] as PppEnd;
    victim.handleOctets(Math.floor(random() * count), octets, lines.now);
    if (random() < 0.02) for (const end of lines.ends) end.send(ipPacket(n & 0xffff, 200), lines.now);
    if (random() < 0.05) lines.runUntil(lines.now + random() * 400);
    for (const end of lines.ends) end.delivered.length = 0;
  }
  for (const end of lines.ends) {
    assert.ok(end.established > frames / 2000, `established ${end.established} times`);
    for (const phase of ["establish", "authenticate", "network", "terminate", "dead"]) {
      assert.ok(end.phases.has(phase), phase);
    }
  }
  // What was granted to the attacker ends with the session.
  for (const end of lines.ends) end.close(lines.now);
  lines.runUntil(lines.now + 10_000);
  assert.ok(
    lines.runUntil(lines.now + 600_000, () => lines.areUp),
    "does not open again",
  );
  lines.runUntil(lines.now + 5000);
  for (const end of lines.ends) end.delivered.length = 0;
  converse(lines, 1, 50);
  lines.runUntil(lines.now + 5000);
  const sent = Array.from({ length: 50 }, (_, i) => ipPacket(i + 1, 60 + (((i + 1) * 97) % 1300)));
  for (const end of lines.ends) {
    assert.deepEqual(end.delivered, sent);
    assert.ok(end.isDrained, `${end.pool.available} of ${end.slots} packets are free`);
  }
}

describe("PPP under attack", () => {
  it("raises nothing by 250,000 mutated frames on a line, which opens and carries data afterwards", () => {
    attack(1, {}, 250_000, 7);
  });

  it("raises nothing by 250,000 mutated frames on two lines of a bundle, which opens and carries data afterwards", () => {
    attack(2, { multilink: MULTILINK }, 250_000, 8);
  });

  it("does so with short numbers", () => {
    attack(2, { multilink: { ...MULTILINK, shortSequenceNumbers: true } }, 50_000, 9);
  });
});
