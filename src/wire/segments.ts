import { completeChecksum, replaceInSum, rewriteWord } from "./checksum.ts";
import { ipTotalLength } from "./ip-packet.ts";
import { CWR, PSH_FIN } from "./tcp-flags.ts";
import { checksumField, findTransport, headLengthOf, isUdp, transportStart } from "./transport-header.ts";
import {
  checksumOffset,
  checksumStart,
  needsChecksum,
  SEGMENTATION,
  segmentationOf,
  segmentSize,
  VIRTIO_HEADER,
} from "./virtio-net-header.ts";

/** Segments of a run at most. */
export const SEGMENT_LIMIT = 128;

/**
 * What an interface with offloads hands over: one packet, or a run of segments with one header for all of them. It is read into fields
 * that are used again for the next one.
 */
export class Segments {
  count = 0;
  /** Octets of the headers, which each segment gets its own of, at most 256; 0: one packet that goes as it is. */
  headLength = 0;
  /** Payload of each segment but the last. */
  segmentOctets = 0;
  /** The checksum is left partial, and is that of TCP or UDP right behind the IP headers. */
  vouched = false;

  /**
   * Reads the packet at `from` and the virtio-net header in the ten octets before it (zeros, where the interface has none). A partial checksum
   * that is not of the usual kind is completed in the packet.
   * @returns false: it is no IP packet, or its header contradicts it
   */
  read(memory: { octets: Uint8Array; view: DataView }, from: number, length: number): boolean {
    const { octets, view } = memory;
    this.count = 1;
    this.headLength = 0;
    this.segmentOctets = length;
    this.vouched = false;
    const total = ipTotalLength(octets, from, length);
    if (total === 0) return false;
    const header = from - VIRTIO_HEADER;
    const segmentation = segmentationOf(octets, header);
    if (!needsChecksum(octets, header)) return segmentation === SEGMENTATION.none;
    const start = checksumStart(view, header);
    const offset = checksumOffset(view, header);
    if (start + offset + 2 > length) return false;
    const found = findTransport(octets, from, total);
    this.vouched =
      found !== 0 && total === length && start === transportStart(found) && offset === checksumField(found);
    if (segmentation === SEGMENTATION.none) {
      if (!this.vouched) completeChecksum(octets, view, from + start, from + length, from + start + offset);
      return true;
    }
    return this.vouched && this.#cut(octets, from, length, segmentation, found, segmentSize(view, header));
  }

  #cut(
    octets: Uint8Array,
    from: number,
    length: number,
    segmentation: number,
    found: number,
    size: number,
  ): boolean {
    const isVersion4 = (octets[from] as number) >> 4 === 4;
    const tcp = isVersion4 ? SEGMENTATION.tcp4 : SEGMENTATION.tcp6;
    if (segmentation !== (isUdp(found) ? SEGMENTATION.udp : tcp) || size === 0) return false;
    const headLength = headLengthOf(found);
    const count = Math.ceil((length - headLength) / size);
    if (count <= 1) return true;
    if (count > SEGMENT_LIMIT) return false;
    this.count = count;
    this.headLength = headLength;
    this.segmentOctets = size;
    return true;
  }

  /**
   * Writes the IP and transport header of a segment of a run at `into`, `headLength` octets of it, with a partial checksum. Only what
   * {@link read} found of the run is needed, and the run as it was.
   */
  writeHead(
    octets: Uint8Array,
    view: DataView,
    from: number,
    length: number,
    headLength: number,
    segmentOctets: number,
    segment: number,
    into: number,
  ): void {
    // Headers are of whole words, in IPv6 too.
    for (let i = 0; i < headLength; i += 4) view.setInt32(into + i, view.getInt32(from + i, true), true);
    const found = findTransport(octets, from, length);
    const start = transportStart(found);
    const before = segment * segmentOctets;
    const rest = length - headLength - before;
    const body = rest < segmentOctets ? rest : segmentOctets;
    const octetsBehind = headLength - start + body;
    if ((octets[from] as number) >> 4 === 4) {
      rewriteWord(view, into + 2, start + octetsBehind, into + 10);
      rewriteWord(view, into + 4, (view.getUint16(into + 4) + segment) & 0xffff, into + 10);
    } else view.setUint16(into + 4, start - 40 + octetsBehind);
    const transport = into + start;
    const field = transport + checksumField(found);
    view.setUint16(field, replaceInSum(view.getUint16(field), length - start, octetsBehind));
    if (isUdp(found)) {
      view.setUint16(transport + 4, octetsBehind);
      return;
    }
    view.setInt32(transport + 4, (view.getInt32(transport + 4) + before) | 0);
    const flags = octets[transport + 13] as number;
    octets[transport + 13] =
      flags & (segment === 0 ? 0xff : ~CWR) & (rest <= segmentOctets ? 0xff : ~PSH_FIN);
  }
}
