import { parseIpAddress } from "../../src/wire/ip-address.ts";
import { internetChecksum, PROTOCOL_ICMP } from "../../src/wire/ip-packet.ts";

export const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;

/** An IPv4 packet with an ICMP Echo-Request (RFC 792) of 28 octets and the data. */
export function echoRequest(from: string, to: string, sequence: number, data: Uint8Array): Buffer {
  const packet = Buffer.alloc(28 + data.length);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = 64;
  packet[9] = PROTOCOL_ICMP;
  packet.set(parseIpAddress(from) ?? [], 12);
  packet.set(parseIpAddress(to) ?? [], 16);
  packet.writeUInt16BE(internetChecksum(packet, 0, 20), 10);
  packet[20] = ECHO_REQUEST;
  packet.writeUInt16BE(sequence, 26);
  packet.set(data, 28);
  packet.writeUInt16BE(internetChecksum(packet, 20, packet.length - 20), 22);
  return packet;
}

/** The sequence number and data of an Echo-Reply; null for any other packet. */
export function readEchoReply(packet: Buffer): { sequence: number; data: Buffer } | null {
  if (packet.length < 28 || packet[9] !== PROTOCOL_ICMP || packet[20] !== ECHO_REPLY) return null;
  return { sequence: packet.readUInt16BE(26), data: packet.subarray(28) };
}
