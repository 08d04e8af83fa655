import { dscpOf } from "../wire/dscp.ts";

/** All packets, none, or those of flows with little traffic (`"sparse"`) and of these code points (0 to 63). */
export type Redundant = boolean | readonly ("sparse" | number)[];

/** Which packets go by two paths. */
export class Redundancy {
  /** As it was given. */
  readonly chosen: Redundant;
  /** Some do. */
  readonly isAny: boolean;
  readonly #isSparse: boolean;
  /** By code point. */
  readonly #marked: Uint8Array = new Uint8Array(64);

  constructor(chosen: Redundant) {
    this.chosen = chosen;
    const kinds = typeof chosen === "boolean" ? [] : chosen;
    this.isAny = chosen === true || kinds.length > 0;
    this.#isSparse = kinds.includes("sparse");
    if (chosen === true) this.#marked.fill(1);
    for (const kind of kinds) if (kind !== "sparse") this.#marked[kind] = 1;
  }

  /** The IP packet at `octets[at]` does. @param isSparse of a flow with little traffic */
  includes(octets: Uint8Array, at: number, isSparse: boolean): boolean {
    return (isSparse && this.#isSparse) || this.#marked[dscpOf(octets, at)] === 1;
  }
}
