export type Verdict<T> =
  | { readonly say: "ack" }
  | { readonly say: "nak"; readonly instead: T }
  | { readonly say: "reject" };

export const ACK: { readonly say: "ack" } = { say: "ack" };
export const REJECT: { readonly say: "reject" } = { say: "reject" };

/** One Configuration Option (RFC 1661, section 5.1): everything this side knows about it, in one place, for both directions. */
export interface ConfigOption<T> {
  /** Assigned number, and the name in logs and in the status. */
  readonly type: number;
  readonly name: string;
  /** Whether the negotiation fails when `revise` leaves the option out. */
  readonly vital?: boolean;
  /** What to ask for at the start of a negotiation; undefined: the option is left out of our Configure-Request. */
  begin(): T | undefined;
  /** Judges what the peer asks of us. @param ours what we ask for at present */
  judge(wish: T, ours: T | undefined): Verdict<T>;
  /** With what to Nak a Configure-Request that lacks the option; undefined (or no method): it may be left out. */
  missing?(): T | undefined;
  /**
   * What to ask for next, after a Nak or Reject; undefined: leave it out.
   * @param current undefined: we did not ask for it, the peer says by a Nak that we should
   * @param instead what the peer would have; null: it rejects the option, makes no sense, or Naks without end
   */
  revise(current: T | undefined, instead: T | null): T | undefined;
  /** @param data a view, copied if kept @returns undefined: malformed, which is answered by a Configure-Reject */
  read(data: Uint8Array): T | undefined;
  write(value: T): Uint8Array;
  show(value: T): string | number | boolean;
}

/** An option as it stands in a packet: `octets[from, to)` are its data. */
export interface RawOption {
  readonly type: number;
  readonly data: Uint8Array;
}

/** @returns the options in `octets[from, to)`, as views; null: one is shorter than its header or goes on past the end */
export function readOptions(octets: Uint8Array, from: number, to: number): RawOption[] | null {
  const options: RawOption[] = [];
  for (let at = from; at < to; ) {
    const type = octets[at] as number;
    const length = octets[at + 1] as number;
    if (at + 2 > to || length < 2 || at + length > to) return null;
    options.push({ type, data: octets.subarray(at + 2, at + length) });
    at += length;
  }
  return options;
}

/** @param options none of more than 253 octets */
export function writeOptions(options: readonly RawOption[]): Uint8Array {
  const octets = new Uint8Array(options.reduce((sum, { data }) => sum + 2 + data.length, 0));
  let at = 0;
  for (const { type, data } of options) {
    octets[at] = type;
    octets[at + 1] = data.length + 2;
    octets.set(data, at + 2);
    at += data.length + 2;
  }
  return octets;
}

export const sameOctets = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((octet, i) => octet === b[i]);
