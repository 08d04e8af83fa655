import type { LinkId } from "../link/link.ts";
import type { Packet } from "../link/packet.ts";
import { type Instant, instant } from "../time.ts";
import { flowHash } from "../wire/ip-packet.ts";
import { sequenceDistance, TcpHeader } from "../wire/tcp-header.ts";

const CONNECTIONS = 32;
const SEGMENTS = 256;
/** A packet longer than this is no mere acknowledgement. */
const ACKNOWLEDGEMENT_OCTETS = 120;
/** So long after the last data came in, acknowledgements wait for none on their way, milliseconds. */
const QUIET_MS = 2000;

/** What passed acknowledgements have shown of one link: it delivered later than it was believed to. */
export interface Lateness {
  link: LinkId;
  lateMs: number;
  /** When the late packet was believed to arrive. */
  plannedAt: Instant;
  /** The link's count of corrections when that was believed. */
  epoch: number;
}

/** The segments of one TCP connection that were sent last, in a ring. */
class Connection {
  key = 0;
  acknowledged = 0;
  sackedTo = 0;
  hasAcknowledgement = false;
  /** In a run of out-of-order arrivals: the least time from a planned arrival to its acknowledgement, and on which link. */
  baseMs = Number.POSITIVE_INFINITY;
  baseLink = -1;
  /** The latest planned arrival of those that arrived before the hole was filled. */
  furthestAt = Number.NEGATIVE_INFINITY;
  highest = 0;
  hasSent = false;
  next = 0;
  readonly begin = new Uint32Array(SEGMENTS);
  readonly end = new Uint32Array(SEGMENTS);
  readonly link = new Int32Array(SEGMENTS);
  readonly epoch = new Int32Array(SEGMENTS);
  readonly plannedAt = new Float64Array(SEGMENTS);
  /** 0: unused or seen to arrive, 1: under way, 2: under way, and a repetition, whose acknowledgement says nothing. */
  readonly state = new Uint8Array(SEGMENTS);

  restart(key: number): void {
    this.key = key;
    this.hasAcknowledgement = false;
    this.hasSent = false;
    this.sackedTo = 0;
    this.endRun();
    this.next = 0;
    this.state.fill(0);
  }

  /** No hole is left. */
  endRun(): void {
    this.baseMs = Number.POSITIVE_INFINITY;
    this.furthestAt = Number.NEGATIVE_INFINITY;
  }

  /** When the first segment that has not arrived is planned to, of those planned after `at` on other links. */
  nextPlanned(at: number, link: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (let i = 0; i < SEGMENTS; i++) {
      const planned = this.plannedAt[i] as number;
      if (this.state[i] === 1 && this.link[i] !== link && planned > at && planned < next) next = planned;
    }
    return next;
  }

  /** What lies beyond the hole at `before` and is acknowledged with it arrived earlier than what filled the hole. */
  markArrived(before: number, acknowledgement: number): void {
    for (let i = 0; i < SEGMENTS; i++) {
      if (this.state[i] !== 1 || sequenceDistance(this.begin[i] as number, before) <= 0) continue;
      if (sequenceDistance(this.end[i] as number, acknowledgement) > 0) continue;
      this.furthestAt = Math.max(this.furthestAt, this.plannedAt[i] as number);
      this.state[i] = 0;
    }
  }

  find(edge: Uint32Array, value: number): number {
    for (let back = 1; back <= SEGMENTS; back++) {
      const i = (this.next - back) & (SEGMENTS - 1);
      if (this.state[i] !== 0 && edge[i] === value) return i;
    }
    return -1;
  }
}

/**
 * Learns from passing TCP acknowledgements which link runs late.
 *
 * A receiver that gets a segment out of order says so at once and names it (RFC 2018), and says at once when the hole before it is filled.
 * So while there is a hole, each acknowledgement is the arrival of one known segment, seen one return trip later. Compared with the times
 * at which those segments were believed to arrive, the one that filled the hole is late by the difference: its line is slower than believed.
 * Comparing within one such run leaves out the return trip, and the order of arrivals bounds the result. Segments that were repeated say nothing.
 */
export class ArrivalObserver {
  readonly #connections: (Connection | undefined)[] = Array.from({ length: CONNECTIONS });
  readonly #header = new TcpHeader();
  readonly #seed: number;
  #dataAt: Instant = instant(Number.NEGATIVE_INFINITY);

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** A packet's frame was closed on `link`; it is believed to arrive at `plannedAt`. */
  handleSent(packet: Packet, link: LinkId, plannedAt: Instant, epoch: number): void {
    const header = this.#header;
    if (!header.read(packet.octets, packet.start, packet.length) || header.payload === 0) return;
    const connection = this.#connection(flowHash(packet.octets, packet.start, packet.length, this.#seed));
    const end = (header.sequence + header.payload) >>> 0;
    const isNew = !connection.hasSent || sequenceDistance(end, connection.highest) > 0;
    // A segment below the highest is a repetition, or one that a slow link took from deep in the queue and that was sent in its turn.
    const known = isNew ? -1 : connection.find(connection.begin, header.sequence);
    if (isNew) {
      connection.highest = end;
      connection.hasSent = true;
    }
    const slot = known >= 0 ? known : connection.next++ & (SEGMENTS - 1);
    connection.next &= SEGMENTS - 1;
    connection.begin[slot] = header.sequence;
    connection.end[slot] = end;
    connection.link[slot] = link;
    connection.epoch[slot] = epoch;
    connection.plannedAt[slot] = plannedAt;
    const repeats =
      known >= 0 ||
      (connection.hasAcknowledgement && sequenceDistance(header.sequence, connection.acknowledged) < 0);
    connection.state[slot] = repeats ? 2 : 1;
  }

