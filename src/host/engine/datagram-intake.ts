import type { SlotPools } from "../../tunnel/slots.ts";
import { EAGAIN, type NativeBuffer, nativeBuffer, recv, recvmmsg } from "../libc.ts";
import { MessageVector, PIECE_OCTETS, setAddress } from "../message-vector.ts";
import { SOCKET_ADDRESS_ROOM } from "../socket-address.ts";
import {
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_PKTINFO,
  UDP_GRO,
  type UdpSocket,
} from "../udp-socket.ts";
import { LOCAL_WORD, RECORD_WORDS, type Routes, SCOPE_WORD } from "./routes.ts";

/** Messages of one call: with UDP_GRO, which may fill a big slot each, and without. */
const MERGED_MESSAGES = 16;
const SINGLE_MESSAGES = 64;
/** Octets that are free at the beginning of a slot. */
const HEADROOM = 64;

const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

const RECORD_OCTETS = RECORD_WORDS * 4;
const CONTROL_OCTETS = 128;
const CONTROL_WORDS = CONTROL_OCTETS / 4;
/** Words of a struct cmsghdr: length (64 bits), level, type. */
const HEADER_WORDS = 4;

type Slots = Pick<SlotPools["big"], "take" | "offsetOf" | "size">;

/** Slots of one pool that are ready to be received into, and all that the kernel wants to know of them. */
interface Tray {
  readonly slots: Slots;
  readonly vector: MessageVector;
  readonly pieces: Uint32Array;
  /** -1: has to be taken. */
  readonly held: Int32Array;
}

/**
 * Datagrams that came by a socket, in slots: several calls' worth in one, and those of one source that are of one size as one where the kernel
 * can do that. What `read` found is there until the next `read`.
 */
export class DatagramIntake {
  /** The last read filled all slots: there may be more. */
  isMore = false;
  /** `tooLong`: cut off, as it was longer than its slot. `noSlot`: all slots are in use. `noRoute`: all routes are. */
  readonly drops: { tooLong: number; noSlot: number; noRoute: number } = {
    tooLong: 0,
    noSlot: 0,
    noRoute: 0,
  };
  /** Kept, so that it is there as long as its address is used. */
  readonly #memory: NativeBuffer;
  readonly #routes: Routes;
  readonly #merged: Tray;
  readonly #single: Tray;
  /** A record each of where a message came from, as {@link Routes} has them. */
  readonly #records: NativeBuffer = nativeBuffer(SINGLE_MESSAGES * RECORD_OCTETS);
  readonly #recordWords = new Int32Array(this.#records.octets.buffer);
  readonly #control: NativeBuffer = nativeBuffer(SINGLE_MESSAGES * CONTROL_OCTETS);
  readonly #controlWords = new Int32Array(this.#control.octets.buffer);
  readonly #slot = new Int32Array(SINGLE_MESSAGES);
  readonly #from = new Int32Array(SINGLE_MESSAGES);
  readonly #length = new Int32Array(SINGLE_MESSAGES);
  readonly #segment = new Int32Array(SINGLE_MESSAGES);
  readonly #route = new Int32Array(SINGLE_MESSAGES);
  #segmentSize = 0;

  constructor(memory: NativeBuffer, slots: { readonly big: Slots; readonly small: Slots }, routes: Routes) {
    this.#memory = memory;
    this.#routes = routes;
    this.#merged = this.#tray(slots.big, MERGED_MESSAGES);
    this.#single = this.#tray(slots.small, SINGLE_MESSAGES);
  }

  /** One reference, that of whoever reads. */
  slotOf(index: number): number {
    return this.#slot[index] as number;
  }

  fromOf(index: number): number {
    return this.#from[index] as number;
  }

  lengthOf(index: number): number {
    return this.#length[index] as number;
  }

  /** Octets of each datagram in it; the last one may be shorter. */
  segmentOf(index: number): number {
    return this.#segment[index] as number;
  }

  routeOf(index: number): number {
    return this.#route[index] as number;
  }

