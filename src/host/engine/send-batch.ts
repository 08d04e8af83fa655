import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, type NativeBuffer, nativeBuffer, sendmmsg } from "../libc.ts";
import { addressAt, MessageVector, PIECE_OCTETS, setAddress } from "../message-vector.ts";
import { socketAddressLength } from "../socket-address.ts";
import {
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_PKTINFO,
  UDP_SEGMENT,
  type UdpSocket,
} from "../udp-socket.ts";
import { LOCAL_WORD, type Routes, SCOPE_WORD } from "./routes.ts";

/** Messages of one call. */
const MESSAGES = 64;
/** What a kernel takes as one message: datagrams (UDP_MAX_SEGMENTS, as it was first), and octets of one IP packet with room for headers. */
const SEGMENTS = 64;
const OCTETS = 65_000;

const PIECE_WORDS = PIECE_OCTETS / 4;
/** A message's control data: where it is to be sent from (40 octets at most), then the size of segments. */
const CONTROL_OCTETS = 64;
const CONTROL_WORDS = CONTROL_OCTETS / 4;
/** Words of a struct cmsghdr: length (64 bits), level, type; and with it, the content of each kind. */
const HEADER_WORDS = 4;
const SEGMENT_CONTROL = 24;
const LOCAL4_CONTROL = 32;
const LOCAL6_CONTROL = 40;

/** Told of what was not sent. */
export interface SendFailures {
  unsent(route: number, errno: number, datagrams: number): void;
}

/** Datagrams that wait to be sent by one socket in one call; equal-sized ones of a route become one message where the kernel cuts it again. */
export class SendBatch {
  readonly socket: UdpSocket;
  readonly #memory: NativeBuffer;
  readonly #routes: Routes;
  readonly #failures: SendFailures;
  /** One more than are sent at once, for a datagram that is sent by itself. */
  readonly #vector = new MessageVector(MESSAGES + 1);
  readonly #pieces: NativeBuffer = nativeBuffer((MESSAGES * SEGMENTS + 1) * PIECE_OCTETS);
  readonly #pieceWords = wordsOf(this.#pieces);
  readonly #control: NativeBuffer = nativeBuffer((MESSAGES + 1) * CONTROL_OCTETS);
  readonly #controlWords = wordsOf(this.#control);
  #count = 0;
  readonly #routeOf = new Int32Array(MESSAGES);
  readonly #pieceCount = new Int32Array(MESSAGES);
  readonly #segments = new Int32Array(MESSAGES);
  /** Octets of each datagram but the last. */
  readonly #size = new Int32Array(MESSAGES);
  readonly #length = new Int32Array(MESSAGES);
  /** Where the message's last piece ends. */
  readonly #end = new Int32Array(MESSAGES);
  /** The last message of each route; right only if that message is of the route. */
  readonly #open: Uint8Array;

  constructor(socket: UdpSocket, memory: NativeBuffer, routes: Routes, failures: SendFailures) {
    this.socket = socket;
    this.#memory = memory;
    this.#routes = routes;
    this.#failures = failures;
    this.#open = new Uint8Array(routes.capacity);
  }

  /** Adds a datagram; what waits is sent first if there is no room for more. @param from where in the memory it lies, left as it is until it is sent */
  add(route: number, from: number, length: number): void {
    const open = this.#open[route] as number;
    if (open < this.#count && this.#routeOf[open] === route && this.#fits(open, length)) {
      this.#append(open, from, length);
      return;
    }
    if (this.#count === MESSAGES) this.send();
    const message = this.#count++;
    this.#open[route] = message;
    this.#routeOf[message] = route;
    this.#pieceCount[message] = 0;
    this.#segments[message] = 0;
    this.#size[message] = length;
    this.#length[message] = 0;
    this.#end[message] = -1;
    this.#append(message, from, length);
  }

  /** Messages grow by datagrams of the first one's size, and end with a shorter one. */
  #fits(message: number, length: number): boolean {
    const size = this.#size[message] as number;
    const segments = this.#segments[message] as number;
    const total = this.#length[message] as number;
    return (
      this.socket.gso &&
      length <= size &&
      segments < SEGMENTS &&
      total === segments * size &&
      total + length <= OCTETS
    );
  }