  /** A packet came from the far side. @returns whether it shows that a link is late, which is then written to `into` */
  handleReceived(octets: Uint8Array, at: number, length: number, now: Instant, into: Lateness): boolean {
    const header = this.#header;
    if (length > ACKNOWLEDGEMENT_OCTETS) this.#dataAt = now;
    if (!header.read(octets, at, length) || !header.hasAcknowledgement) return false;
    const key = flowHash(octets, at, length, this.#seed, true);
    const connection = this.#connections[key % CONNECTIONS];
    if (connection === undefined || connection.key !== key || !connection.hasSent) return false;
    const late = this.#handleAcknowledgement(connection, header.acknowledgement, now, into);
    if (header.hasSack) this.#handleSack(connection, header.sackLeft, header.sackRight, now);
    return late;
  }

  #connection(key: number): Connection {
    const index = key % CONNECTIONS;
    let connection = this.#connections[index];
    if (connection === undefined) {
      connection = new Connection();
      this.#connections[index] = connection;
      connection.restart(key);
    } else if (connection.key !== key) connection.restart(key);
    return connection;
  }

  #handleAcknowledgement(
    connection: Connection,
    acknowledgement: number,
    now: Instant,
    into: Lateness,
  ): boolean {
    const before = connection.acknowledged;
    const first = !connection.hasAcknowledgement;
    connection.hasAcknowledgement = true;
    if (first) connection.acknowledged = acknowledgement;
    if (first || sequenceDistance(acknowledgement, before) <= 0) return false;
    connection.acknowledged = acknowledgement;
    const inRun = connection.baseMs !== Number.POSITIVE_INFINITY;
    const filled = inRun ? connection.find(connection.begin, before) : -1;
    if (filled >= 0) connection.markArrived(before, acknowledgement);
    const late = filled >= 0 && this.#judge(connection, filled, now, into);
    if (inRun && sequenceDistance(acknowledgement, connection.sackedTo) >= 0) connection.endRun();
    return late;
  }

  #judge(connection: Connection, slot: number, now: Instant, into: Lateness): boolean {
    const usable = connection.state[slot] === 1 && connection.link[slot] !== connection.baseLink;
    connection.state[slot] = 0;
    if (!usable) return false;
    into.link = connection.link[slot] as LinkId;
    into.plannedAt = instant(connection.plannedAt[slot] as number);
    into.epoch = connection.epoch[slot] as number;
    into.lateMs = this.#lateness(connection, into.plannedAt, into.link, now);
    return into.lateMs > 0;
  }

  /**
   * What arrived before it, though planned after it, tells how late it was at least; what did not, how late at most. In between, the times
   * of the acknowledgements tell, but where data comes in too they wait for it, and tell nothing.
   */
  #lateness(connection: Connection, plannedAt: Instant, link: LinkId, now: Instant): number {
    const least = connection.furthestAt - plannedAt;
    if (least <= 0 || now - this.#dataAt < QUIET_MS) return least;
    const most = connection.nextPlanned(connection.furthestAt, link) - plannedAt;
    return Math.max(least, Math.min(most, now - plannedAt - connection.baseMs));
  }

  /** The segment that caused this acknowledgement is at one edge of the first block. */
  #handleSack(connection: Connection, left: number, right: number, now: Instant): void {
    if (sequenceDistance(left, connection.acknowledged) <= 0) return; // a duplicate's report (RFC 2883)
    if (connection.baseMs === Number.POSITIVE_INFINITY || sequenceDistance(right, connection.sackedTo) > 0) {
      connection.sackedTo = right;
    }
    let slot = connection.find(connection.end, right);
    if (slot < 0) slot = connection.find(connection.begin, left);
    if (slot < 0) return;
    const delayMs = now - (connection.plannedAt[slot] as number);
    if (connection.state[slot] === 1 && delayMs < connection.baseMs) {
      connection.baseMs = delayMs;
      connection.baseLink = connection.link[slot] as number;
    }
    if (connection.state[slot] === 1) {
      connection.furthestAt = Math.max(connection.furthestAt, connection.plannedAt[slot] as number);
    }
    connection.state[slot] = 0;
  }
}
