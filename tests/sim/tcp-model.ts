import type { Bundle } from "../../src/bundle/bundle.ts";
import { type Instant, instant } from "../../src/time.ts";

/** Packets in at one end of a bundle, and out at the other. */
export interface OneWay {
  readonly now: Instant;
  readonly bundle: Bundle;
  send(octets: Uint8Array): boolean;
  next(deadline: Instant): { readonly at: Instant; readonly packet: Uint8Array } | undefined;
}

/** A TCP segment as bytes: IPv4 without checksum, which nothing on the path reads. */
export function segment(
  sequence: number,
  payload: number,
  options: { ack?: number; sack?: [number, number]; toSender?: boolean; port?: number } = {},
): Uint8Array {
  const sackLength = options.sack === undefined ? 0 : 12;
  const packet = new Uint8Array(40 + sackLength + payload);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, packet.length);
  view.setUint8(8, 64);
  view.setUint8(9, 6);
  packet.set([10, 9, 0, options.toSender ? 2 : 1], 12);
  packet.set([10, 9, 0, options.toSender ? 1 : 2], 16);
  const port = options.port ?? 4000;
  view.setUint16(20, options.toSender ? 5001 : port);
  view.setUint16(22, options.toSender ? port : 5001);
  view.setUint32(24, sequence);
  view.setUint32(28, options.ack ?? 0);
  view.setUint8(32, ((20 + sackLength) / 4) << 4);
  view.setUint8(33, 0x10);
  if (options.sack !== undefined) {
    packet.set([1, 1, 5, 10], 40);
    view.setUint32(44, options.sack[0]);
    view.setUint32(48, options.sack[1]);
  }
  return packet;
}

const sequenceOf = (packet: Uint8Array): number =>
  new DataView(packet.buffer, packet.byteOffset).getUint32(24);

export interface Outcome {
  /** Octets of payload that the receiver has, those beyond a hole included: where the end of the run falls says nothing. */
  readonly delivered: number;
  /** Arrivals behind a hole that no drop of the bundle explains. */
  readonly outOfOrder: number;
  readonly repeated: number;
}

/** After this a repetition counts as lost too. */
const TIMEOUT_MS = 3000;

interface Options {
  /** In segments. */
  readonly maxWindow?: number;
  readonly returnMs?: number;
  readonly mss?: number;
  /** When nothing was acknowledged for so long, all that is under way is sent again; without it the sender goes by reports alone. */
  readonly timeoutMs?: number;
}

/**
 * A sender that always has more to send, and a receiver that acknowledges as RFC 9293 and RFC 2018 say: every second segment in order,
 * each one out of order. Three reports of segments beyond a hole repeat the hole and take 30 % off the window, which grows by a segment
 * for each window acknowledged. Acknowledgements come back after a fixed time.
 */
export function saturate(path: OneWay, untilMs: number, options: Options = {}): Outcome {
  const { maxWindow = 60, returnMs = 8, mss = 536, timeoutMs = Number.POSITIVE_INFINITY } = options;
  const sender = new Sender(path, maxWindow, mss, timeoutMs);
  const receiver = new Receiver(mss);
  const acknowledgements: { at: number; packet: Uint8Array }[] = [];
  while (path.now < untilMs) {
    sender.fill();
    const dueAt = acknowledgements[0]?.at ?? untilMs;
    const arrival = path.next(instant(Math.min(untilMs, dueAt, sender.timeoutAt)));
    if (arrival !== undefined) {
      const packet = receiver.take(sequenceOf(arrival.packet), sender.dropped);
      if (packet !== null) acknowledgements.push({ at: arrival.at + returnMs, packet });
    } else if (acknowledgements.length > 0 && dueAt <= path.now) {
      const { packet } = acknowledgements.shift() as { packet: Uint8Array };
      path.bundle.handleInbound(packet, 0, packet.length, path.now);
      sender.handleAcknowledgement(packet);
    } else if (sender.timeoutAt <= path.now) sender.handleTimeout();
  }
  return { delivered: receiver.octets, outOfOrder: receiver.outOfOrder, repeated: sender.repeated };
}

class Sender {
  repeated = 0;
  #next = 0;
  #acknowledged = 0;
  #window = 10;
  #reports = 0;
  #recoverTo = 0;
  #repeatedAt = 0;
  #progressAt = 0;
  /** Segments that arrived beyond a hole: they are not under way any more. */
  readonly #reported = new Set<number>();
  readonly #path: OneWay;
  readonly #maxWindow: number;
  readonly #mss: number;
  readonly #timeoutMs: number;