  #append(message: number, from: number, length: number): void {
    this.#segments[message] = (this.#segments[message] as number) + 1;
    this.#length[message] = (this.#length[message] as number) + length;
    let piece = message * SEGMENTS + (this.#pieceCount[message] as number);
    if (from === this.#end[message]) {
      // It lies right behind the one before.
      const at = --piece * PIECE_WORDS + 2;
      this.#pieceWords[at] = (this.#pieceWords[at] as number) + length;
    } else {
      setAddress(this.#pieceWords, piece * PIECE_WORDS, this.#memory.address + from);
      this.#pieceWords[piece * PIECE_WORDS + 2] = length;
      this.#pieceCount[message] = (this.#pieceCount[message] as number) + 1;
    }
    this.#end[message] = from + length;
  }

  /** Sends all that waits. What cannot be sent is dropped, and told. */
  send(): void {
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      const pieces = this.#pieces.address + i * SEGMENTS * PIECE_OCTETS;
      this.#prepare(i, this.#routeOf[i] as number, pieces, this.#pieceCount[i] as number);
      if ((this.#segments[i] as number) > 1) this.#addSegmentSize(i, this.#size[i] as number);
    }
    let sent = 0;
    while (sent < count) {
      const result = sendmmsg(this.socket.fd, this.#vector.addressOf(sent), count - sent, 0);
      if (result > 0) sent += result;
      else if (result !== -EINTR) sent = this.#handleUnsent(sent, count, result);
    }
  }

  /** @returns the message to go on with */
  #handleUnsent(message: number, count: number, result: number): number {
    if (result === -EAGAIN) {
      // The socket has no room: it has none for the others either.
      for (let i = message; i < count; i++) {
        this.#failures.unsent(this.#routeOf[i] as number, EAGAIN, this.#segments[i] as number);
      }
      return count;
    }
    const cut = (this.#segments[message] as number) > 1;
    if (cut && (result === -EIO || result === -EINVAL || result === -EMSGSIZE)) {
      this.#sendSingly(message, result);
    } else {
      this.#failures.unsent(this.#routeOf[message] as number, -result, this.#segments[message] as number);
    }
    return message + 1;
  }

  /**
   * Sends the datagrams of a message one by one. If that can be done, the fault is with cutting (a device that makes no checksums, an
   * older kernel), and nothing is to be cut by this socket any more; if not, they may be too long, which kernels do not always say of a message.
   */
  #sendSingly(message: number, result: number): void {
    const size = this.#size[message] as number;
    const route = this.#routeOf[message] as number;
    const single = MESSAGES * SEGMENTS * PIECE_WORDS;
    this.#prepare(MESSAGES, route, this.#pieces.address + MESSAGES * SEGMENTS * PIECE_OCTETS, 1);
    for (let i = 0; i < (this.#pieceCount[message] as number); i++) {
      const piece = (message * SEGMENTS + i) * PIECE_WORDS;
      const address = addressAt(this.#pieceWords, piece);
      const length = this.#pieceWords[piece + 2] as number;
      for (let at = 0; at < length; at += size) {
        const octets = Math.min(size, length - at);
        setAddress(this.#pieceWords, single, address + at);
        this.#pieceWords[single + 2] = octets;
        const one = sendmmsg(this.socket.fd, this.#vector.addressOf(MESSAGES), 1, 0);
        if (one < 0) this.#failures.unsent(route, -one, 1);
        else if (octets === size && result !== -EMSGSIZE) this.socket.gso = false;
      }
    }
  }

  #prepare(message: number, route: number, pieces: number, pieceCount: number): void {
    this.#vector.setName(message, this.#routes.addressOf(route), socketAddressLength(this.socket.family));
    this.#vector.setPieces(message, pieces, pieceCount);
    const length = this.#routes.hasLocal(route) ? this.#addLocal(message, route) : 0;
    this.#vector.setControl(message, this.#control.address + message * CONTROL_OCTETS, length);
  }

  /** Has the message leave from the address that the other end has called. @returns octets of control data */
  #addLocal(message: number, route: number): number {
    const words = this.#controlWords;
    const at = message * CONTROL_WORDS;
    const content = at + HEADER_WORDS;
    if (this.socket.family === 4) {
      // Interface (0: as the routes say), source, and an address that means nothing here.
      this.#header(at, 28, IPPROTO_IP, IP_PKTINFO);
      words[content] = 0;
      words[content + 1] = this.#routes.wordOf(route, LOCAL_WORD);
      words[content + 2] = 0;
      return LOCAL4_CONTROL;
    }
    this.#header(at, 36, IPPROTO_IPV6, IPV6_PKTINFO);
    for (let i = 0; i < 4; i++) words[content + i] = this.#routes.wordOf(route, LOCAL_WORD + i);
    words[content + 4] = this.#routes.wordOf(route, SCOPE_WORD);
    return LOCAL6_CONTROL;
  }

  #addSegmentSize(message: number, size: number): void {
    const before = this.#vector.controlLengthOf(message);
    const at = message * CONTROL_WORDS + before / 4;
    this.#header(at, 18, IPPROTO_UDP, UDP_SEGMENT);
    this.#controlWords[at + HEADER_WORDS] = size;
    const control = this.#control.address + message * CONTROL_OCTETS;
    this.#vector.setControl(message, control, before + SEGMENT_CONTROL);
  }

  #header(at: number, length: number, level: number, type: number): void {
    const words = this.#controlWords;
    words[at] = length;
    words[at + 1] = 0;
    words[at + 2] = level;
    words[at + 3] = type;
  }
}

const wordsOf = ({ octets }: NativeBuffer): Uint32Array =>
  new Uint32Array(octets.buffer, 0, octets.length / 4);
