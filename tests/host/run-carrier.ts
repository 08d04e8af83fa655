import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import {
  ioctl,
  type NativeBuffer,
  nativeBuffer,
  O_NONBLOCK,
  O_RDWR,
  open,
  read,
  write,
} from "../../src/host/libc.ts";
import { Coalescer } from "../../src/wire/coalescer.ts";
import { Segments } from "../../src/wire/segments.ts";
import { ip } from "./netlink-scenario.ts";

const DEADLINE_MS = 15_000;
const TUN_FLAGS = 0x1001; // IFF_TUN | IFF_NO_PI
const VNET_HEADER = 0x4000;
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
export const ALL_OFFLOADS = 0x01 | 0x02 | 0x04 | 0x20 | 0x40; // checksums, TCP over IPv4 and IPv6, UDP over both

/** @returns its descriptor */
export function openTun(name: string, hasHeader: boolean, offloads: number): number {
  const fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  const request = nativeBuffer(40);
  request.octets.set(Buffer.from(name));
  request.view.setUint16(16, TUN_FLAGS | (hasHeader ? VNET_HEADER : 0), true);
  assert.equal(ioctl(fd, TUNSETIFF, request.address), 0, "TUNSETIFF");
  if (hasHeader) assert.equal(ioctl(fd, TUNSETOFFLOAD, offloads), 0, "TUNSETOFFLOAD");
  ip(`link set ${name} mtu 1440 up`);
  return fd;
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await turn();
  }
}

export const SLOT = 66_000;

/** A run lies in slot 0; its segments, each in a slot of its own, become runs again that are written to `fd`. */
export class Carrier {
  readonly memory: NativeBuffer = nativeBuffer(SLOT * 140);
  readonly segments = new Segments();
  readonly coalescer: Coalescer;
  /** Written in all. */
  runs = 0;
  /** The most packets of a run that was written, and of one that was read. */
  mostJoined = 0;
  mostCut = 0;
  #slot = 1;

  constructor(fd: number, hasHeader = true) {
    const { octets } = this.memory;
    const packet = nativeBuffer(SLOT);
    this.coalescer = new Coalescer(
      this.memory,
      {
        writeRun: (pieces, count): void => {
          let length = 0;
          for (let i = 0; i < count; i++) {
            const at = pieces[2 * i] as number;
            packet.octets.set(octets.subarray(at, at + (pieces[2 * i + 1] as number)), length);
            length += pieces[2 * i + 1] as number;
          }
          this.runs++;
          this.mostJoined = Math.max(this.mostJoined, count);
          assert.equal(write(fd, packet.address, length), length);
        },
      },
      { hold: () => {}, release: () => {} },
      { hasHeader, mergeUdp: true },
    );
  }

  forget(): void {
    this.runs = 0;
    this.mostCut = 0;
    this.mostJoined = 0;
  }

  /** Reads what waits on `fd`. @returns false: nothing does */
  mirror(fd: number): boolean {
    const { memory, segments } = this;
    const { octets, view } = memory;
    const from = 64;
    const length = read(fd, memory.address + from - 10, SLOT - 100) - 10;
    if (length < 0) return false;
    // Questions for routers and the like have no answer.
    if ((octets[from] as number) >> 4 === 6 && octets[from + 24] === 0xff) return true;
    swapAddresses(octets, from);
    assert.ok(segments.read(memory, from, length));
    const { count, headLength, segmentOctets, vouched } = segments;
    this.mostCut = Math.max(this.mostCut, count);
    for (let i = 0; i < count; i++) {
      const slot = 1 + (this.#slot++ % 139);
      const packet = slot * SLOT + 64;
      if (headLength > 0)
        segments.writeHead(octets, view, from, length, headLength, segmentOctets, i, packet);
      const body = from + headLength + i * segmentOctets;
      const end = headLength > 0 ? Math.min(body + segmentOctets, from + length) : from + length;
      octets.copyWithin(packet + headLength, body, end);
      this.coalescer.take(slot, packet, headLength + end - body, vouched);
    }
    return true;
  }
}

function swapAddresses(octets: Uint8Array, from: number): void {
  const [first, size] = (octets[from] as number) >> 4 === 4 ? [from + 12, 4] : [from + 8, 16];
  const source = octets.slice(first, first + size);
  octets.copyWithin(first, first + size, first + 2 * size);
  octets.set(source, first + size);
}
