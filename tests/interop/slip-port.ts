import { constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { encodeSlipBody, SLIP_END, SlipDecoder, slipBodyBound } from "../../src/wire/slip.ts";

/** SLIP by hand on one raw pseudo-terminal: the least that can talk to a real kernel. */
export class SlipPort {
  /** Every packet received so far, in order. */
  readonly received: Buffer[] = [];
  readonly #fd: number;
  readonly #input: ReadStream;
  readonly #decoder = new SlipDecoder(new Uint8Array(4096));
  readonly #listeners = new Set<() => void>();

  /** @param path a terminal that is raw already; this object's until `close` */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    this.#input = new ReadStream(this.#fd);
    this.#input.on("data", (octets: Buffer) => this.#receive(octets));
  }

  /** Writes a packet as one frame, at once: meant for packets that fit the terminal's buffer. */
  send(packet: Uint8Array): void {
    const frame = new Uint8Array(slipBodyBound(packet.length) + 2);
    frame[0] = SLIP_END;
    const end = encodeSlipBody(packet, 0, packet.length, frame, 1);
    frame[end] = SLIP_END;
    writeSync(this.#fd, frame, 0, end + 1);
  }

  /** Calls `listener` after each packet; gives the way to stop it. */
  onPacket(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#input.destroy(); // and with it the descriptor
  }

  #receive(octets: Buffer): void {
    for (let at = 0; at < octets.length; ) {
      at = this.#decoder.decode(octets, at, octets.length);
      if (this.#decoder.frameLength === 0) continue;
      this.received.push(Buffer.from(this.#decoder.frame.subarray(0, this.#decoder.frameLength)));
      for (const listener of this.#listeners) listener();
    }
  }
}
