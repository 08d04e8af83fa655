import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PhoneNetworkSettings } from "../../src/sim/phone-network.ts";
import { Random } from "../../src/sim/random.ts";
import { PhoneWorld } from "./phone-host.ts";

const PORT_BPS = 57_600;
/** Of one octet on the port. */
const PORT_MS = 10_000 / PORT_BPS;
const SETUP_MS = 1500;
const TRAINING_MS = 10_000;

const modem = (name: string, carrierBps = 28_800) => ({ name, portBps: PORT_BPS, carrierBps });

const world = (more: Partial<PhoneNetworkSettings> = {}): PhoneWorld =>
  new PhoneWorld({
    modems: [modem("a"), modem("b"), modem("c", 14_400)],
    numbers: [
      { number: "5551000", answers: ["b", "c"] },
      { number: "5551001", answers: "busy" },
      { number: "5551002", answers: "no-answer" },
      { number: "5551003", answers: "voice" },
      { number: "5551004", answers: "no-carrier" },
    ],
    seed: 1,
    setupMs: SETUP_MS,
    trainingMs: TRAINING_MS,
    meanCallMs: null,
    noiseOneIn: null,
    ...more,
  });

/** Dials from `a`, until both sides say CONNECT. */
function connected(more: Partial<PhoneNetworkSettings> = {}): PhoneWorld {
  const phones = world(more);
  phones.host("b").send("ATS0=1\r");
  phones.runUntil(phones.host("b"), /OK\r\n/, 100);
  phones.host("a").send("ATDT5551000\r");
  phones.runUntil(phones.host("a"), /CONNECT 28800\r\n/, 60_000);
  phones.run(100);
  for (const host of phones.hosts) host.takeText();
  return phones;
}

const answer = (phones: PhoneWorld, command: string, ms = 1000): string => {
  const host = phones.host("a");
  host.takeText();
  host.send(`${command}\r`);
  phones.run(ms);
  return host.takeText();
};

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-6, `${actual}, not ${expected}`);

describe("commands of a modem", () => {
  it("are echoed and answered, octet by octet at the port's speed", () => {
    const phones = world();
    const host = phones.host("a");
    host.send("AT\r");
    phones.run(100);
    assert.equal(host.text, "AT\r\r\nOK\r\n");
    host.times.forEach((at, i) => near(at, (i + 2) * PORT_MS));
  });

  it("of 1995 are OK", () => {
    const phones = world();
    for (const line of [
      "AT&C1&D2W1L1S0=0%E2",
      "ATZ",
      "AT&F",
      "ATM0",
      "ATL0M0",
      "at e1 q0 v1 x4",
      "AT&K3\\N0",
    ]) {
      assert.equal(answer(phones, line), `${line}\r\r\nOK\r\n`);
    }
    for (const line of [
      "ATJ",
      "ATX5",
      "AT%Z",
      "ATS100=1",
      "ATS0=256",
      "AT&",
      "AT@",
      `AT${"M0".repeat(130)}`,
    ]) {
      assert.equal(answer(phones, line), `${line}\r\r\nERROR\r\n`);
    }
  });

  it("can be edited and repeated; what is no command is passed over", () => {
    const phones = world();
    assert.equal(answer(phones, "ATJ\bE0"), "ATJ\b \bE0\r\r\nOK\r\n");
    assert.equal(answer(phones, "ATS7?"), "\r\n050\r\n\r\nOK\r\n");
    phones.host("a").send("A/");
    phones.run(100);
    assert.equal(phones.host("a").takeText(), "\r\n050\r\n\r\nOK\r\n");
    assert.equal(answer(phones, "login:"), "");
    assert.equal(answer(phones, "aAT"), "\r\nOK\r\n");
    assert.equal(answer(phones, "\nAT"), "\r\nOK\r\n");
  });

  it("set registers, store what is set, and bring it back", () => {
    const phones = world();
    answer(phones, "ATE0S0=3S12=20&W");
    assert.equal(answer(phones, "ATS0=7?S12?"), "\r\n007\r\n\r\n020\r\n\r\nOK\r\n");
    assert.equal(answer(phones, "ATS0=5Z"), "\r\nOK\r\n");
    assert.equal(answer(phones, "ATS0?"), "\r\n003\r\n\r\nOK\r\n");
    assert.equal(answer(phones, "AT&F"), "\r\nOK\r\n");
    assert.equal(answer(phones, "ATS0?"), "ATS0?\r\r\n000\r\n\r\nOK\r\n");
    assert.equal(answer(phones, "ATS0=4J?"), "ATS0=4J?\r\r\nERROR\r\n");
    assert.equal(answer(phones, "ATS0?E0V0"), "ATS0?E0V0\r\r\n004\r\n0\r");
    assert.equal(answer(phones, "AT"), "0\r");
    assert.equal(answer(phones, "ATJ"), "4\r");
    assert.equal(answer(phones, "ATQ1"), "");
    assert.equal(answer(phones, "ATQ0V1"), "\r\nOK\r\n");
  });
});

