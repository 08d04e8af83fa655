import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { HdlcDecoder } from "../../src/wire/hdlc.ts";
import { MultilinkHeader } from "../../src/wire/multilink-header.ts";
import { PPP_MULTILINK, PppHeader } from "../../src/wire/ppp-packet.ts";

const GOLDEN = new URL("../../../tests/wire/golden/", import.meta.url);

export interface PppPacket {
  readonly protocol: number;
  readonly octets: Uint8Array;
}

export interface Fragment {
  readonly number: number;
  readonly first: boolean;
  readonly last: boolean;
  readonly octets: Uint8Array;
}

/** What went one way over one line of a recorded session. */
export const goldenOctets = (name: string): Uint8Array => readFileSync(new URL(`${name}.bin`, GOLDEN));

/** What pppd logged of a recorded session: the lines that are about packets. */
export function goldenLog(name: string): string[] {
  const lines = readFileSync(new URL(`${name}.log`, GOLDEN), "utf8").split("\n");
  return lines.filter((line) => /^(sent|rcvd) \[/.test(line));
}

/** The frames of a recorded line, all of them good. */
export function goldenFrames(name: string): PppPacket[] {
  const octets = goldenOctets(name);
  const decoder = new HdlcDecoder(new Uint8Array(1502 + 8));
  // All those peers agreed on the map 0, or kept to it before they did.
  decoder.asyncMap = 0;
  const frames: PppPacket[] = [];
  for (let at = 0; at < octets.length; ) {
    at = decoder.decode(octets, at, octets.length);
    if (decoder.frameLength > 0) frames.push(parsePacket(decoder.frame.slice(0, decoder.frameLength)));
  }
  assert.deepEqual(decoder.drops, { oversize: 0, badCheck: 0, aborted: 0, short: 0 });
  return frames;
}

/** The fragments among the frames of a recorded line. */
export function goldenFragments(name: string, short: boolean): Fragment[] {
  const header = new MultilinkHeader();
  return goldenFrames(name)
    .filter(({ protocol }) => protocol === PPP_MULTILINK)
    .map(({ octets }) => {
      assert.ok(header.read(octets, 0, octets.length, short));
      const { number, first, last, dataFrom } = header;
      return { number, first, last, octets: octets.subarray(dataFrom) };
    });
}

/** The packets of consecutive fragments. */
export function reassemble(fragments: readonly Fragment[]): PppPacket[] {
  const packets: PppPacket[] = [];
  let parts: number[] = [];
  let open = false;
  for (const { first, last, octets, number } of fragments) {
    assert.equal(first, !open, `fragment ${number}`);
    parts.push(...octets);
    open = !last;
    if (!last) continue;
    packets.push(parsePacket(Uint8Array.from(parts)));
    parts = [];
  }
  assert.ok(!open);
  return packets;
}

function parsePacket(octets: Uint8Array): PppPacket {
  const header = new PppHeader();
  assert.ok(header.read(octets, 0, octets.length));
  return { protocol: header.protocol, octets: octets.subarray(header.dataFrom) };
}
