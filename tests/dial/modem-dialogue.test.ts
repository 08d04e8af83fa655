import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ModemDialogue, type ModemSettings } from "../../src/dial/modem-dialogue.ts";
import type { PhoneWorld } from "../sim/phone-host.ts";
import { MODEM, phoneWorld } from "./phones.ts";
import { type Talked, talkByPhone } from "./talk.ts";

const dial = (phones: PhoneWorld, number: string, more: Partial<ModemSettings> = {}): Talked =>
  talkByPhone(phones, new ModemDialogue({ ...MODEM, ...more }, number));
const carrier = ({ events }: Talked): unknown =>
  events.flatMap((event) => (event.type === "connected" ? [event.carrierBps] : []));

describe("ModemDialogue with a modem", () => {
  it("connects, and tells the carrier's speed", () => {
    const talked = dial(phoneWorld(), "5551000");
    assert.deepEqual(talked.end, { ok: true });
    assert.equal(talked.sent, "AT\rATZ\rAT&C1&D2W1L1S0=0%E2\rATDT5551000\r");
    assert.deepEqual(carrier(talked), [14_400]);
  });

  for (const [number, failure] of [
    ["5551001", "busy"],
    ["5551002", "no-answer"],
    ["5551003", "voice"],
    ["5551004", "no-carrier"],
  ]) {
    it(`tells ${failure}`, () => {
      const { end } = dial(phoneWorld(), number as string);
      assert.ok(end?.ok === false);
      assert.equal(end.failure, failure);
    });
  }
});
