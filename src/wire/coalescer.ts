/**
 * Packets in order become runs again for an interface with offloads, which takes a run at the cost of one packet.
 *
 * 1. `take` finds the flow of a packet among the open runs. One that continues a run is added to it, and may end it.
 * 2. Anything else of that flow has the run written first: what is in order stays so within a flow.
 * 3. A run is written with one virtio-net header and the first packet's headers, lengths and checksums fitted to all of it.
 *
 * Only vouched packets are put together: of the others' checksums it is not known that they are right.
 */
import { finishChecksum } from "./checksum.ts";
import { ipTotalLength } from "./ip-packet.ts";
import { OpenRun } from "./open-run.ts";
import { ACK, EXCEPTIONAL, PSH_FIN } from "./tcp-flags.ts";
import { findTransport, headLengthOf, isUdp, transportStart } from "./transport-header.ts";
import { SEGMENTATION, VIRTIO_HEADER, writePartialHeader, writePlainHeader } from "./virtio-net-header.ts";

/** Runs that are open at once, of different flows. */
const OPEN_RUNS = 8;

/** The interface that runs are for. */
export interface RunWriter {
  /**
   * Writes what lies in so many pieces as one packet. If the interface takes a virtio-net header, it is at the beginning of the first.
   * @param pieces offsets in the memory and lengths, in turn; valid during the call only
   */
  writeRun(pieces: Int32Array, count: number): void;
}

export interface CoalescerOptions {
  /** The interface takes a virtio-net header; otherwise each packet is written by itself, its checksum complete. */
  readonly hasHeader: boolean;
  /** It takes runs of UDP datagrams too. */
  readonly mergeUdp: boolean;
}

/** Packets of which the slot is kept until the run that they are in is written. */
interface SlotCounts {
  hold(slot: number): void;
  release(slot: number): void;
}

export class Coalescer {
  readonly #octets: Uint8Array;
  readonly #view: DataView;
  readonly #writer: RunWriter;
  readonly #slots: SlotCounts;
  readonly #options: CoalescerOptions;
  /** Those that are open stand first. */
  readonly #runs: OpenRun[];
  #open = 0;
  /** Which one has to go when another one begins. */
  #next = 0;
  readonly #single = new Int32Array(2);
  readonly #drops = { malformed: 0 };

  constructor(
    memory: { readonly octets: Uint8Array; readonly view: DataView },
    writer: RunWriter,
    slots: SlotCounts,
    options: CoalescerOptions,
  ) {
    this.#octets = memory.octets;
    this.#view = memory.view;
    this.#writer = writer;
    this.#slots = slots;
    this.#options = options;
    this.#runs = Array.from({ length: OPEN_RUNS }, () => new OpenRun(memory));
  }

  /** `malformed`: no IP packet, or one that is cut short. */
  get drops(): Readonly<Record<"malformed", number>> {
    return this.#drops;
  }

  /**
   * The next packet. The ten octets before it are written over, and those of its header.
   * @param slot that it lies in; held beyond the call if the packet waits for more of its flow
   * @param vouched its transport checksum is partial
   */
  take(slot: number, from: number, length: number, vouched: boolean): void {
    const total = ipTotalLength(this.#octets, from, length);
    if (total === 0) {
      this.#drops.malformed++;
      return;
    }
    if (!this.#options.hasHeader) {
      if (vouched) finishChecksum(this.#octets, this.#view, from, total);
      this.#write(from, total);
      return;
    }
    const found = findTransport(this.#octets, from, total);
    const run = this.#find(from, found);
    const mayMerge = vouched && this.#mayMerge(from, total, found);
    if (run >= 0) {
      const open = this.#runs[run] as OpenRun;
      if (mayMerge && open.continues(from, total, found)) {
        this.#slots.hold(slot);
        open.add(slot, from, total);
        if (open.isComplete) this.#finish(run);
        return;
      }
      this.#finish(run);
    }
    if (mayMerge && !endsRun(this.#octets, from, found)) {
      this.#slots.hold(slot);
      this.#freeRun().begin(slot, from, total, found);
      return;
    }
    const header = from - VIRTIO_HEADER;
    if (vouched && found !== 0) writePartialHeader(this.#view, header, SEGMENTATION.none, 0, 0, found);
    else writePlainHeader(this.#view, header);
    this.#write(header, total + VIRTIO_HEADER);
  }

  /** Writes all that waits. */
  flush(): void {
    while (this.#open > 0) this.#finish(this.#open - 1);
  }

  /** @returns the open run of the packet's flow; -1: there is none */
  #find(from: number, found: number): number {
    for (let i = 0; i < this.#open; i++) {
      const run = this.#runs[i] as OpenRun;
      if (found === 0) {
        // A fragment may be of any flow between its addresses.
        if (run.isBetween(from)) this.#finish(i--);
      } else if (run.isOf(from, found)) return i;
    }
    return -1;
  }

  #mayMerge(from: number, total: number, found: number): boolean {
    if (found === 0 || headLengthOf(found) === total) return false;
    const transport = from + transportStart(found);
    if (!isUdp(found)) return ((this.#octets[transport + 13] as number) & EXCEPTIONAL) === ACK;
    return this.#options.mergeUdp && this.#view.getUint16(transport + 4) === from + total - transport;
  }

  #freeRun(): OpenRun {
    if (this.#open < OPEN_RUNS) return this.#runs[this.#open++] as OpenRun;
    const run = this.#runs[this.#next] as OpenRun;
    this.#next = (this.#next + 1) % OPEN_RUNS;
    this.#writeRun(run);
    return run;
  }

  #finish(index: number): void {
    const run = this.#runs[index] as OpenRun;
    this.#open--;
    this.#runs[index] = this.#runs[this.#open] as OpenRun;
    this.#runs[this.#open] = run;
    this.#writeRun(run);
  }

  #writeRun(run: OpenRun): void {
    run.writeHeader();
    this.#writer.writeRun(run.pieces, run.count);
    for (let i = 0; i < run.count; i++) this.#slots.release(run.slots[i] as number);
  }

  #write(at: number, length: number): void {
    this.#single[0] = at;
    this.#single[1] = length;
    this.#writer.writeRun(this.#single, 1);
  }
}

const endsRun = (octets: Uint8Array, from: number, found: number): boolean =>
  !isUdp(found) && ((octets[from + transportStart(found) + 13] as number) & PSH_FIN) !== 0;
