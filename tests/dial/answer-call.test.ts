import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AnswerDialogue, type AnswerSettings } from "../../src/dial/answer-dialogue.ts";
import type { AnswerModemSettings } from "../../src/dial/answer-modem.ts";
import { type CallSettings, makeCall } from "../../src/dial/call.ts";
import type { Dialogue, DialogueEnd, DialogueEvent } from "../../src/dial/dialogue.ts";
import type { VerifyEvent } from "../../src/dial/login-prompt.ts";
import { after, instant } from "../../src/time.ts";
import type { PhoneWorld } from "../sim/phone-host.ts";
import { MODEM as ANSWERING, DIRECT, LOGIN } from "./answering.ts";
import { asText, latin1 } from "./dialogue.ts";
import { MODEM, phoneWorld } from "./phones.ts";

const NUMBER = "5551000";
const LCP = "~\xff}#\xc0!}!}!} }8";
const NOBODY: CallSettings = { modem: MODEM, login: null, chat: null };
const JOE: CallSettings = {
  ...NOBODY,
  login: {
    user: "joe",
    password: "hello2u2",
    loginPrompt: "ogin:",
    passwordPrompt: "assword:",
    waitMs: 60_000,
    after: null,
    ready: null,
  },
};

/** Who answers at modem `b`, and who calls from `a`, on virtual time. */
class Exchange {
  readonly phones: PhoneWorld = phoneWorld();
  answer: AnswerDialogue;
  readonly events: (DialogueEvent | VerifyEvent)[] = [];
  /** What somebody at `a` reads. */
  read = "";
  passwordIsRight = true;
  #caller: Dialogue | null = null;

  constructor(modem: Partial<AnswerModemSettings> = {}, more: Partial<AnswerSettings> = {}) {
    this.answer = new AnswerDialogue({ ...DIRECT, ...more, modem: { ...ANSWERING, ...modem } });
    this.answer.start(this.phones.now);
  }

  get failure(): string | null {
    const end = this.answer.end;
    return end === null || end.ok ? null : end.failure;
  }

  /** Runs a caller's dialogue to its end. */
  call(settings: CallSettings): DialogueEnd | null {
    const caller = makeCall(settings, NUMBER);
    this.#caller = caller;
    caller.start(this.phones.now);
    this.until(() => caller.end !== null);
    this.#caller = null;
    return caller.end;
  }

  until(isSo: () => boolean): void {
    const end = after(this.phones.now, 3_600_000);
    while (!isSo()) {
      assert.ok(this.phones.now < end, "it never happens");
      this.run(20);
    }
  }

  run(ms: number): void {
    this.#turn("b", this.answer);
    if (this.#caller !== null) this.#turn("a", this.#caller);
    else this.read += this.phones.host("a").takeText();
    this.phones.run(ms);
  }

  #turn(name: string, dialogue: Dialogue<DialogueEvent | VerifyEvent>): void {
    const { phones, events } = this;
    const host = phones.host(name);
    const heard = latin1(host.takeText());
    dialogue.handleOctets(heard, 0, heard.length, phones.now);
    if (phones.now >= dialogue.pollTimeout()) dialogue.handleTimeout(phones.now);
    for (let event = dialogue.pollEvent(); event !== undefined; event = dialogue.pollEvent()) {
      if (name === "b") events.push(event);
      if (event.type !== "verify") continue;
      const granted = { ok: true, protocol: "ppp", message: "PPP session beginning....\n" } as const;
      this.answer.handleVerdict(this.passwordIsRight ? granted : { ok: false }, phones.now);
    }
    for (let out = dialogue.pollTransmit(); out !== undefined; out = dialogue.pollTransmit()) {
      if (out !== "break") host.send(out);
    }
  }
}

