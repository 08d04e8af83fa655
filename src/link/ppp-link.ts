import type { Instant } from "../time.ts";
import { HDLC_FLAG, HdlcDecoder, HdlcEncoder, hdlcBodyBound, hdlcBodyLength } from "../wire/hdlc.ts";
import { ipVersion } from "../wire/ip-packet.ts";
import {
  MULTILINK_LONG_OCTETS,
  MULTILINK_SHORT_OCTETS,
  MultilinkHeader,
  writeMultilinkHeader,
} from "../wire/multilink-header.ts";
import {
  PPP_ADDRESS,
  PPP_CONTROL,
  PPP_IP,
  PPP_IPV6,
  PPP_LCP,
  PPP_MULTILINK,
  PppHeader,
} from "../wire/ppp-packet.ts";
import { type Fragmenting, type Link, Outbox, type Tap } from "./link.ts";
import type { Packet } from "./packet.ts";

/** A line quiet for this long gets a flag first, so that noise on it ends as a frame of its own (RFC 1662, section 4.4.2). */
const QUIET_MS = 100;
/** Check and closing flag. */
const TRAILER_OCTETS = 3;
/** Address, control, two protocol fields and a long multilink header: the most that stands before a packet's octets. */
const HEADER_OCTETS = 2 + 2 + MULTILINK_LONG_OCTETS + 2;

/** How frames are written and read, as LCP agreed on it. */
export interface PppFraming {
  readonly sendAsyncMap: number;
  readonly receiveAsyncMap: number;
  readonly sendProtocolCompression: boolean;
  readonly sendAddressCompression: boolean;
  /** Largest packet that the peer takes, octets: its MRU. */
  readonly peerMru: number;
}

/** Which sequence numbers a bundle writes and reads (RFC 1990, section 3). */
export interface PppNumbering {
  readonly sendShort: boolean;
  readonly receiveShort: boolean;
}

/** What a line uses before LCP opens (RFC 1661, section 5.2; RFC 1662, section 7.1). */
const DEFAULT_FRAMING: PppFraming = {
  sendAsyncMap: 0xffffffff,
  receiveAsyncMap: 0xffffffff,
  sendProtocolCompression: false,
  sendAddressCompression: false,
  peerMru: 1500,
};

/**
 * The framing of a PPP line (RFC 1662): packets of any protocol, and numbered parts of packets, to and from asynchronous HDLC. What is
 * negotiated, and who takes what it receives, is its owner's business.
 */
export class PppLink implements Link, Fragmenting {
  readonly canHold = true;
  readonly outbox: Outbox;
  readonly received: Uint8Array;
  readonly drops = {
    oversize: 0,
    badCheck: 0,
    aborted: 0,
    short: 0,
    noProtocol: 0,
    badFragment: 0,
    /** Counted by its owner: packets of a network protocol that is not up. */
    notOpen: 0,
  };
  /** Protocol of what was received; of a fragment {@link PPP_MULTILINK}, and then `fragment` tells the rest. */
  receivedProtocol = 0;
  receivedFrom = 0;
  receivedLength = 0;
  readonly fragment: MultilinkHeader = new MultilinkHeader();
  tap: Tap | null = null;
  readonly #decoder: HdlcDecoder;
  readonly #encoder = new HdlcEncoder();
  /** LCP is always written as if nothing were agreed on (RFC 1661, section 5). */
  readonly #plainEncoder = new HdlcEncoder();
  readonly #header = new PppHeader();
  #framing: PppFraming = DEFAULT_FRAMING;
  #numbering: PppNumbering | null = null;
  #mtu: number;
  #lastFlagAt = Number.NEGATIVE_INFINITY;

  /**
   * @param memory for the outbox and the decoder: at least {@link pppLinkMemory} octets
   * @param mtu largest packet sent; the memory's size says how long a received one may be
   */
  constructor(mtu: number, memory: Uint8Array) {
    const outboxSize = 2 * frameBound(mtu);
    this.#mtu = mtu;
    this.outbox = new Outbox(memory.subarray(0, outboxSize));
    this.#decoder = new HdlcDecoder(memory.subarray(outboxSize));
    this.received = this.#decoder.frame;
  }