  /** Receives what is there, at most until all slots of one call are full. @returns how many are to be looked at */
  read(socket: UdpSocket): number {
    const tray = socket.gro ? this.#merged : this.#single;
    const ready = this.#fill(tray);
    if (ready === 0) return this.#discard(socket, tray);
    const received = recvmmsg(socket.fd, tray.vector.addressOf(0), ready, MSG_DONTWAIT);
    this.isMore = received === ready;
    const index = this.#routes.indexOf(socket);
    let count = 0;
    for (let i = 0; i < received; i++) if (this.#take(tray, i, count, socket, index)) count++;
    return count;
  }

  /** @returns false: it is dropped, and its slot used again */
  #take(tray: Tray, message: number, to: number, socket: UdpSocket, index: number): boolean {
    if ((tray.vector.flagsOf(message) & MSG_TRUNC) !== 0) {
      this.drops.tooLong++;
      return false;
    }
    this.#readControl(message, socket, tray.vector.controlLengthOf(message));
    const route = this.#routes.find(index, this.#recordWords, message * RECORD_WORDS);
    if (route < 0) {
      this.drops.noRoute++;
      return false;
    }
    const slot = tray.held[message] as number;
    const length = tray.vector.lengthOf(message);
    tray.held[message] = -1;
    this.#slot[to] = slot;
    this.#from[to] = tray.slots.offsetOf(slot) + HEADROOM;
    this.#length[to] = length;
    this.#segment[to] = this.#segmentSize === 0 ? length : this.#segmentSize;
    this.#route[to] = route;
    return true;
  }

  /** Reads the size of segments, and to which address it came into the message's record. */
  #readControl(message: number, socket: UdpSocket, length: number): void {
    this.#segmentSize = 0;
    const words = this.#controlWords;
    const record = this.#recordWords;
    const local = message * RECORD_WORDS + LOCAL_WORD;
    for (let i = local; i <= message * RECORD_WORDS + SCOPE_WORD; i++) record[i] = 0;
    const start = message * CONTROL_WORDS;
    const end = start + length / 4;
    let at = start;
    while (at + HEADER_WORDS < end) {
      const level = words[at + 2];
      const type = words[at + 3];
      const content = at + HEADER_WORDS;
      if (level === IPPROTO_UDP && type === UDP_GRO) this.#segmentSize = words[content] as number;
      else if (level === IPPROTO_IP && type === IP_PKTINFO && socket.tellsLocal) {
        record[local] = words[content + 1] as number;
      } else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && socket.tellsLocal) {
        for (let i = 0; i < 4; i++) record[local + i] = words[content + i] as number;
        // fe80::/10 is a different address on each interface.
        if (((words[content] as number) & 0xc0ff) === 0x80fe)
          record[local + 4] = words[content + 4] as number;
      }
      const size = words[at] as number;
      if (size < HEADER_WORDS * 4) break;
      at += ((size + 7) >> 3) * 2;
    }
  }

  /** Has as many slots ready as there are. @returns how many, from the first on */
  #fill(tray: Tray): number {
    const { held, vector } = tray;
    for (let i = 0; i < held.length; i++) {
      if ((held[i] as number) < 0) {
        const slot = tray.slots.take();
        if (slot < 0) return i;
        held[i] = slot;
        setAddress(
          tray.pieces,
          (i * PIECE_OCTETS) / 4,
          this.#memory.address + tray.slots.offsetOf(slot) + HEADROOM,
        );
      }
      vector.setRoom(i, SOCKET_ADDRESS_ROOM, CONTROL_OCTETS);
    }
    return held.length;
  }

  /** What there is no slot for is lost; if it stayed where it is, it would be waited for in vain without a pause. */
  #discard(socket: UdpSocket, tray: Tray): number {
    this.isMore = false;
    for (let i = 0; i < tray.held.length; i++) {
      if (recv(socket.fd, this.#control.address, 0, MSG_DONTWAIT | MSG_TRUNC) === -EAGAIN) return 0;
      this.drops.noSlot++;
    }
    return 0;
  }

  #tray(slots: Slots, count: number): Tray {
    const vector = new MessageVector(count);
    const pieces = nativeBuffer(count * PIECE_OCTETS);
    const words = new Uint32Array(pieces.octets.buffer);
    for (let i = 0; i < count; i++) {
      vector.setName(i, this.#records.address + i * RECORD_OCTETS, SOCKET_ADDRESS_ROOM);
      vector.setPieces(i, pieces.address + i * PIECE_OCTETS, 1);
      vector.setControl(i, this.#control.address + i * CONTROL_OCTETS, CONTROL_OCTETS);
      words[(i * PIECE_OCTETS) / 4 + 2] = slots.size - HEADROOM;
    }
    return { slots, vector, pieces: words, held: new Int32Array(count).fill(-1) };
  }
}