describe("a call", () => {
  it("takes its time to the millisecond, and tells both sides the speed", () => {
    const phones = world();
    const [a, b] = [phones.host("a"), phones.host("b")];
    b.send("ATE0S0=2\r");
    phones.run(1000);
    b.takeText();
    assert.equal(phones.network.modem("a").dcd, false);
    a.send("ATE0\r");
    phones.run(1000);
    a.takeText();
    const start = phones.now;
    a.send("ATDT555-1000\r");
    const command = 13 * PORT_MS;
    // Dial tone 1 s, seven tones of 2 x 95 ms, set-up; two rings, the second one for 2 s; training.
    const ringing = start + command + 1000 + 7 * 190 + SETUP_MS;
    const carrier = ringing + 6000 + 2000 + TRAINING_MS;
    const told = phones.runUntil(a, /CONNECT 28800\r\n/, 60_000);
    near(told, carrier + 17 * PORT_MS);
    assert.equal(a.text, "\r\nCONNECT 28800\r\n");
    assert.equal(b.text, "\r\nRING\r\n\r\nRING\r\n\r\nCONNECT 28800\r\n");
    near(b.times[0] as number, ringing + PORT_MS);
    near(b.times[8] as number, ringing + 6000 + PORT_MS);
    assert.equal(phones.network.modem("a").dcd && phones.network.modem("b").dcd, true);
    assert.deepEqual(
      phones.events.map(({ at: _at, ...event }) => event),
      [
        { type: "dialed", modem: "a", number: "5551000" },
        { type: "ringing", modem: "a", to: "b" },
        { type: "connected", modem: "a", to: "b", bps: 28_800 },
      ],
    );
  });

  it("carries octets intact both ways at the carrier's speed, and stops a host that is too fast", () => {
    const phones = connected();
    const [a, b] = [phones.host("a"), phones.host("b")];
    const octets = Uint8Array.from({ length: 28_800 }, (_, i) => (i * 7) & 0xff);
    const start = phones.now;
    a.send(octets);
    b.send(octets.subarray(0, 2880));
    phones.run(2000);
    assert.ok(a.waiting.length > 28_800 - 2 * 2880 - 4096 - 2048 - 1, "the host waits");
    phones.run(10_000);
    assert.deepEqual(b.received, [...octets]);
    assert.deepEqual(a.received, [...octets.subarray(0, 2880)]);
    // The last of them: through the port, all of the carrier's time, and out of the other port.
    near(b.times.at(-1) as number, start + PORT_MS + 10_000 + PORT_MS);
  });

  it("waits for a host that does not read, to the very end, and loses nothing", () => {
    const phones = connected();
    const [a, b] = [phones.host("a"), phones.host("b")];
    const octets = Uint8Array.from({ length: 30_000 }, (_, i) => (i * 11) & 0xff);
    b.reads = false;
    a.send(octets);
    phones.run(60_000);
    assert.ok(a.waiting.length > 10_000, `${a.waiting.length}`);
    b.reads = true;
    phones.run(60_000);
    assert.deepEqual(b.received, [...octets]);
  });

  it("is answered by hand, and by the slower modem at its speed", () => {
    const phones = world({ numbers: [{ number: "1", answers: ["c"] }] });
    const [a, c] = [phones.host("a"), phones.host("c")];
    c.send("ATV0E0\r");
    phones.run(100);
    a.send("ATD1\r");
    phones.runUntil(c, /2\r/, 10_000);
    c.takeText();
    c.send("ATA\r");
    phones.runUntil(a, /CONNECT 14400\r\n/, 20_000);
    phones.run(10);
    assert.equal(c.takeText(), "15\r");
  });

  it("goes to the next modem of a hunt group, and is busy when all are taken", () => {
    const phones = world({ modems: ["a", "b", "c", "d"].map((name) => modem(name)) });
    for (const name of ["b", "c"]) phones.host(name).send("ATS0=1\r");
    phones.run(100);
    phones.host("a").send("ATDT5551000\r");
    phones.runUntil(phones.host("a"), /CONNECT/, 60_000);
    phones.host("d").send("ATDT5551000\r");
    phones.runUntil(phones.host("d"), /CONNECT/, 60_000);
    assert.deepEqual(
      phones.events.flatMap((event) => (event.type === "connected" ? [[event.modem, event.to]] : [])),
      [
        ["a", "b"],
        ["d", "c"],
      ],
    );
    const third = world({ numbers: [{ number: "1", answers: ["b"] }] });
    third.host("b").send("ATH1\r");
    third.run(100);
    assert.equal(answer(third, "ATE0DT1", 20_000), "ATE0DT1\r\r\nBUSY\r\n");
  });
});

