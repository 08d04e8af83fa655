import { replaceInSum, rewriteWord } from "./checksum.ts";
import { PSH_FIN } from "./tcp-flags.ts";
import { checksumField, headLengthOf, isUdp, transportStart } from "./transport-header.ts";
import { SEGMENTATION, VIRTIO_HEADER, writePartialHeader } from "./virtio-net-header.ts";

/** Packets of a run, at most. */
const PACKETS = 64;
/** What a length field of IP can say. */
const OCTETS = 65_535;

/** Packets of one flow that are to be written as one: the first one whole, of the others the payload. */
export class OpenRun {
  readonly #octets: Uint8Array;
  readonly #view: DataView;
  /** Offset and length of each piece in turn; the virtio-net header belongs to the first. */
  readonly pieces: Int32Array = new Int32Array(2 * PACKETS);
  /** Where each piece lies. */
  readonly slots: Int32Array = new Int32Array(PACKETS);
  count = 0;
  /** What was added last is something that nothing may follow. */
  isComplete = false;
  /** Of the first packet. */
  #from = 0;
  #found = 0;
  #ports = 0;
  /** Payload of each packet but the last. */
  #segmentOctets = 0;
  /** Of all, with one header. */
  #length = 0;
  #nextSequence = 0;

  constructor(memory: { readonly octets: Uint8Array; readonly view: DataView }) {
    this.#octets = memory.octets;
    this.#view = memory.view;
  }

  /** Whether a packet has the same addresses and ports. */
  isOf(from: number, found: number): boolean {
    return this.#view.getInt32(from + transportStart(found)) === this.#ports && this.isBetween(from);
  }

  /** Whether a packet has the same addresses. */
  isBetween(from: number): boolean {
    const isVersion4 = this.#isVersion4;
    if (isVersion4 !== ((this.#octets[from] as number) >> 4 === 4)) return false;
    return isVersion4 ? this.#isSame(from, 12, 20) : this.#isSame(from, 8, 40);
  }

  /** Begins anew with a packet. */
  begin(slot: number, from: number, total: number, found: number): void {
    const transport = from + transportStart(found);
    this.#from = from;
    this.#found = found;
    this.#ports = this.#view.getInt32(transport);
    this.#segmentOctets = total - headLengthOf(found);
    this.#length = total;
    this.#nextSequence = isUdp(found) ? 0 : (this.#view.getInt32(transport + 4) + this.#segmentOctets) | 0;
    this.pieces[0] = from - VIRTIO_HEADER;
    this.pieces[1] = total + VIRTIO_HEADER;
    this.slots[0] = slot;
    this.count = 1;
  }

  /** Whether a packet of this flow, that may be merged, is the next of the run: it differs in what {@link writeHeader} sets, and no more. */
  continues(from: number, total: number, found: number): boolean {
    const view = this.#view;
    const first = this.#from;
    const head = headLengthOf(found);
    const body = total - head;
    if (found !== this.#found || body > this.#segmentOctets || this.#length + body > OCTETS) return false;
    const isVersion4 = this.#isVersion4;
    if (isVersion4) {
      if (
        view.getInt16(from) !== view.getInt16(first) ||
        view.getInt32(from + 6) !== view.getInt32(first + 6)
      ) {
        return false;
      }
    } else if (
      view.getInt32(from) !== view.getInt32(first) ||
      view.getInt16(from + 6) !== view.getInt16(first + 6)
    ) {
      return false;
    }
    const start = transportStart(found);
    if (!this.#isSame(from, isVersion4 ? 20 : 40, start)) return false;
    if (isUdp(found)) return true;
    return (
      view.getInt32(from + start + 4) === this.#nextSequence &&
      view.getInt32(from + start + 8) === view.getInt32(first + start + 8) &&
      ((view.getInt32(from + start + 12) ^ view.getInt32(first + start + 12)) & ~(PSH_FIN << 16)) === 0 &&
      this.#isSame(from, start + 20, head)
    );
  }

  /** Adds a packet that {@link continues} the run. */
  add(slot: number, from: number, total: number): void {
    const head = headLengthOf(this.#found);
    const body = total - head;
    this.pieces[2 * this.count] = from + head;
    this.pieces[2 * this.count + 1] = body;
    this.slots[this.count++] = slot;
    this.#length += body;
    this.isComplete = body < this.#segmentOctets || this.count === PACKETS;
    if (isUdp(this.#found)) return;
    this.#nextSequence = (this.#nextSequence + body) | 0;
    const flags = transportStart(this.#found) + 13;
    const last = (this.#octets[from + flags] as number) & PSH_FIN;
    if (last === 0) return;
    this.#octets[this.#from + flags] = (this.#octets[this.#from + flags] as number) | last;
    this.isComplete = true;
  }

  /** Writes the virtio-net header, and makes the first packet's headers those of all. */
  writeHeader(): void {
    const view = this.#view;
    const found = this.#found;
    const from = this.#from;
    const header = from - VIRTIO_HEADER;
    if (this.count === 1) {
      writePartialHeader(view, header, SEGMENTATION.none, 0, 0, found);
      return;
    }
    const isVersion4 = this.#isVersion4;
    const tcp = isVersion4 ? SEGMENTATION.tcp4 : SEGMENTATION.tcp6;
    const kind = isUdp(found) ? SEGMENTATION.udp : tcp;
    writePartialHeader(view, header, kind, headLengthOf(found), this.#segmentOctets, found);
    if (isVersion4) rewriteWord(view, from + 2, this.#length, from + 10);
    else view.setUint16(from + 4, this.#length - 40);
    const start = transportStart(found);
    const before = headLengthOf(found) + this.#segmentOctets - start;
    const behind = this.#length - start;
    const field = from + start + checksumField(found);
    view.setUint16(field, replaceInSum(view.getUint16(field), before, behind));
    if (isUdp(found)) view.setUint16(from + start + 4, behind);
  }

  get #isVersion4(): boolean {
    return (this.#octets[this.#from] as number) >> 4 === 4;
  }

  /** Whether a packet's octets from `begin` to `end`, whole words, are those of the first. */
  #isSame(from: number, begin: number, end: number): boolean {
    for (let i = begin; i < end; i += 4) {
      if (this.#view.getInt32(from + i) !== this.#view.getInt32(this.#from + i)) return false;
    }
    return true;
  }
}
