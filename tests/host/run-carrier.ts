import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { type NativeBuffer, nativeBuffer } from "../../src/host/libc.ts";
import { OffloadTun, type OffloadTunOptions } from "../../src/host/offload-tun.ts";
import { Coalescer } from "../../src/wire/coalescer.ts";
import { Segments } from "../../src/wire/segments.ts";
import { ip } from "./netlink-scenario.ts";

const DEADLINE_MS = 60_000;

/** Looks again and again, without rest: what is waited for takes its course in between. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await turn();
  }
}

export function tunUp(name: string, memory: NativeBuffer, options: OffloadTunOptions = {}): OffloadTun {
  const tun = new OffloadTun(name, memory, options);
  ip(`link set ${name} mtu 1440 up`);
  return tun;
}

/** Room for a run, with headroom. */
export const SLOT = 66_000;
const SLOTS = 140;
const FROM = 64;

/** A run lies in slot 0; its segments, each in a slot of its own, become runs again that are written to `back`. */
export class Carrier {
  readonly memory: NativeBuffer = nativeBuffer(SLOT * SLOTS);
  readonly tun: OffloadTun;
  readonly coalescer: Coalescer;
  /** Written in all. */
  runs = 0;
  /** The most packets of a run that was written, and of one that was read. */
  mostJoined = 0;
  mostCut = 0;
  readonly #back: OffloadTun;
  readonly #segments = new Segments();
  #slot = 1;

  /** @param isPlain what is read of `name` is written to another interface, without header */
  constructor(name: string, isPlain = false) {
    this.tun = tunUp(name, this.memory);
    const back = isPlain ? tunUp(`${name}-back`, this.memory, { header: false }) : this.tun;
    const writer = {
      writeRun: (pieces: Int32Array, count: number): void => {
        this.runs++;
        this.mostJoined = Math.max(this.mostJoined, count);
        back.writeRun(pieces, count);
        assert.equal(back.unwritten, 0);
      },
    };
    this.coalescer = new Coalescer(this.memory, writer, { hold: () => {}, release: () => {} }, back);
    this.#back = back;
  }

  forget(): void {
    this.runs = 0;
    this.mostCut = 0;
    this.mostJoined = 0;
  }

  close(): void {
    if (this.#back !== this.tun) this.#back.close();
    this.tun.close();
  }

  /** Takes all that waits, and writes it with its addresses exchanged. */
  mirror(): void {
    for (let i = 0; i < 16 && this.#mirrorNext(); i++);
    this.coalescer.flush();
  }

  #mirrorNext(): boolean {
    const { memory } = this;
    const { octets, view } = memory;
    const segments = this.#segments;
    const length = this.tun.read(FROM);
    if (length === 0) return false;
    // Questions for routers and the like have no answer.
    if ((octets[FROM] as number) >> 4 === 6 && octets[FROM + 24] === 0xff) return true;
    exchangeAddresses(octets, FROM);
    assert.ok(segments.read(memory, FROM, length));
    const { count, headLength, segmentOctets, vouched } = segments;
    this.mostCut = Math.max(this.mostCut, count);
    for (let i = 0; i < count; i++) {
      const slot = 1 + (this.#slot++ % (SLOTS - 1));
      const packet = slot * SLOT + FROM;
      if (headLength > 0)
        segments.writeHead(octets, view, FROM, length, headLength, segmentOctets, i, packet);
      const body = FROM + headLength + i * segmentOctets;
      const end = Math.min(body + segmentOctets, FROM + length);
      octets.copyWithin(packet + headLength, body, end);
      this.coalescer.take(slot, packet, headLength + end - body, vouched);
    }
    return true;
  }
}

function exchangeAddresses(octets: Uint8Array, from: number): void {
  const [first, size] = (octets[from] as number) >> 4 === 4 ? [from + 12, 4] : [from + 8, 16];
  const source = octets.slice(first, first + size);
  octets.copyWithin(first, first + size, first + 2 * size);
  octets.set(source, first + size);
}
