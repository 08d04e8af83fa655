import { EqlError } from "../../errors.ts";
import type { Tap } from "../../link/link.ts";
import { close, describeErrno, nativeBuffer, O_CLOEXEC, O_NONBLOCK, O_RDWR, open, write } from "../libc.ts";

const MAGIC = 0xa1b2c3d4;
const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_PPP_WITH_DIR = 204;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const SLL_HEADER = 16;
const PACKET_HOST = 0;
const PACKET_OUTGOING = 4;
const ARPHRD_NONE = 0xfffe;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
/** A pipe takes up to so many octets whole or not at all (pipe(7)), so that a slow reader never finds a half record. */
const PIPE_BUF = 4096;
const LONGEST = PIPE_BUF - RECORD_HEADER - SLL_HEADER;

/**
 * Writes what a link carries as a pcap to a named pipe, both directions, each packet marked as sent or received: packets as
 * LINKTYPE_LINUX_SLL, the frames of a PPP link as LINKTYPE_PPP_WITH_DIR.
 * A reader too slow for the link misses packets, never the link. Of packets longer than 4064 octets it sees the beginning.
 */
export class Capture implements Tap {
  readonly pipe: string;
  /** Packets that the reader was too slow for. */
  missed = 0;
  readonly #fd: number;
  readonly #record = nativeBuffer(RECORD_HEADER + SLL_HEADER + LONGEST);

  readonly #isPpp: boolean;
  readonly #start: number;

  /**
   * @param isPpp whether it sees a PPP link's frames
   * @throws EqlError CONTROL_REFUSED: the pipe cannot be opened
   */
  constructor(pipe: string, isPpp: boolean) {
    this.pipe = pipe;
    this.#isPpp = isPpp;
    this.#start = RECORD_HEADER + (isPpp ? 1 : SLL_HEADER);
    // The reader learns the pipe's name only when the capture runs: without an end for reading, opening it would fail.
    this.#fd = open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (this.#fd < 0) {
      throw new EqlError(
        "CONTROL_REFUSED",
        `The capture's pipe cannot be written: ${describeErrno(this.#fd)}`,
      );
    }
    const header = nativeBuffer(FILE_HEADER);
    header.view.setUint32(0, MAGIC, true);
    header.view.setUint16(4, 2, true);
    header.view.setUint16(6, 4, true);
    header.view.setUint32(16, LONGEST + SLL_HEADER, true);
    header.view.setUint32(20, isPpp ? LINKTYPE_PPP_WITH_DIR : LINKTYPE_LINUX_SLL, true);
    write(this.#fd, header.address, FILE_HEADER);
  }

  handlePacket(octets: Uint8Array, from: number, to: number, sent: boolean): void {
    const length = Math.min(LONGEST, to - from);
    const { view } = this.#record;
    const now = performance.timeOrigin + performance.now();
    view.setUint32(0, Math.floor(now / 1000), true);
    view.setUint32(4, Math.floor((now % 1000) * 1000), true);
    const start = this.#start;
    const header = start - RECORD_HEADER;
    view.setUint32(8, header + length, true);
    view.setUint32(12, header + to - from, true);
    if (this.#isPpp) view.setUint8(RECORD_HEADER, sent ? 1 : 0);
    else {
      view.setUint16(16, sent ? PACKET_OUTGOING : PACKET_HOST, false);
      view.setUint16(18, ARPHRD_NONE, false);
      view.setUint16(30, (octets[from] as number) >> 4 === 6 ? ETH_P_IPV6 : ETH_P_IP, false);
    }
    for (let i = 0; i < length; i++) this.#record.octets[start + i] = octets[from + i] as number;
    if (write(this.#fd, this.#record.address, start + length) < 0) this.missed++;
  }

  close(): void {
    close(this.#fd);
  }
}
