import { INITIATION } from "../wire/tunnel-datagram.ts";

/** As many as are let in at once. */
const MOST_WAITING = 512;
/** Ways by which one is answered: the first may carry nothing back. */
const MOST_ROUTES = 4;

interface WaitingInitiation {
  readonly datagram: Uint8Array;
  readonly routes: number[];
}

/** What tells initiations apart, but for MAC 2. It is no secret. */
const nameOf = (datagram: Uint8Array): string =>
  String.fromCharCode(...datagram.subarray(INITIATION.mac1, INITIATION.mac2));

/** Initiations that were let in, and are answered when there is time, the first first. Each waits once, with the ways it came by. */
export class WaitingInitiations {
  readonly #byName: Map<string, WaitingInitiation> = new Map();

  get count(): number {
    return this.#byName.size;
  }

  get isFull(): boolean {
    return this.#byName.size >= MOST_WAITING;
  }

  has(datagram: Uint8Array): boolean {
    return this.#byName.size > 0 && this.#byName.has(nameOf(datagram));
  }

  /** Keeps a copy of one that it has not. There is room. */
  add(datagram: Uint8Array, route: number): void {
    this.#byName.set(nameOf(datagram), { datagram: datagram.slice(), routes: [route] });
  }

  /** One that it has came by that way, too. @returns whether that is kept */
  addRoute(datagram: Uint8Array, route: number): boolean {
    const routes = this.#byName.get(nameOf(datagram))?.routes ?? [];
    if (routes.length >= MOST_ROUTES || routes.includes(route)) return false;
    routes.push(route);
    return true;
  }

  take(): WaitingInitiation | undefined {
    for (const [name, first] of this.#byName) {
      this.#byName.delete(name);
      return first;
    }
    return undefined;
  }
}
