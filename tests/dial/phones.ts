import type { LoginSettings } from "../../src/dial/login-dialogue.ts";
import type { ModemSettings } from "../../src/dial/modem-dialogue.ts";
import type { PhoneNetworkSettings } from "../../src/sim/phone-network.ts";
import { PhoneWorld } from "../sim/phone-host.ts";

export const MODEM: ModemSettings = {
  init: ["ATZ", "AT&C1&D2W1L1S0=0%E2"],
  dial: "ATDT",
  carrierWaitMs: 90_000,
  commandWaitMs: 3000,
  guardMs: 1200,
};

export const LOGIN: LoginSettings = {
  user: "joe",
  password: "hello2u2",
  loginPrompt: "ogin:",
  passwordPrompt: "assword:",
  waitMs: 60_000,
  after: null,
  ready: null,
};

/** Two modems, of which `b` answers 5551000, and a number for each fate of a call. */
export function phoneWorld(more: Partial<PhoneNetworkSettings> = {}): PhoneWorld {
  const phones = new PhoneWorld({
    modems: [
      { name: "a", portBps: 57_600, carrierBps: 28_800 },
      { name: "b", portBps: 57_600, carrierBps: 14_400 },
    ],
    numbers: [
      { number: "5551000", answers: ["b"] },
      { number: "5551001", answers: "busy" },
      { number: "5551002", answers: "no-answer" },
      { number: "5551003", answers: "voice" },
      { number: "5551004", answers: "no-carrier" },
    ],
    seed: 1,
    setupMs: 1500,
    trainingMs: 10_000,
    meanCallMs: null,
    noiseOneIn: null,
    ...more,
  });
  const far = phones.host("b");
  far.send("ATS0=1\r");
  phones.runUntil(far, /OK\r\n/, 100);
  far.takeText();
  return phones;
}
