import { randomBytes } from "node:crypto";
import { type NativeBuffer, nativeBuffer } from "../libc.ts";
import {
  formatEndpoint,
  formatSocketAddress,
  parseEndpoint,
  requireAddress,
  writeSocketAddress,
} from "../socket-address.ts";
import type { UdpSocket } from "../udp-socket.ts";
import { RouteNumbers } from "./route-numbers.ts";

/**
 * A record of what makes a route, in 32-bit words: the remote socket address, then the local address, and the interface that a local address
 * is of if it means nothing without.
 */
export const RECORD_WORDS = 16;
export const LOCAL_WORD = 8;
export const SCOPE_WORD = 12;
const SOCKET_WORD = 13;
const RECORD_OCTETS = RECORD_WORDS * 4;

/** Routes at most. */
const CAPACITY = 8192;
/** No route, or, in the place of a socket, a record that stands for none. */
const NONE = -1;

/**
 * Ways of datagrams as small numbers: a socket, the address at the other end, and the address of ours that the other end uses, if it is one of
 * several.
 *
 * 1. What comes is looked up, first as what came last by the same socket, and gets a number if it has none.
 * 2. Who sends from a million addresses changes nothing for others: until something authentic came by a route (`confirm`), it is a stranger's, and its
 *    number goes to another stranger before long.
 */
export class Routes {
  readonly #numbers: RouteNumbers;
  readonly #memory: NativeBuffer;
  readonly #words: Int32Array;
  /** Heads of chains by hash, and the next in each chain. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #seed = randomBytes(4).readInt32LE();
  readonly #sockets: (UdpSocket | undefined)[] = [];
  readonly #indexes = new Map<UdpSocket, number>();
  /** What came last by each socket. */
  readonly #last: number[] = [];
  /** Views of remote addresses, made when they are first asked for. */
  readonly #sources: (Uint8Array | undefined)[] = [];