describe("a call that comes to nothing", () => {
  const fates: readonly [command: string, result: string, ms: number][] = [
    ["ATDT5551001", "BUSY", 1000 + 7 * 190 + SETUP_MS + 2000],
    ["ATX2DT5551001", "NO CARRIER", 1000 + 7 * 190 + 50_000],
    ["ATDT5551002", "NO ANSWER", 1000 + 7 * 190 + 50_000],
    ["ATX0DT5551002", "NO CARRIER", 2000 + 7 * 190 + 50_000],
    ["ATDT5551003", "VOICE", 1000 + 7 * 190 + SETUP_MS + 4000 + 2000],
    ["ATDT5551004", "NO CARRIER", 1000 + 7 * 190 + 50_000],
    ["ATS7=9DT5551004", "NO CARRIER", 1000 + 7 * 190 + 9000],
    ["ATDT9", "NO CARRIER", 1000 + 190 + 50_000],
    ["ATX3S6=4S8=1DP19,2", "NO CARRIER", 4000 + 900 + 1700 + 1000 + 1000 + 50_000],
  ];
  for (const [command, result, ms] of fates) {
    it(`${command}: ${result}`, () => {
      const phones = world();
      const host = phones.host("a");
      host.send(`${command}\r`);
      const words = new RegExp(`${result}\r\n`);
      const at = phones.runUntil(host, words, 100_000);
      near(at, (command.length + 1) * PORT_MS + ms + (result.length + 4) * PORT_MS);
      assert.equal(phones.network.modem("a").phase, "onHook");
    });
  }

  it("has no dial tone without a cable, and again with one", () => {
    const phones = world();
    phones.network.setPlugged("a", false, phones.now);
    assert.equal(answer(phones, "ATDT5551001", 7000), "ATDT5551001\r\r\nNO DIALTONE\r\n");
    phones.network.setPlugged("a", true, phones.now);
    assert.equal(answer(phones, "ATDT5551001", 7000), "ATDT5551001\r\r\nBUSY\r\n");
  });

  it("is given up by any octet, but not by the line feed of the command line", () => {
    const phones = world();
    assert.equal(answer(phones, "ATE0DT5551002\r\n", 20_000), "ATE0DT5551002\r");
    phones.host("a").send("x");
    phones.run(100);
    assert.equal(phones.host("a").takeText(), "\r\nNO CARRIER\r\n");
    assert.equal(answer(phones, "AT"), "\r\nOK\r\n");
  });

  it("is dialed from a stored number, and again", () => {
    const phones = world();
    assert.equal(answer(phones, "ATE0&Z1=T555-1001"), "ATE0&Z1=T555-1001\r\r\nOK\r\n");
    assert.equal(answer(phones, "ATDS=1", 10_000), "\r\nBUSY\r\n");
    assert.equal(answer(phones, "ATDL", 10_000), "\r\nBUSY\r\n");
    const numbers = phones.events.flatMap((event) => (event.type === "dialed" ? [event.number] : []));
    assert.deepEqual(numbers, ["5551001", "5551001"]);
    assert.equal(
      answer(phones, "ATDT5551001;", 10_000),
      "\r\nOK\r\n",
      "for a person, who speaks and hangs up",
    );
    assert.equal(answer(phones, "ATH"), "\r\nOK\r\n");
  });

  it("has no dial tone on a line that rings, and frees it by hanging up", () => {
    const phones = world();
    answer(phones, "ATE0DT5551000", 5000);
    const b = phones.host("b");
    b.takeText();
    b.send("ATE0DT5551001\r");
    phones.run(6000);
    assert.equal(b.takeText(), "ATE0DT5551001\r\r\nNO DIALTONE\r\n");
    b.send("ATDT5551001\r");
    phones.run(6000);
    assert.equal(b.takeText(), "\r\nBUSY\r\n");
    phones.run(60_000);
    assert.match(phones.host("a").text, /NO ANSWER\r\n$/);
  });

  it("that a modem takes by itself is given up by any octet too", () => {
    const phones = world();
    const b = phones.host("b");
    b.send("ATE0S0=1\r");
    phones.host("a").send("ATDT5551000\r");
    phones.run(10_000);
    assert.equal(phones.network.modem("b").phase, "waiting");
    b.takeText();
    b.send(" ");
    phones.run(100);
    assert.equal(b.takeText(), "\r\nNO CARRIER\r\n");
    assert.equal(phones.network.modem("b").phase, "onHook");
  });

  it("stops ringing when the caller gives up", () => {
    const phones = world();
    answer(phones, "ATE0DT5551000", 5000);
    assert.equal(phones.host("b").takeText(), "\r\nRING\r\n");
    answer(phones, "", 20_000);
    assert.equal(phones.host("b").takeText(), "");
    assert.equal(phones.events.at(-1)?.type, "ended");
  });
});

