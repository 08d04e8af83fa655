/** Protocol numbers (RFC 1661, section 2; the rest is assigned by IANA). */
export const PPP_IP = 0x0021;
export const PPP_MULTILINK = 0x003d;
export const PPP_IPV6 = 0x0057;
export const PPP_IPCP = 0x8021;
export const PPP_IPV6CP = 0x8057;
export const PPP_CCP = 0x80fd;
export const PPP_LCP = 0xc021;
export const PPP_PAP = 0xc023;
export const PPP_CHAP = 0xc223;

/** All stations, unnumbered information: what a frame begins with unless LCP agreed to leave it out (RFC 1662, section 3.1). */
export const PPP_ADDRESS = 0xff;
export const PPP_CONTROL = 0x03;

/** Reads what is in front of a packet, one after the other, without allocating. Compressed or not: both are taken at any time. */
export class PppHeader {
  /** Of the last one read. One with an even last octet is nobody's, so it is rejected as unknown (RFC 1661, section 2). */
  protocol = 0;
  /** Where the packet begins in the octets that were read. */
  dataFrom = 0;

  /** Reads the header of the frame, or of the packet from its protocol on, in `octets[from, to)`. @returns false: there is none */
  read(octets: Uint8Array, from: number, to: number): boolean {
    let at = from;
    if (at < to && octets[at] === PPP_ADDRESS) {
      if (at + 1 >= to || octets[at + 1] !== PPP_CONTROL) return false;
      at += 2;
    }
    if (at >= to) return false;
    let protocol = octets[at++] as number;
    if ((protocol & 1) === 0) {
      if (at >= to) return false;
      protocol = (protocol << 8) | (octets[at++] as number);
    }
    this.protocol = protocol;
    this.dataFrom = at;
    return true;
  }
}