  constructor(capacity: number = CAPACITY) {
    this.#numbers = new RouteNumbers(capacity);
    this.#memory = nativeBuffer(capacity * RECORD_OCTETS);
    this.#words = new Int32Array(this.#memory.octets.buffer, 0, capacity * RECORD_WORDS);
    for (let route = 0; route < capacity; route++) this.#words[route * RECORD_WORDS + SOCKET_WORD] = NONE;
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(capacity))).fill(NONE);
    this.#next = new Int32Array(capacity);
  }

  /** Routes are numbers below it. */
  get capacity(): number {
    return this.#numbers.capacity;
  }

  /** Routes that have a number. */
  get count(): number {
    return this.#numbers.count;
  }

  /**
   * The route to a remote address, held once.
   * @param remote as `192.0.2.1:51900` or `[2001:db8::1]:51900`
   * @param local the address to send from; null: what the socket is bound to, or the kernel chooses
   * @returns -1: all numbers are held
   * @throws EqlError ADDRESS_INVALID
   */
  routeFor(socket: UdpSocket, remote: string, local: string | null): number {
    const { address, port } = parseEndpoint(remote);
    const record = nativeBuffer(RECORD_OCTETS);
    writeSocketAddress(record, 0, socket.family, address, port);
    if (local !== null) record.octets.set(requireAddress(socket.family, local), LOCAL_WORD * 4);
    const words = new Int32Array(record.octets.buffer, 0, RECORD_WORDS);
    const route = this.find(this.indexOf(socket), words, 0);
    if (route >= 0) this.hold(route);
    return route;
  }

  /** Its number is not given to another route until it is released as often. */
  hold(route: number): void {
    this.#numbers.hold(route);
  }

  release(route: number): void {
    this.#numbers.release(route);
  }

  /** Something authentic has come by this route. */
  confirm(route: number): void {
    this.#numbers.confirm(route);
  }

  remoteText(route: number): string {
    return formatSocketAddress(this.#memory, route * RECORD_OCTETS);
  }

  /** Null: there is no way there now. */
  localText(route: number): string | null {
    const socket = this.socketOf(route);
    if (socket === undefined) return null;
    if (!this.hasLocal(route)) return socket.localText ?? socket.localTowards(this.addressOf(route));
    const from = route * RECORD_OCTETS + LOCAL_WORD * 4;
    const address = this.#memory.octets.subarray(from, from + (socket.family === 6 ? 16 : 4));
    return formatEndpoint(address, socket.localPort);
  }

  isIpv6(route: number): boolean {
    return this.socketOf(route)?.family === 6;
  }

  /** The remote address and port as octets; they change when the number is given to another route. */
  sourceOctets(route: number): Uint8Array {
    const length = this.isIpv6(route) ? 22 : 6;
    const known = this.#sources[route];
    if (known !== undefined && known.length === length) return known;
    const from = route * RECORD_OCTETS + 2;
    const source = this.#memory.octets.subarray(from, from + length);
    this.#sources[route] = source;
    return source;
  }

  /** Undefined: there is no such route, or its socket has been closed for a while. */
  socketOf(route: number): UdpSocket | undefined {
    return this.#sockets[this.socketIndexOf(route)];
  }

  // What follows is for who sends and receives.

  /** The number of a socket; -1 if there is no such route. */
  socketIndexOf(route: number): number {
    return this.#words[route * RECORD_WORDS + SOCKET_WORD] ?? NONE;
  }

  /** The socket of a number that {@link socketIndexOf} gave. */
  socketAt(index: number): UdpSocket {
    return this.#sockets[index] as UdpSocket;
  }

  /** It is sent by. */
  touch(route: number): void {
    this.#numbers.touch(route);
  }

  /** Of the remote socket address in native memory. */
  addressOf(route: number): number {
    return this.#memory.address + route * RECORD_OCTETS;
  }

  hasLocal(route: number): boolean {
    const at = route * RECORD_WORDS + LOCAL_WORD;
    const words = this.#words;
    return (
      ((words[at] as number) |
        (words[at + 1] as number) |
        (words[at + 2] as number) |
        (words[at + 3] as number)) !==
      0
    );
  }

  /** A word of the record of a route. */
  wordOf(route: number, word: number): number {
    return this.#words[route * RECORD_WORDS + word] as number;
  }

  /** The number of a socket for {@link find}. */
  indexOf(socket: UdpSocket): number {
    return this.#indexes.get(socket) ?? this.#register(socket);
  }

  /**
   * The route of a record.
   * @param at the record's first word; words behind the addresses of the socket's family are not looked at
   * @returns -1: all numbers are held
   */
  find(socket: number, words: Int32Array, at: number): number {
    const last = this.#last[socket] as number;
    if (last >= 0 && this.#isSame(last, socket, words, at)) return last;
    const isIpv6 = (this.#sockets[socket] as UdpSocket).family === 6;
    const bucket = this.#bucketOf(socket, isIpv6, words, at);
    let route = this.#heads[bucket] as number;
    while (route >= 0 && !this.#isSame(route, socket, words, at)) route = this.#next[route] as number;
    if (route < 0) route = this.#add(bucket, socket, isIpv6, words, at);
    if (route >= 0) this.#last[socket] = route;
    return route;
  }

  #isSame(route: number, socket: number, words: Int32Array, at: number): boolean {
    const own = this.#words;
    const from = route * RECORD_WORDS;
    if (
      own[from] !== words[at] ||
      own[from + 1] !== words[at + 1] ||
      own[from + LOCAL_WORD] !== words[at + LOCAL_WORD] ||
      own[from + SOCKET_WORD] !== socket
    ) {
      return false;
    }
    if ((this.#sockets[socket] as UdpSocket).family === 4) return true;
    for (let i = 2; i < 7; i++) if (own[from + i] !== words[at + i]) return false;
    for (let i = LOCAL_WORD + 1; i <= SCOPE_WORD; i++) if (own[from + i] !== words[at + i]) return false;
    return true;
  }

  #bucketOf(socket: number, isIpv6: boolean, words: Int32Array, at: number): number {
    let hash = mix(mix(this.#seed, socket), words[at] as number);
    hash = mix(mix(hash, words[at + 1] as number), words[at + LOCAL_WORD] as number);
    if (isIpv6) {
      for (let i = 2; i < 7; i++) hash = mix(hash, words[at + i] as number);
      for (let i = LOCAL_WORD + 1; i <= SCOPE_WORD; i++) hash = mix(hash, words[at + i] as number);
    }
    return hash & (this.#heads.length - 1);
  }

  #add(bucket: number, socket: number, isIpv6: boolean, words: Int32Array, at: number): number {
    const route = this.#numbers.take();
    if (route < 0) return route;
    if (this.socketIndexOf(route) >= 0) this.#unlink(route);
    const to = route * RECORD_WORDS;
    const own = this.#words;
    for (let i = 0; i < RECORD_WORDS; i++) own[to + i] = 0;
    const remote = isIpv6 ? 7 : 2;
    for (let i = 0; i < remote; i++) own[to + i] = words[at + i] as number;
    const local = isIpv6 ? SCOPE_WORD : LOCAL_WORD;
    for (let i = LOCAL_WORD; i <= local; i++) own[to + i] = words[at + i] as number;
    own[to + SOCKET_WORD] = socket;
    this.#next[route] = this.#heads[bucket] as number;
    this.#heads[bucket] = route;
    return route;
  }

  #unlink(route: number): void {
    const at = route * RECORD_WORDS;
    const socket = this.#words[at + SOCKET_WORD] as number;
    const isIpv6 = this.#sockets[socket]?.family === 6;
    const bucket = this.#bucketOf(socket, isIpv6, this.#words, at);
    if (this.#heads[bucket] === route) this.#heads[bucket] = this.#next[route] as number;
    else {
      let before = this.#heads[bucket] as number;
      while (this.#next[before] !== route) before = this.#next[before] as number;
      this.#next[before] = this.#next[route] as number;
    }
    this.#words[at + SOCKET_WORD] = NONE;
  }

  #register(socket: UdpSocket): number {
    this.#forgetClosed();
    let index = this.#sockets.indexOf(undefined);
    if (index < 0) index = this.#sockets.length;
    this.#sockets[index] = socket;
    this.#last[index] = NONE;
    this.#indexes.set(socket, index);
    return index;
  }

  /** Routes of sockets that are closed; with the last of them the socket. */
  #forgetClosed(): void {
    const inUse = new Set<number>();
    for (let route = 0; route < this.capacity; route++) {
      const index = this.socketIndexOf(route);
      if (index < 0 || (this.#sockets[index] as UdpSocket).fd >= 0) continue;
      if (this.#numbers.isHeld(route)) inUse.add(index);
      else {
        this.#unlink(route);
        this.#numbers.free(route);
      }
    }
    for (const [socket, index] of this.#indexes) {
      if (socket.fd >= 0 || inUse.has(index)) continue;
      this.#sockets[index] = undefined;
      this.#indexes.delete(socket);
    }
  }
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e37_79b1);
  return mixed ^ (mixed >>> 15);
}
