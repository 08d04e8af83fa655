/** Of the flags octet in a TCP header (RFC 9293 §3.1, RFC 3168 §6.1). */
export const CWR = 0x80;
export const ACK = 0x10;
export const PSH_FIN = 0x09;
/** A segment of a stream under way has ACK of these, and no other. */
export const EXCEPTIONAL = 0xb6;