describe("the end of a call", () => {
  it("by +++ and ATH: silence before and after, and the far side sees no carrier after S10", () => {
    const phones = connected();
    const [a, b] = [phones.host("a"), phones.host("b")];
    phones.run(1000);
    a.send("+++");
    const escaped = phones.now + 3 * PORT_MS + 1000;
    near(phones.runUntil(a, /OK\r\n/, 3000), escaped + 6 * PORT_MS);
    assert.equal(b.takeText(), "+++");
    a.takeText();
    assert.equal(answer(phones, "ATO", 10), "ATO\r\r\nCONNECT 28800\r\n");
    a.send("data");
    phones.run(1500);
    assert.equal(b.takeText(), "data");
    a.send("+++");
    phones.run(2000);
    b.takeText();
    a.takeText();
    const start = phones.now;
    a.send("ATH\r");
    near(phones.runUntil(b, /NO CARRIER\r\n/, 5000), start + 4 * PORT_MS + 1400 + 14 * PORT_MS);
    assert.equal(a.takeText(), "ATH\r\r\nOK\r\n");
    assert.deepEqual([phones.network.modem("a").dcd, phones.network.modem("b").dcd], [false, false]);
  });

  it("is not by signs that are part of data", () => {
    const phones = connected();
    const [a, b] = [phones.host("a"), phones.host("b")];
    for (const [text, pauseMs] of [
      ["x+++", 2000],
      ["+++x", 2000],
      ["++++", 2000],
      ["++", 2000],
      ["+", 1500],
      ["++", 2000],
    ] as const) {
      a.send(text);
      phones.run(pauseMs);
    }
    assert.equal(a.text, "");
    assert.equal(b.text, "x++++++x+++++++++");
  });

  for (const [dtr, said, carrier] of [
    [0, "", true],
    [1, "\r\nOK\r\n", true],
    [2, "\r\nNO CARRIER\r\n", false],
    [3, "\r\nNO CARRIER\r\n", false],
  ] as const) {
    it(`by DTR with &D${dtr}: ${JSON.stringify(said)}`, () => {
      const phones = connected();
      phones.run(1000);
      phones.host("a").send("+++");
      phones.run(2000);
      answer(phones, `ATE0&D${dtr}O`);
      phones.network.modem("a").setDtr(false, phones.now);
      phones.run(40);
      phones.network.modem("a").setDtr(true, phones.now);
      phones.run(100);
      assert.equal(phones.host("a").takeText(), "", "a short drop is none");
      phones.network.modem("a").setDtr(false, phones.now);
      phones.run(3000);
      assert.equal(phones.host("a").takeText(), said);
      assert.equal(phones.network.modem("a").dcd, carrier);
      assert.equal(phones.network.modem("b").dcd, carrier);
    });
  }

  it("by the network: both lose the carrier, after what was under way", () => {
    const phones = connected();
    const [a, b] = [phones.host("a"), phones.host("b")];
    a.send(new Uint8Array(1000).fill(0x61));
    phones.run(200);
    phones.network.drop("b", phones.now);
    phones.run(5000);
    assert.match(b.text, /^a{500,600}\r\nNO CARRIER\r\n$/);
    assert.equal(a.text, "\r\nNO CARRIER\r\n");
    assert.deepEqual(phones.events.at(-1), {
      type: "ended",
      at: (phones.events.at(-1) as { at: number }).at,
      modem: "a",
      to: "b",
      why: "dropped",
    });
    // And again, at once.
    a.takeText();
    a.send("ATDT5551000\r");
    phones.runUntil(a, /CONNECT 28800\r\n/, 60_000);
  });

  it("does not let a modem without DTR answer by itself", () => {
    const phones = world();
    phones.host("b").send("ATS0=1\r");
    phones.run(100);
    phones.network.modem("b").setDtr(false, phones.now);
    assert.match(answer(phones, "ATDT5551000", 60_000), /NO ANSWER\r\n$/);
  });
});

