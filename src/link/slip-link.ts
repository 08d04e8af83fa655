import type { Instant } from "../time.ts";
import { ipVersion, vanJacobsonKind } from "../wire/ip-packet.ts";
import { encodeSlipBody, SLIP_END, SlipDecoder, slipBodyBound, slipBodyLength } from "../wire/slip.ts";
import { type Link, Outbox, type Tap } from "./link.ts";
import type { Packet } from "./packet.ts";

/** A line quiet for this long gets an END first, so that noise on it ends as a frame of its own (RFC 1055). */
const QUIET_MS = 100;

/** A SLIP line: no negotiation, so it is up as long as its line is. */
export class SlipLink implements Link {
  mtu: number;
  readonly fragmenting = null;
  readonly receivedFrom = 0;
  readonly canHold = true;
  readonly outbox: Outbox;
  readonly received: Uint8Array;
  readonly drops = { oversize: 0, badEscape: 0, notIp: 0, vjCompressed: 0 };
  receivedLength = 0;
  tap: Tap | null = null;
  readonly #decoder: SlipDecoder;
  #lastEndAt = Number.NEGATIVE_INFINITY;
  #seesVanJacobson = false;

  /**
   * @param memory for the outbox and the decoder: at least {@link slipLinkMemory} octets
   * @param mtu largest packet sent; the memory's size says how long a received one may be
   */
  constructor(mtu: number, memory: Uint8Array) {
    const outboxSize = 2 * (slipBodyBound(mtu) + 2);
    this.mtu = mtu;
    this.outbox = new Outbox(memory.subarray(0, outboxSize));
    this.#decoder = new SlipDecoder(memory.subarray(outboxSize));
    this.received = this.#decoder.frame;
  }

  get hasRoom(): boolean {
    return this.outbox.makeRoom(slipBodyBound(this.mtu) + 2);
  }

  frameLength(packet: Packet): number {
    return slipBodyLength(packet.octets, packet.start, packet.start + packet.length) + 1;
  }

  begin(packet: Packet, now: Instant): number {
    const { outbox } = this;
    if (packet.length > this.mtu || !outbox.makeRoom(slipBodyBound(packet.length) + 2)) return 0;
    const start = outbox.to;
    if (now - this.#lastEndAt > QUIET_MS) outbox.octets[outbox.to++] = SLIP_END;
    outbox.to = encodeSlipBody(
      packet.octets,
      packet.start,
      packet.start + packet.length,
      outbox.octets,
      outbox.to,
    );
    this.tap?.handlePacket(packet.octets, packet.start, packet.start + packet.length, true);
    return outbox.to - start;
  }

  end(now: Instant): number {
    const { outbox } = this;
    outbox.makeRoom(1);
    outbox.octets[outbox.to++] = SLIP_END;
    this.#lastEndAt = now;
    return 1;
  }

  handleReceive(octets: Uint8Array, from: number, to: number, _now: Instant): number {
    const decoder = this.#decoder;
    const at = decoder.decode(octets, from, to);
    const length = decoder.frameLength;
    this.receivedLength = length > 0 && this.#isPacket(length) ? length : 0;
    if (this.receivedLength > 0) this.tap?.handlePacket(this.received, 0, length, false);
    this.drops.oversize = decoder.drops.oversize;
    this.drops.badEscape = decoder.drops.badEscape;
    return at;
  }

  reset(): void {
    this.#decoder.reset();
    this.outbox.clear();
    this.receivedLength = 0;
    this.#lastEndAt = Number.NEGATIVE_INFINITY;
  }

  #isPacket(length: number): boolean {
    if (ipVersion(this.received, 0, length) !== 0) return true;
    const kind = vanJacobsonKind(this.received, 0, length);
    if (kind === "uncompressed") this.#seesVanJacobson = true;
    // A set first bit alone may be noise: believed only of a peer that has sent what begins a compressed connection.
    if (kind !== null && this.#seesVanJacobson) this.drops.vjCompressed++;
    else this.drops.notIp++;
    return false;
  }
}

/** Octets of memory that a {@link SlipLink} needs to send packets of `mtu` octets and to receive those of `mru`. */
export const slipLinkMemory = (mtu: number, mru: number): number => 2 * (slipBodyBound(mtu) + 2) + mru;
