import fc from "fast-check";
import type { LinkId } from "../../src/link/link.ts";
import { Flow, Packet } from "../../src/link/packet.ts";
import type { LinkView, QueueView } from "../../src/scheduler/scheduler.ts";
import { instant } from "../../src/time.ts";
import { poolOf } from "../link/packets.ts";

/** A link at rest, at 28800 bit/s unless told otherwise. */
export const linkView = (fields: Partial<LinkView> = {}): LinkView => {
  const givenBps = fields.givenBps ?? 28_800;
  return {
    id: 0 as LinkId,
    givenBps,
    rate: givenBps / 10_000,
    delayMs: 0,
    startAt: instant(1000),
    ready: true,
    open: null,
    openArrival: instant(1000),
    canHold: true,
    ...fields,
  };
};

/** Links of these speeds, all ready, numbered. */
export const linkViews = (...bps: number[]): LinkView[] =>
  bps.map((givenBps, i) => linkView({ id: i as LinkId, givenBps }));

/** A queue of packets of these lengths, those of one letter in one flow. */
export function queueOf(...packets: (readonly [flow: string, length: number])[]): QueueView {
  const pool = poolOf(packets.length, 1);
  const flows = new Map<string, Flow>();
  const made = packets.map(([name, length], i) => {
    const packet = pool.take() as Packet;
    const flow = flows.get(name) ?? new Flow();
    flows.set(name, flow);
    packet.length = length;
    packet.frameLength = length + 1;
    packet.order = i + 1;
    packet.flow = flow;
    flow.packets++;
    return packet;
  });
  return { packets: made, count: made.length };
}

/** Any figures that a link can have, and some that it cannot. */
const anyLink = fc.record({
  givenBps: fc.oneof(fc.integer({ min: 300, max: 1e8 }), fc.constantFrom(0, 1, 1e15)),
  rate: fc.oneof(fc.double({ min: 0.03, max: 1e4, noNaN: true }), fc.constantFrom(0, 1e-9, 1e12)),
  delayMs: fc.double({ min: 0, max: 500, noNaN: true }),
  aheadMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e5, noNaN: true })),
  ready: fc.boolean(),
  canHold: fc.boolean(),
});

export const NOW = instant(1e6);

export const anyLinks = fc
  .array(anyLink, { minLength: 1, maxLength: 16 })
  .map((links) =>
    links.map(
      ({ aheadMs, ...fields }, i): LinkView =>
        linkView({ id: i as LinkId, ...fields, startAt: instant(NOW + aheadMs) }),
    ),
  );

export const anyQueue = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 20, max: 1500 })), { maxLength: 64 })
  .map((packets) => queueOf(...packets));
