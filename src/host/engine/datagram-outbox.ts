import type { Outlet } from "../../tunnel/memory.ts";
import { EAGAIN, ECONNREFUSED, EMSGSIZE, ENOBUFS, type NativeBuffer } from "../libc.ts";
import type { Routes } from "./routes.ts";
import { SendBatch, type SendFailures } from "./send-batch.ts";

/** Failures that are told after one flush; more are only counted. */
const TOLD = 256;

/** Told of ways by which nothing can be sent. */
export interface RouteFailures {
  /** Once for each route and flush: a datagram was not sent. When it is called, the outbox is empty. */
  failed(route: number, errno: number): void;
}

export interface OutboxDrops {
  /** The machine has no way there, or none for now. */
  noRoute: number;
  /** Longer than the interface sends in one piece. */
  tooLong: number;
  /** Nobody listens there. */
  refused: number;
  /** The socket, or a queue behind it, is full. */
  full: number;
}

/**
 * Datagrams that are to be sent, in a part of the memory. They leave with `flush`, or before that when there is no room for more; those of one
 * route stay in order.
 */
export class DatagramOutbox implements Outlet, SendFailures {
  readonly drops: OutboxDrops = { noRoute: 0, tooLong: 0, refused: 0, full: 0 };
  readonly #memory: NativeBuffer;
  readonly #from: number;
  readonly #end: number;
  readonly #routes: Routes;
  readonly #listener: RouteFailures;
  /** By number of the socket. */
  readonly #batches: (SendBatch | undefined)[] = [];
  #at: number;
  #route = -1;
  #told = 0;
  readonly #toldRoutes = new Int32Array(TOLD);
  readonly #toldErrnos = new Int32Array(TOLD);

  /** @param from where in the memory datagrams are written, in `size` octets */
  constructor(memory: NativeBuffer, from: number, size: number, routes: Routes, listener: RouteFailures) {
    this.#memory = memory;
    this.#from = from;
    this.#end = from + size;
    this.#at = from;
    this.#routes = routes;
    this.#listener = listener;
  }

  reserve(route: number, length: number): number {
    if (this.#at + length > this.#end) {
      this.#sendAll();
      if (this.#at + length > this.#end) return -1;
    }
    this.#route = route;
    return this.#at;
  }

  commit(length: number): void {
    const route = this.#route;
    const index = this.#routes.socketIndexOf(route);
    if (index < 0) {
      this.drops.noRoute++;
      return;
    }
    const at = this.#at;
    this.#at = at + length;
    this.#routes.touch(route);
    const batch = this.#batches[index];
    // The number of a closed socket is given to another one.
    if (batch !== undefined && batch.socket === this.#routes.socketAt(index)) {
      batch.add(route, at, length);
    } else this.#newBatch(index).add(route, at, length);
  }

  /** Sends all that was written. */
  flush(): void {
    if (this.#at > this.#from) this.#sendAll();
    const count = this.#told;
    this.#told = 0;
    for (let i = 0; i < count; i++) {
      this.#listener.failed(this.#toldRoutes[i] as number, this.#toldErrnos[i] as number);
    }
  }

  unsent(route: number, errno: number, datagrams: number): void {
    if (errno === EMSGSIZE) this.drops.tooLong += datagrams;
    else if (errno === ECONNREFUSED) this.drops.refused += datagrams;
    else if (errno === EAGAIN || errno === ENOBUFS) this.drops.full += datagrams;
    else this.drops.noRoute += datagrams;
    for (let i = 0; i < this.#told; i++) if (this.#toldRoutes[i] === route) return;
    if (this.#told === TOLD) return;
    this.#toldRoutes[this.#told] = route;
    this.#toldErrnos[this.#told++] = errno;
  }

  #sendAll(): void {
    for (let i = 0; i < this.#batches.length; i++) this.#batches[i]?.send();
    this.#at = this.#from;
  }

  #newBatch(index: number): SendBatch {
    const batch = new SendBatch(this.#routes.socketAt(index), this.#memory, this.#routes, this);
    this.#batches[index] = batch;
    return batch;
  }
}
