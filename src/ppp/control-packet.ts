/** Codes that all control protocols share (RFC 1661, section 5). */
export const CONFIGURE_REQUEST = 1;
export const CONFIGURE_ACK = 2;
export const CONFIGURE_NAK = 3;
export const CONFIGURE_REJECT = 4;
export const TERMINATE_REQUEST = 5;
export const TERMINATE_ACK = 6;
export const CODE_REJECT = 7;

/** Code, Identifier, Length. */
export const CONTROL_HEADER = 4;

export interface ControlPacket {
  readonly code: number;
  readonly id: number;
  /** What follows the header, without padding: a view, copied if kept. */
  readonly data: Uint8Array;
}

/** @returns null: shorter than its header, or its Length is less than that or goes past the end (RFC 1661, section 5) */
export function readControlPacket(octets: Uint8Array, from: number, to: number): ControlPacket | null {
  if (to - from < CONTROL_HEADER) return null;
  const length = ((octets[from + 2] as number) << 8) | (octets[from + 3] as number);
  if (length < CONTROL_HEADER || from + length > to) return null;
  return {
    code: octets[from] as number,
    id: octets[from + 1] as number,
    data: octets.subarray(from + CONTROL_HEADER, from + length),
  };
}

export function writeControlPacket(code: number, id: number, data: Uint8Array): Uint8Array {
  const octets = new Uint8Array(CONTROL_HEADER + data.length);
  octets[0] = code;
  octets[1] = id;
  octets[2] = octets.length >> 8;
  octets[3] = octets.length & 0xff;
  octets.set(data, CONTROL_HEADER);
  return octets;
}
