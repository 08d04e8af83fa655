import assert from "node:assert/strict";
import { it } from "node:test";
import { type CpEvent, type CpState, TRANSITIONS, type Transition } from "../../src/ppp/automaton.ts";
import { RFC1661_STATES, RFC1661_TABLE } from "./rfc1661-table.ts";

const STATES: Readonly<Record<(typeof RFC1661_STATES)[number], CpState>> = {
  Initial: "initial",
  Starting: "starting",
  Closed: "closed",
  Stopped: "stopped",
  Closing: "closing",
  Stopping: "stopping",
  "Req-Sent": "reqSent",
  "Ack-Rcvd": "ackRcvd",
  "Ack-Sent": "ackSent",
  Opened: "opened",
};

const NOTES = { restart: "r", passive: "p", crossed: "x" };

const eventOf = (printed: string): string => printed.toLowerCase().replace("+", "Plus").replace("-", "Minus");

/** A transition as the RFC prints it. */
function printed(transition: Transition | null): string {
  if (transition === null) return "-";
  const { actions, next, note } = transition;
  const number = RFC1661_STATES.findIndex((state) => STATES[state] === next);
  const state = `${number}${note === undefined ? "" : NOTES[note]}`;
  return actions.length === 0 ? state : `${actions.join(",")}/${state}`;
}

it("the automaton is the table of RFC 1661, section 4.1, in each of its 160 cells", () => {
  const events = Object.keys(RFC1661_TABLE);
  assert.equal(events.length * RFC1661_STATES.length, 160);
  assert.deepEqual(Object.keys(TRANSITIONS).toSorted(), events.map(eventOf).toSorted());
  for (const [event, cells] of Object.entries(RFC1661_TABLE)) {
    const row = TRANSITIONS[eventOf(event) as CpEvent];
    assert.deepEqual(
      RFC1661_STATES.map((state) => printed(row[STATES[state]])),
      cells,
      event,
    );
  }
});