  constructor(path: OneWay, maxWindow: number, mss: number, timeoutMs: number) {
    this.#path = path;
    this.#maxWindow = maxWindow;
    this.#mss = mss;
    this.#timeoutMs = timeoutMs;
  }

  /** Packets that the bundle gave up, so that they have to be repeated. */
  get dropped(): number {
    const { delayed, queueFull } = this.#path.bundle.drops;
    return delayed + queueFull;
  }

  get timeoutAt(): number {
    return this.#progressAt + this.#timeoutMs;
  }

  handleTimeout(): void {
    this.repeated++;
    this.#progressAt = this.#path.now;
    this.#next = this.#acknowledged;
    this.#window = 4;
    this.#reports = 0;
    this.#reported.clear();
  }

  fill(): void {
    const under = (): number => (this.#next - this.#acknowledged) / this.#mss - this.#reported.size;
    while (under() < Math.floor(this.#window)) {
      this.#path.send(segment(this.#next, this.#mss));
      this.#next += this.#mss;
    }
  }

  handleAcknowledgement(packet: Uint8Array): void {
    const view = new DataView(packet.buffer);
    const acknowledged = view.getUint32(28);
    if (packet.length > 40) {
      for (let at = view.getUint32(44); at < view.getUint32(48); at += this.#mss) this.#reported.add(at);
    }
    for (const at of this.#reported) if (at < acknowledged) this.#reported.delete(at);
    if (acknowledged > this.#acknowledged) {
      this.#window = Math.min(
        this.#maxWindow,
        this.#window + (acknowledged - this.#acknowledged) / this.#mss / this.#window,
      );
      this.#acknowledged = acknowledged;
      this.#progressAt = this.#path.now;
      if (this.#next < acknowledged) this.#next = acknowledged;
      this.#reports = 0;
      if (acknowledged < this.#recoverTo && packet.length > 40) this.#repeat();
    } else if (packet.length > 40 && this.#repeatedAt + TIMEOUT_MS < this.#path.now && ++this.#reports > 3) {
      this.#repeat();
    } else if (packet.length > 40 && ++this.#reports === 3 && acknowledged >= this.#recoverTo) {
      this.#recoverTo = this.#next;
      this.#window = Math.max(4, this.#window * 0.7);
      this.#repeat();
    }
  }

  #repeat(): void {
    this.repeated++;
    this.#repeatedAt = this.#path.now;
    this.#path.send(segment(this.#acknowledged, this.#mss));
  }
}

class Receiver {
  expected = 0;
  outOfOrder = 0;
  #unacknowledged = 0;
  #excused = 0;
  readonly #held = new Set<number>();
  readonly #mss: number;

  constructor(mss: number) {
    this.#mss = mss;
  }

  get octets(): number {
    return this.expected + this.#held.size * this.#mss;
  }

  /** @returns the acknowledgement to send, or null */
  take(sequence: number, dropped: number): Uint8Array | null {
    const held = this.#held;
    if (sequence < this.expected) return segment(1, 0, { ack: this.expected, toSender: true });
    if (sequence > this.expected) {
      if (held.size === 0) {
        if (dropped > this.#excused) this.#excused = dropped;
        else this.outOfOrder++;
      }
      held.add(sequence);
      let left = sequence;
      let right = sequence + this.#mss;
      while (held.has(left - this.#mss)) left -= this.#mss;
      while (held.has(right)) right += this.#mss;
      return segment(1, 0, { ack: this.expected, toSender: true, sack: [left, right] });
    }
    const filled = held.size > 0;
    this.expected += this.#mss;
    while (held.delete(this.expected)) this.expected += this.#mss;
    if (!filled && ++this.#unacknowledged < 2) return null;
    this.#unacknowledged = 0;
    return held.size > 0
      ? segment(1, 0, { ack: this.expected, toSender: true, sack: this.#firstBlock() })
      : segment(1, 0, { ack: this.expected, toSender: true });
  }

  #firstBlock(): [number, number] {
    const left = Math.min(...this.#held);
    let right = left + this.#mss;
    while (this.#held.has(right)) right += this.#mss;
    return [left, right];
  }
}
