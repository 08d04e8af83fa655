import type { PhoneEvent } from "../sim/phone-network.ts";
import type { Instant } from "../time.ts";

const WHY: Readonly<Record<Extract<PhoneEvent, { type: "failed" }>["why"], string>> = {
  busy: "busy",
  "no-answer": "it rings, and nobody answers",
  voice: "a person answers",
  "no-carrier": "answered, without a carrier",
  unknown: "there is no such number",
};

/** `   12.345 home: dials 5551000`: seconds since the network began, and what happened. */
export function describePhoneEvent(event: PhoneEvent, startedAt: Instant): string {
  return `${((event.at - startedAt) / 1000).toFixed(3).padStart(10)} ${event.modem}: ${wordsOf(event)}`;
}

function wordsOf(event: PhoneEvent): string {
  switch (event.type) {
    case "dialed":
      return `dials ${event.number}`;
    case "failed":
      return WHY[event.why];
    case "ringing":
      return `rings ${event.to}`;
    case "connected":
      return `connected to ${event.to} at ${event.bps} bit/s`;
    case "ended":
      return `the call${event.to === null ? "" : ` to ${event.to}`} is over: ${event.why}`;
  }
}
