import type { SessionKeys } from "../crypto/session-keys.ts";
import { type Instant, instant } from "../time.ts";
import {
  CONTROL,
  CONTROL_KINDS,
  DATA_HEADER,
  PART_HEADER,
  writeDataHeader,
  writePartHeader,
} from "../wire/tunnel-content.ts";
import { TRANSPORT } from "../wire/tunnel-datagram.ts";
import type { Outlet } from "./memory.ts";
import type { Path } from "./path.ts";
import type { SentSink } from "./sent-log.ts";
import { type BundleShare, PACKET_SCRATCH } from "./share.ts";

/**
 * Makes datagrams of segments and control messages, seals them, and enters them in the log and the pace of their path.
 *
 * The headers of a segment are made in the scratch; what follows them stays in its run, and is sealed from there. What a path has no room for in one
 * datagram goes in parts.
 */
export class DatagramSender {
  /** Octets a millisecond that leave by all paths together at most, at IP level. */
  limit: number = Number.POSITIVE_INFINITY;
  /** When that lets more be sent. */
  freeAt: Instant = instant(0);
  readonly #share: BundleShare;
  readonly #sink: SentSink;
  #session!: SessionKeys;
  #outlet!: Outlet;

  /** @param sink is told of what could be sent in part only, as if it was lost */
  constructor(share: BundleShare, sink: SentSink) {
    this.#share = share;
    this.#sink = sink;
  }

  /** What is sent from now on is sealed with these keys, and goes there. */
  begin(session: SessionKeys, outlet: Outlet): void {
    this.#session = session;
    this.#outlet = outlet;
  }

  /** Sends a segment, whose hold on the run passes to the log. @returns false: there is no room for it now */
  sendSegment(path: Path, run: number, segment: number, now: Instant): boolean {
    const { memory, scratch, runs } = this.#share;
    const length = runs.octetsOf(run, segment);
    if (length + DATA_HEADER > path.contentMax) return this.#sendParts(path, run, segment, length, now);
    writeDataHeader(
      memory.octets,
      scratch,
      runs.laneOf(run),
      runs.numberOf(run, segment),
      runs.isVouched(run),
    );
    const body = this.#writeHead(run, segment, scratch + DATA_HEADER);
    const headLength = runs.headLengthOf(run);
    return this.send(
      path,
      path.route,
      DATA_HEADER + headLength,
      body,
      length - headLength,
      run,
      segment,
      true,
      now,
    );
  }

  #sendParts(path: Path, run: number, segment: number, length: number, now: Instant): boolean {
    const { memory, scratch, runs } = this.#share;
    const { octets } = memory;
    // Each part is reported, and one that came says nothing about the others.
    runs.setSingle(run, segment);
    let packet = this.#writeHead(run, segment, scratch + PACKET_SCRATCH);
    const headLength = runs.headLengthOf(run);
    if (headLength > 0) {
      const whole = scratch + PACKET_SCRATCH;
      octets.copyWithin(whole + headLength, packet, packet + length - headLength);
      packet = whole;
    }
    const lane = runs.laneOf(run);
    const number = runs.numberOf(run, segment);
    const most = path.contentMax - PART_HEADER;
    for (let offset = 0; offset < length; offset += most) {
      const size = Math.min(most, length - offset);
      const isLast = offset + size === length;
      writePartHeader(octets, scratch, lane, number, runs.isVouched(run), offset, isLast);
      if (this.send(path, path.route, PART_HEADER, packet + offset, size, run, segment, true, now)) {
        // The first part took the segment's hold on the run.
        if (!isLast) runs.hold(run);
        continue;
      }
      if (offset === 0) return false;
      this.#sink.lost(run, segment);
      return true;
    }
    return true;
  }

  /** Makes the header of a segment, if its run has one for all. @returns where what follows the header is */
  #writeHead(run: number, segment: number, into: number): number {
    const { memory, runs, segments } = this.#share;
    const from = runs.fromOf(run);
    const headLength = runs.headLengthOf(run);
    if (headLength === 0) return from;
    const bodyOctets = runs.segmentOctetsOf(run);
    segments.writeHead(
      memory.octets,
      memory.view,
      from,
      runs.lengthOf(run),
      headLength,
      bodyOctets,
      segment,
      into,
    );
    return from + headLength + segment * bodyOctets;
  }

  /** Tells that `count` numbers of a lane will not come. */
  sendSkip(path: Path, lane: number, number: number, count: number, now: Instant): void {
    const { memory, scratch } = this.#share;
    const { octets } = memory;
    octets[scratch] = CONTROL;
    octets[scratch + 1] = CONTROL_KINDS.skip;
    octets[scratch + 2] = lane;
    octets[scratch + 3] = number >>> 16;
    octets[scratch + 4] = number >>> 8;
    octets[scratch + 5] = number;
    octets[scratch + 6] = count >>> 8;
    octets[scratch + 7] = count;
    this.sendControl(path, path.route, 8, false, now);
  }

  /** Sends the control message that stands in the scratch. @returns false: there is no room for it now */
  sendControl(path: Path, route: number, length: number, elicits: boolean, now: Instant): boolean {
    return this.send(path, route, length, 0, 0, -1, 0, elicits, now);
  }

  /**
   * Seals and sends one datagram, whose content begins in the scratch, with `head` octets, and goes on at `body`.
   * @param run -1: a control message
   * @returns false: there is no room for it, or the keys are worn out
   */
  send(
    path: Path,
    route: number,
    head: number,
    body: number,
    bodyLength: number,
    run: number,
    segment: number,
    elicits: boolean,
    now: Instant,
  ): boolean {
    const { memory, scratch } = this.#share;
    const at = this.#outlet.reserve(route, TRANSPORT.overhead + head + bodyLength);
    if (at < 0) return false;
    const length = this.#session.sealParts(path.link, memory.octets, at, scratch, head, body, bodyLength);
    if (length === 0) return false;
    this.#outlet.commit(length);
    const whole = length + path.headers;
    path.sentDatagrams++;
    path.sentOctets += whole;
    path.sentAt = now;
    path.sent.add(now, whole, run, segment, elicits);
    const earliest = now - path.catchUpMs;
    path.freeAt = instant((path.freeAt > earliest ? path.freeAt : earliest) + whole / path.rate.rate);
    if (this.limit !== Number.POSITIVE_INFINITY)
      this.freeAt = instant(Math.max(this.freeAt, earliest) + whole / this.limit);
    return true;
  }
}
