import {
  COOKIE,
  COOKIE_TYPE,
  INITIATION_TYPE,
  RESPONSE,
  RESPONSE_TYPE,
  TRANSPORT,
  TRANSPORT_TYPE,
} from "../wire/tunnel-datagram.ts";
import { type NativeBuffer, nativeBuffer } from "./libc.ts";

/* Classic BPF, as struct sock_filter has it: code, two jumps, operand. A load beyond the end drops. */
const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_OCTET = 0x30;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const STEP_OCTETS = 8;
/** Programs of UDP sockets begin at the UDP header. */
const CONTENT = 8;
const ALL = 0xffffffff;

type Step = readonly [code: number, operand: number, ifEqual?: number, ifNot?: number];

/** If the octet at the beginning is `type`, all of these have to be equal; else it goes on behind them. */
function kind(type: number, checks: readonly (readonly [load: number, at: number, value: number])[]): Step[] {
  const steps: Step[] = [
    [LOAD_OCTET, CONTENT],
    [JUMP_IF_EQUAL, type, 0, 3 * checks.length + 1],
  ];
  for (const [load, at, value] of checks)
    steps.push([load, CONTENT + at], [JUMP_IF_EQUAL, value, 1, 0], [RETURN, 0]);
  steps.push([RETURN, ALL]);
  return steps;
}

/**
 * What the kernel lets through to a socket at which strangers call: what begins as the datagrams of a tunnel do, for this end. It is dropped
 * before it takes room in the socket's queue from others, and costs hardly anything.
 * @param mark of initiations for this end, three octets
 * @param tag the first half of all indices of this end
 */
export function datagramFilter(mark: Uint8Array, tag: number): NativeBuffer {
  const [a = 0, b = 0, c = 0] = mark;
  const first = (type: number, rest: number): readonly [number, number, number] => [
    LOAD_WORD,
    0,
    ((type << 24) | rest) >>> 0,
  ];
  const steps: Step[] = [
    ...kind(TRANSPORT_TYPE, [[LOAD_HALF, TRANSPORT.receiver, tag]]),
    ...kind(INITIATION_TYPE, [first(INITIATION_TYPE, (a << 16) | (b << 8) | c)]),
    ...kind(RESPONSE_TYPE, [first(RESPONSE_TYPE, 0), [LOAD_HALF, RESPONSE.receiver, tag]]),
    ...kind(COOKIE_TYPE, [first(COOKIE_TYPE, 0), [LOAD_HALF, COOKIE.receiver, tag]]),
    [RETURN, 0],
  ];
  const program = nativeBuffer(steps.length * STEP_OCTETS);
  for (const [i, [code, operand, ifEqual = 0, ifNot = 0]] of steps.entries()) {
    program.view.setUint16(i * STEP_OCTETS, code, true);
    program.octets[i * STEP_OCTETS + 2] = ifEqual;
    program.octets[i * STEP_OCTETS + 3] = ifNot;
    program.view.setUint32(i * STEP_OCTETS + 4, operand, true);
  }
  return program;
}