describe("chance", () => {
  /** Calls again and again, hanging up after a while. */
  function results(seed: number): string[] {
    const phones = world({
      seed,
      numbers: [{ number: "1", answers: ["b"], busyShare: 0.2, noCarrierShare: 0.05 }],
      trainingMs: 100,
    });
    phones.host("b").send("ATE0S0=1\r");
    phones.run(100);
    const found: string[] = [];
    for (let i = 0; i < 400; i++) {
      found.push(/BUSY|CONNECT|NO CARRIER/.exec(answer(phones, "ATE0S7=10DT1", 14_000))?.[0] ?? "");
      phones.network.modem("a").setDtr(false, phones.now);
      phones.run(2000);
      phones.network.modem("a").setDtr(true, phones.now);
    }
    return found;
  }

  it("makes some calls busy and leaves some unanswered, the same ones for the same seed", () => {
    const found = results(7);
    assert.deepEqual(found, results(7));
    assert.notDeepEqual(found, results(8));
    const count = (what: string): number => found.filter((result) => result === what).length;
    assert.ok(Math.abs(count("BUSY") - 80) < 30, `${count("BUSY")} busy`);
    assert.ok(Math.abs(count("NO CARRIER") - 16) < 13, `${count("NO CARRIER")} unanswered`);
    assert.equal(count("BUSY") + count("NO CARRIER") + count("CONNECT"), 400);
  });

  it("spoils one octet of so many, by one bit", () => {
    const phones = connected();
    phones.network.setNoise("b", 100);
    const octets = new Uint8Array(20_000).fill(0x55);
    phones.host("a").send(octets);
    phones.run(10_000);
    const spoiled = phones.host("b").received.filter((octet) => octet !== 0x55);
    assert.equal(phones.host("b").received.length, 20_000);
    assert.ok(Math.abs(spoiled.length - 200) < 60, `${spoiled.length}`);
    for (const octet of spoiled) assert.equal((octet ^ 0x55).toString(2).replaceAll("0", ""), "1");
  });

  it("ends calls after a while that is exponential", () => {
    const random = new Random(3);
    const times = Array.from({ length: 20_000 }, () => random.exponential(100));
    const mean = times.reduce((a, b) => a + b) / times.length;
    assert.ok(Math.abs(mean - 100) < 3, `${mean}`);
    assert.ok(Math.abs(times.filter((time) => time > 100).length / times.length - Math.exp(-1)) < 0.02);
    const phones = connected({ meanCallMs: 5000, seed: 3 });
    phones.run(100_000);
    assert.equal(phones.host("a").text, "\r\nNO CARRIER\r\n");
    const last = phones.events.at(-1);
    assert.equal(last?.type === "ended" && last.why, "dropped");
  });
});

