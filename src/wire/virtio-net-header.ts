import { checksumField, transportStart } from "./transport-header.ts";

/**
 * The header that goes before each packet of an interface with offloads (VIRTIO 1.2 §5.1.6, as Linux has it for TUN). Numbers are in the
 * byte order of the machines that this runs on, little-endian.
 *
 *     flags (8) | segmentation (8) | head (16) | segment size (16) | where the checksum begins (16) | where it lies from there (16)
 */
export const VIRTIO_HEADER = 10;

/** The transport checksum is left partial: its field holds the sum of the pseudo-header, folded and not inverted. */
const NEEDS_CHECKSUM = 1;

export const SEGMENTATION = { none: 0, tcp4: 1, tcp6: 4, udp: 5 } as const;
/** Besides tcp4 or tcp6: CWR is set, and is meant for the first segment only. */
const SEGMENTATION_ECN = 0x80;

export const needsChecksum = (octets: Uint8Array, at: number): boolean =>
  ((octets[at] as number) & NEEDS_CHECKSUM) !== 0;
export const segmentationOf = (octets: Uint8Array, at: number): number =>
  (octets[at + 1] as number) & ~SEGMENTATION_ECN;
/** Octets of payload in each segment but the last. */
export const segmentSize = (view: DataView, at: number): number => view.getUint16(at + 4, true);
/** From here to the packet's end the checksum is made, relative to the packet. */
export const checksumStart = (view: DataView, at: number): number => view.getUint16(at + 6, true);
/** Where it is written, relative to {@link checksumStart}. */
export const checksumOffset = (view: DataView, at: number): number => view.getUint16(at + 8, true);

/** For a packet that is whole as it is. */
export function writePlainHeader(view: DataView, at: number): void {
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint16(at + 8, 0);
}

/**
 * For a packet with a partial checksum.
 * @param headLength octets before the payload; 0, as is `size`, of a packet that is not to be cut
 * @param found its transport header
 */
export function writePartialHeader(
  view: DataView,
  at: number,
  segmentation: number,
  headLength: number,
  size: number,
  found: number,
): void {
  view.setUint32(at, NEEDS_CHECKSUM | (segmentation << 8) | (headLength << 16), true);
  view.setUint32(at + 4, size | (transportStart(found) << 16), true);
  view.setUint16(at + 8, checksumField(found), true);
}