describe("a caller and who answers", () => {
  it("agree on everything up to the link", () => {
    const exchange = new Exchange();
    assert.deepEqual(exchange.call(JOE), { ok: true });
    assert.deepEqual(exchange.answer.end, { ok: true });
    assert.deepEqual(exchange.answer.result, { kind: "login", user: "joe", protocol: "ppp" });
    assert.deepEqual(
      exchange.events.filter(({ type }) => type === "connected"),
      [{ type: "connected", carrierBps: 14_400 }],
    );
  });

  it("agree that a login is refused", () => {
    const exchange = new Exchange({}, { login: { ...LOGIN, tries: 1 } });
    exchange.passwordIsRight = false;
    const end = exchange.call(JOE);
    assert.equal(end !== null && !end.ok && end.failure, "refused");
    exchange.until(() => exchange.answer.end !== null);
    assert.equal(exchange.failure, "refused");
  });

  it("need no login for PPP, whose first frame stays whole", () => {
    const exchange = new Exchange();
    exchange.call(NOBODY);
    exchange.phones.host("a").send(latin1(LCP));
    exchange.until(() => exchange.answer.end !== null);
    exchange.run(1000);
    exchange.run(0);
    assert.deepEqual(exchange.answer.result, { kind: "ppp" });
    assert.equal(asText(exchange.answer.takeUnread()), LCP);
  });

  it("pause a second between carrier and prompt", () => {
    const exchange = new Exchange();
    exchange.call(NOBODY);
    exchange.run(0);
    exchange.run(900);
    exchange.run(0);
    assert.equal(exchange.read, "");
    exchange.until(() => exchange.read.endsWith("login: "));
    assert.equal(exchange.read, "office\r\nlogin: ");
  });

  it("need no ATA where the modem answers by itself, at whatever ring", () => {
    const exchange = new Exchange({ init: ["ATZ", "ATS0=2"], answer: null });
    assert.deepEqual(exchange.call(JOE), { ok: true });
    assert.deepEqual(exchange.answer.end, { ok: true });
  });

  it("wait for as many rings as are wanted", () => {
    const exchange = new Exchange({ rings: 3 });
    exchange.call(JOE);
    const said = exchange.events.flatMap((event) =>
      event.type === "sent" || event.type === "received" ? [event.text] : [],
    );
    assert.match(said.join(""), /RING[^A]*RING[^A]*RING\s+ATA/);
    assert.deepEqual(exchange.answer.end, { ok: true });
  });

  it("begin anew when a caller gives up before there is a carrier", () => {
    const exchange = new Exchange();
    const impatient = exchange.call({ ...JOE, modem: { ...MODEM, carrierWaitMs: 8000 } });
    assert.equal(impatient !== null && !impatient.ok && impatient.failure, "timeout");
    exchange.phones.network.modem("a").setDtr(false, exchange.phones.now);
    exchange.run(5000);
    exchange.phones.network.modem("a").setDtr(true, exchange.phones.now);
    exchange.run(70_000);
    assert.equal(exchange.answer.end, null);
    assert.deepEqual(exchange.call(JOE), { ok: true });
  });

  it("are done when the caller hangs up before the login", () => {
    const exchange = new Exchange();
    exchange.call(NOBODY);
    exchange.until(() => exchange.read.endsWith("login: "));
    exchange.phones.network.modem("a").setDtr(false, exchange.phones.now);
    exchange.until(() => exchange.answer.end !== null);
    assert.equal(exchange.failure, "no-carrier");
  });
});

describe("a modem that is to answer", () => {
  it("is looked after while nobody calls", () => {
    const exchange = new Exchange({ checkMs: 60_000 });
    exchange.run(0);
    for (let second = 0; second < 200; second++) exchange.run(1000);
    const checks = exchange.events.filter((event) => event.type === "sent" && event.text === "AT\r");
    assert.equal(checks.length, 3);
    assert.deepEqual(exchange.call(JOE), { ok: true });
  });

  it("is woken from a call that nobody needs any more", () => {
    const exchange = new Exchange();
    exchange.call(NOBODY);
    // The daemon begins anew, and nobody has told the modem.
    exchange.answer = new AnswerDialogue({ ...DIRECT, modem: ANSWERING });
    exchange.answer.start(exchange.phones.now);
    exchange.until(() => exchange.events.some((event) => event.type === "sent" && event.text === "ATH\r"));
    exchange.run(10_000);
    assert.equal(exchange.answer.end, null);
    assert.deepEqual(exchange.call(JOE), { ok: true });
  });

  it("is given up when it says nothing, or does not obey", () => {
    const deaf = new AnswerDialogue({ ...DIRECT, modem: ANSWERING });
    deaf.start(instant(0));
    for (let n = 0; deaf.end === null; n++) {
      assert.ok(n < 100);
      deaf.handleTimeout(deaf.pollTimeout());
    }
    assert.deepEqual(deaf.end, { ok: false, failure: "modem", reason: "the modem does not answer ATZ" });
    const stubborn = new Exchange({ init: ["ATJ"] });
    stubborn.until(() => stubborn.answer.end !== null);
    assert.deepEqual(stubborn.answer.end, { ok: false, failure: "modem", reason: "the modem refuses ATJ" });
  });
});