  /** Largest packet that is sent: what its owner set, and no more than the peer takes. */
  get mtu(): number {
    return Math.min(this.#mtu, this.#framing.peerMru);
  }

  set mtu(octets: number) {
    this.#mtu = octets;
  }

  get framing(): PppFraming {
    return this.#framing;
  }

  set framing(framing: PppFraming) {
    this.#framing = framing;
    this.#encoder.asyncMap = framing.sendAsyncMap;
    this.#decoder.asyncMap = framing.receiveAsyncMap;
  }

  /** Null: it is in no bundle with numbers. */
  set numbering(numbering: PppNumbering | null) {
    this.#numbering = numbering;
  }

  get fragmenting(): Fragmenting | null {
    return this.#numbering === null ? null : this;
  }

  get hasRoom(): boolean {
    return this.outbox.makeRoom(frameBound(this.mtu));
  }

  get fragmentOverhead(): number {
    return (
      (this.#framing.sendAddressCompression ? 0 : 2) +
      (this.#framing.sendProtocolCompression ? 1 : 2) +
      this.#numberOctets +
      TRAILER_OCTETS
    );
  }

  /** The first part has the packet's own protocol in front of it. */
  get fragmentMax(): number {
    return this.#framing.peerMru - this.#numberOctets - 2;
  }

  get #numberOctets(): number {
    return this.#numbering?.sendShort ? MULTILINK_SHORT_OCTETS : MULTILINK_LONG_OCTETS;
  }

  frameLength(packet: Packet): number {
    const { sendAddressCompression, sendProtocolCompression } = this.#framing;
    const header = (sendAddressCompression ? 0 : 2) + (sendProtocolCompression ? 1 : 2);
    const end = packet.start + packet.length;
    return header + hdlcBodyLength(this.#encoder, packet.octets, packet.start, end) + TRAILER_OCTETS;
  }

  begin(packet: Packet, now: Instant): number {
    const protocol = protocolOf(packet);
    // Control packets are as long as they have to be: the peer takes 1500 octets whatever it asked for (RFC 1661, section 6.1).
    if (packet.length > (packet.protocol === 0 ? this.mtu : this.#mtu) || protocol === 0) return 0;
    const isPlain = protocol === PPP_LCP;
    const encoder = isPlain ? this.#plainEncoder : this.#encoder;
    const start = this.#beginFrame(encoder, packet.length, !isPlain, now);
    if (start < 0) return 0;
    this.#writeProtocol(encoder, protocol, !isPlain);
    encoder.octets(packet.octets, packet.start, packet.start + packet.length);
    this.outbox.to = encoder.finish();
    if (this.tap !== null) this.#tapSent(this.tap, protocol, packet, 0, packet.length, null);
    return this.outbox.to - start;
  }

  end(now: Instant): number {
    const { outbox } = this;
    outbox.makeRoom(1);
    outbox.octets[outbox.to++] = HDLC_FLAG;
    this.#lastFlagAt = now;
    return 1;
  }

  sendFragment(packet: Packet, from: number, to: number, number: number, now: Instant): number {
    const numbering = this.#numbering;
    const protocol = protocolOf(packet);
    if (numbering === null || protocol === 0 || to - from > this.fragmentMax) return 0;
    const encoder = this.#encoder;
    const start = this.#beginFrame(encoder, to - from, true, now);
    if (start < 0) return 0;
    this.#writeProtocol(encoder, PPP_MULTILINK, true);
    const header = this.#scratch;
    const length = writeMultilinkHeader(
      header,
      0,
      number,
      from === 0,
      to === packet.length,
      numbering.sendShort,
    );
    for (let i = 0; i < length; i++) encoder.octet(header[i] as number);
    if (from === 0) this.#writeProtocol(encoder, protocol, true);
    encoder.octets(packet.octets, packet.start + from, packet.start + to);
    const { outbox } = this;
    outbox.to = encoder.finish();
    outbox.octets[outbox.to++] = HDLC_FLAG;
    this.#lastFlagAt = now;
    if (this.tap !== null) this.#tapSent(this.tap, protocol, packet, from, to, header.subarray(0, length));
    return outbox.to - start;
  }

  handleReceive(octets: Uint8Array, from: number, to: number, _now: Instant): number {
    const decoder = this.#decoder;
    const at = decoder.decode(octets, from, to);
    const length = decoder.frameLength;
    this.receivedLength = length > 0 ? this.#open(length) : 0;
    const { drops } = this;
    drops.oversize = decoder.drops.oversize;
    drops.badCheck = decoder.drops.badCheck;
    drops.aborted = decoder.drops.aborted;
    drops.short = decoder.drops.short;
    return at;
  }

  reset(): void {
    this.#decoder.reset();
    this.outbox.clear();
    this.receivedLength = 0;
    this.#lastFlagAt = Number.NEGATIVE_INFINITY;
    this.framing = DEFAULT_FRAMING;
    this.#numbering = null;
  }

  /** Shows a frame that was written octet by octet. Allocates: somebody looks. @param numbered multilink header of a part */
  #tapSent(
    tap: Tap,
    protocol: number,
    packet: Packet,
    from: number,
    to: number,
    numbered: Uint8Array | null,
  ): void {
    const inner = [protocol >> 8, protocol & 0xff];
    const header = numbered === null ? inner : [0, PPP_MULTILINK, ...numbered, ...(from === 0 ? inner : [])];
    const part = packet.octets.subarray(packet.start + from, packet.start + to);
    const frame = Uint8Array.of(PPP_ADDRESS, PPP_CONTROL, ...header, ...part);
    tap.handlePacket(frame, 0, frame.length, true);
  }

  readonly #scratch = new Uint8Array(MULTILINK_LONG_OCTETS);

  /** @returns where the frame begins in the outbox; -1: no room */
  #beginFrame(encoder: HdlcEncoder, length: number, agreed: boolean, now: Instant): number {
    const { outbox } = this;
    if (!outbox.makeRoom(frameBound(length))) return -1;
    const start = outbox.to;
    if (now - this.#lastFlagAt > QUIET_MS) outbox.octets[outbox.to++] = HDLC_FLAG;
    encoder.begin(outbox.octets, outbox.to);
    if (!agreed || !this.#framing.sendAddressCompression) {
      encoder.octet(PPP_ADDRESS);
      encoder.octet(PPP_CONTROL);
    }
    return start;
  }

  #writeProtocol(encoder: HdlcEncoder, protocol: number, agreed: boolean): void {
    if (!agreed || protocol > 0xff || !this.#framing.sendProtocolCompression) encoder.octet(protocol >> 8);
    encoder.octet(protocol & 0xff);
  }

  /** Reads a good frame's header. @returns octets behind it */
  #open(length: number): number {
    const header = this.#header;
    this.tap?.handlePacket(this.received, 0, length, false);
    if (!header.read(this.received, 0, length)) {
      this.drops.noProtocol++;
      return 0;
    }
    this.receivedProtocol = header.protocol;
    this.receivedFrom = header.dataFrom;
    if (header.protocol === PPP_MULTILINK && this.#numbering !== null) {
      if (!this.fragment.read(this.received, header.dataFrom, length, this.#numbering.receiveShort)) {
        this.drops.badFragment++;
        return 0;
      }
      this.receivedFrom = this.fragment.dataFrom;
    }
    return length - this.receivedFrom;
  }
}

/** 0: neither IP nor anything else that has a number. */
function protocolOf(packet: Packet): number {
  if (packet.protocol !== 0) return packet.protocol;
  const version = ipVersion(packet.octets, packet.start, packet.length);
  return version === 4 ? PPP_IP : version === 6 ? PPP_IPV6 : 0;
}

/** Octets in the outbox that a frame with `length` octets of a packet may take, flags included. */
const frameBound = (length: number): number => hdlcBodyBound(length + HEADER_OCTETS) + 2;

/** Octets of memory that a {@link PppLink} needs to send packets of `mtu` octets and to receive those of `mru`. */
export const pppLinkMemory = (mtu: number, mru: number): number =>
  2 * frameBound(mtu) + mru + HEADER_OCTETS + 2;