describe("a week of four callers who dial again", () => {
  it("leaves no modem stuck", () => {
    const [callers, called] = [
      ["a", "b", "c", "d"],
      ["w", "x", "y", "z"],
    ];
    const phones = world({
      modems: [...callers, ...called].map((name) => modem(name)),
      numbers: [{ number: "1", answers: called, busyShare: 0.2, noCarrierShare: 0.05 }],
      meanCallMs: 100 * 60_000,
      seed: 5,
    });
    for (const name of called) phones.host(name).send("ATS0=1\r");
    const stepMs = 10_000;
    const connectedSteps = new Map(callers.map((name) => [name, 0]));
    const failedSteps = new Map(callers.map((name) => [name, 0]));
    for (let step = 0; step < (7 * 86_400_000) / stepMs; step++) {
      for (const name of callers) {
        const { phase } = phones.network.modem(name);
        if (phase === "onHook") phones.host(name).send("ATDT1\r");
        if (phase === "connected") connectedSteps.set(name, (connectedSteps.get(name) ?? 0) + 1);
        failedSteps.set(name, phase === "connected" ? 0 : (failedSteps.get(name) ?? 0) + 1);
        assert.ok((failedSteps.get(name) ?? 0) * stepMs < 30 * 60_000, `${name} is stuck: ${phase}`);
      }
      phones.run(stepMs);
      for (const host of phones.hosts) host.takeText();
    }
    for (const steps of connectedSteps.values())
      assert.ok(steps * stepMs > 0.97 * 7 * 86_400_000, `${steps}`);
  });
});

describe("a network that is visited late", () => {
  it("carries the same octets", () => {
    const phones = connected();
    const octets = Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff);
    const a = phones.network.modem("a");
    const into = new Uint8Array(10_000);
    let sent = a.send(octets, 0, octets.length, phones.now);
    let came = 0;
    for (let i = 1; i < 200; i++) {
      const at = (phones.now + i * 23) as typeof phones.now;
      phones.network.handleTimeout(at);
      sent += a.send(octets, sent, octets.length, at);
      came += phones.network.modem("b").receive(into, came, into.length, at);
    }
    assert.deepEqual([...into.subarray(0, came)], [...octets]);
  });
});
