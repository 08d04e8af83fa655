/**
 * The memory in which all packets of a tunnel lie. Whoever speaks of a packet gives the offset at which it begins; a host that hands
 * offsets to native code knows the address of the first octet.
 */
export interface Memory {
  readonly octets: Uint8Array;
  /** Of the same octets. */
  readonly view: DataView;
}

/** Where datagrams are written that are to be sent. */
export interface Outlet {
  /**
   * Room for one datagram by a route.
   * @param route stands for a socket and two addresses; the host knows which
   * @returns the offset in the memory at which it is to be written; -1: there is no room for now
   */
  reserve(route: number, length: number): number;
  /** The datagram that was reserved last is written, with so many octets. */
  commit(length: number): void;
}

/** Where packets go that came in their order. */
export interface Inlet {
  /**
   * A packet for the interface, `octets[from, from + length)`. At least 14 octets before it are free to be written over.
   * @param slot that it lies in; it has to be held if it is needed after the call
   * @param vouched its transport checksum is left partial: nothing has touched it since its sender's kernel
   */
  deliver(slot: number, from: number, length: number, vouched: boolean, now: number): void;
}
