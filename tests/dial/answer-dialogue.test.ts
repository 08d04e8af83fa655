import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LoginVerdict } from "../../src/dial/login-prompt.ts";
import { NEVER } from "../../src/time.ts";
import { Answering, MODEM } from "./answering.ts";
import { asText } from "./dialogue.ts";

const GRANTED: LoginVerdict = { ok: true, protocol: "slip", message: "SLIP session beginning....\n" };
const LCP = "~\xff}#\xc0!}!}!} }8";

describe("a login on a direct line", () => {
  it("is asked for, verified outside, and granted", () => {
    const line = new Answering();
    assert.equal(line.takeSent(), "office\r\nlogin: ");
    line.hear("joe\r");
    assert.equal(line.takeSent(), "joe\r\nPassword: ");
    line.hear("sesame\r\n");
    assert.equal(line.takeSent(), "\r\n");
    assert.deepEqual(
      line.verifies.map(({ user, password }) => [user, asText(password)]),
      [["joe", "sesame"]],
    );
    assert.equal(line.dialogue.end, null);
    line.verdict(GRANTED);
    assert.equal(line.takeSent(), "SLIP session beginning....\r\n");
    assert.deepEqual(line.dialogue.end, { ok: true });
    assert.deepEqual(line.dialogue.result, { kind: "login", user: "joe", protocol: "slip" });
    assert.equal(line.dialogue.pollTimeout(), NEVER);
  });

  it("can be edited while it is typed", () => {
    const line = new Answering();
    line.takeSent();
    line.hear("\b\x7fjeo\b\x7foe\x01\r");
    assert.equal(line.takeSent(), "jeo\b \b\b \boe\r\nPassword: ");
    line.hear("no\x15sesamm\x7fe\r");
    assert.equal(line.takeSent(), "\r\n");
    assert.deepEqual(
      line.verifies.map(({ user, password }) => [user, asText(password)]),
      [["joe", "sesame"]],
    );
  });

  it("shows its password nowhere", () => {
    const line = new Answering();
    line.hear("joe\rsesame\r");
    line.verdict({ ok: false });
    line.run(2000);
    const shown = JSON.stringify(line.events.filter(({ type }) => type !== "verify"));
    assert.ok(shown.includes("joe") && !/sesame|115,101,115/.test(shown), shown);
    assert.ok(!line.sent.includes("sesame"));
  });

  it("is prompted again on an empty line, but not for ever", () => {
    const line = new Answering();
    line.hear("\r\r\n\n");
    assert.equal(line.takeSent(), `office\r\nlogin: ${"\r\nlogin: ".repeat(3)}`);
    line.hear("\r".repeat(1000));
    assert.deepEqual(line.dialogue.end, {
      ok: false,
      failure: "refused",
      reason: "too many attempts to log in",
    });
    assert.ok(line.sent.length < 500);
  });

  it("may be typed ahead, whole", () => {
    const line = new Answering();
    line.hear("joe\r\nsesame\r\n\xc0E");
    line.verdict(GRANTED);
    assert.deepEqual(line.dialogue.result, { kind: "login", user: "joe", protocol: "slip" });
    assert.equal(line.takeUnread(), "\xc0E");
  });

  it("is refused slower each time, and three times at most", () => {
    const line = new Answering();
    line.judge = () => ({ ok: false });
    line.takeSent();
    for (const [delay, rest] of [
      [2000, "Login incorrect\r\nlogin: "],
      [4000, "Login incorrect\r\nlogin: "],
      [8000, "Login incorrect\r\n"],
    ] as const) {
      line.hear("joe\rwrong\r");
      assert.equal(line.takeSent(), "joe\r\nPassword: \r\n");
      line.run(delay - 1);
      line.hear("joe\rwrong\r");
      assert.equal(line.takeSent(), "", "what comes before the refusal is lost");
      line.run(1);
      assert.equal(line.takeSent(), rest);
    }
    assert.deepEqual(line.dialogue.end, {
      ok: false,
      failure: "refused",
      reason: "too many attempts to log in",
    });
    assert.equal(line.verifies.length, 3);
  });

  it("of too long a name or password is refused without asking anybody", () => {
    const line = new Answering();
    line.takeSent();
    line.hear(`${"j".repeat(500)}\rsesame\r`);
    assert.equal(line.takeSent(), `${"j".repeat(64)}\r\nPassword: \r\n`);
    line.run(2000);
    line.hear(`joe\r${"s".repeat(257)}\r`);
    line.run(4000);
    assert.deepEqual(line.verifies, []);
    line.hear(`joe\r${"s".repeat(256)}\r`);
    assert.equal(line.verifies.length, 1);
  });

  it("with parity is read without it, and a password of other octets as it is", () => {
    const withParity = (text: string): string =>
      text.replace(/[^]/g, (found) => String.fromCharCode(found.charCodeAt(0) | 0x80));
    const parity = new Answering();
    parity.hear(withParity("joe\rsesame\r"));
    const other = new Answering();
    other.hear("joe\rs\xc3\xa9same\r");
    assert.deepEqual(
      [...parity.verifies, ...other.verifies].map(({ user, password }) => [user, asText(password)]),
      [
        ["joe", "sesame"],
        ["joe", "s\xc3\xa9same"],
      ],
    );
  });

  it("must be done in a minute from the first octet", () => {
    const line = new Answering();
    line.run(3_600_000);
    assert.equal(line.dialogue.end, null);
    line.hear("j");
    line.run(59_999);
    assert.equal(line.dialogue.end, null);
    line.run(1);
    assert.deepEqual(line.dialogue.end, {
      ok: false,
      failure: "timeout",
      reason: "nobody has logged in in time",
    });
  });

  it("is not prompted before the peer has said something, where that is wanted", () => {
    const line = new Answering({ waitsForPeer: true });
    line.run(100_000);
    assert.equal(line.takeSent(), "");
    line.hear("\r\n");
    assert.equal(line.takeSent(), "office\r\nlogin: ");
    const silent = new Answering({ waitsForPeer: true });
    silent.hear(LCP);
    assert.equal(silent.takeSent(), "");
    assert.deepEqual(silent.dialogue.result, { kind: "ppp" });
  });

  it("ends when its owner says so, and then takes no verdict", () => {
    const line = new Answering();
    line.hear("joe\rsesame\r");
    line.dialogue.fail("broken", "SIGHUP");
    line.dialogue.fail("timeout", "later");
    line.verdict(GRANTED);
    assert.deepEqual(line.dialogue.end, { ok: false, failure: "broken", reason: "SIGHUP" });
    assert.equal(line.dialogue.result, null);
  });
});

describe("a caller who may speak either protocol", () => {
  const EITHER: LoginVerdict = { ok: true, protocol: "any", message: "go ahead\n" };
  const line = (meanwhile = ""): Answering => {
    const started = new Answering();
    started.hear(`joe\rsesame\r${meanwhile}`);
    started.verdict(EITHER);
    return started;
  };
  const speaks = (protocol: string): unknown => ({ kind: "login", user: "joe", protocol });

  it("chooses by its first octet, which is the link's", () => {
    for (const [first, protocol] of [
      [LCP, "ppp"],
      ["\xfe", "ppp"],
      ["\xc0E\0", "slip"],
      ["E\0", "slip"],
    ] as const) {
      const later = line();
      assert.equal(later.dialogue.end, null);
      later.hear(`\r\n ${first}`);
      const sooner = line(`\n${first}`);
      for (const { dialogue } of [later, sooner]) assert.deepEqual(dialogue.result, speaks(protocol));
      assert.deepEqual([later.takeUnread(), sooner.takeUnread()], [first, first]);
    }
  });

  it("speaks SLIP when it has nothing to say", () => {
    const silent = line();
    silent.run(29_999);
    assert.equal(silent.dialogue.end, null);
    silent.run(1);
    assert.deepEqual(silent.dialogue.result, speaks("slip"));
  });
});

describe("PPP without a login", () => {
  it("is taken at any moment before the login is complete, its first frame whole", () => {
    for (const before of ["", "jo", "joe\r", "joe\rsesa", "\r\r~"]) {
      const line = new Answering();
      line.hear(before + LCP);
      assert.deepEqual(line.dialogue.result, { kind: "ppp" }, JSON.stringify(before));
      assert.deepEqual(line.dialogue.end, { ok: true });
      assert.equal(line.takeUnread(), LCP);
      assert.ok(!line.sent.includes("}"), "nothing of it is echoed");
    }
  });

  it("is taken after a refusal", () => {
    const line = new Answering();
    line.judge = () => ({ ok: false });
    line.hear("joe\rsesame\r");
    line.hear(LCP);
    assert.deepEqual(line.dialogue.result, { kind: "ppp" });
  });

  it("is no way round a login that is being verified", () => {
    const line = new Answering();
    line.hear(`joe\rsesame\r${LCP}`);
    assert.equal(line.dialogue.result, null);
    line.verdict({ ok: false });
    assert.equal(line.takeUnread(), "");
    line.run(2000);
    line.hear(LCP);
    assert.deepEqual(line.dialogue.result, { kind: "ppp" });
  });

  it("is what somebody typed, where it is not wanted", () => {
    const line = new Answering({ ppp: false });
    line.hear(`${LCP}\r`);
    assert.equal(line.dialogue.end, null);
    assert.ok(line.sent.endsWith("Password: "));
  });

  it("is all that is waited for where there is no login", () => {
    const line = new Answering({ login: null });
    assert.equal(line.sent, "");
    line.hear(`hello\r\r${LCP}`);
    assert.equal(line.sent, "");
    assert.deepEqual(line.dialogue.result, { kind: "ppp" });
  });
});

describe("a modem that tells more than it has to", () => {
  function ready(): Answering {
    const line = new Answering({ modem: MODEM });
    for (const _ of MODEM.init) {
      line.hear("\r\nOK\r\n");
      line.run(250);
    }
    assert.equal(line.takeSent(), "ATZ\rATE0S0=0\r");
    return line;
  }

  it("tells who calls, and the speed of the carrier", () => {
    const line = ready();
    line.hear("\r\nRING1\r\n\r\nNMBR = 5551000\r\nNAME = JOE\r\n");
    assert.equal(line.takeSent(), "ATA\r");
    line.hear("\r\nCARRIER 26400\r\n\r\nPROTOCOL: LAP-M\r\n\r\nCONNECT 115200\r\n");
    assert.equal(line.dialogue.callerId, "5551000");
    assert.deepEqual(line.events.at(-1), { type: "connected", carrierBps: 26_400 });
    line.run(1000);
    assert.equal(line.takeSent(), "office\r\nlogin: ");
  });

  it("tells it anew of each call", () => {
    const line = ready();
    line.hear("\r\nNMBR = 5551000\r\n\r\nRING\r\n\r\nNO CARRIER\r\n");
    line.run(20_000);
    line.takeSent();
    line.hear("\r\nRING\r\n");
    assert.equal(line.takeSent(), "ATA\r");
    line.hear("\r\nCONNECT\r\n");
    assert.equal(line.dialogue.callerId, null);
    assert.deepEqual(line.events.at(-1), { type: "connected", carrierBps: null });
  });

  it("says nothing of what it does not know", () => {
    const line = ready();
    line.hear("\r\nRING\r\n\r\nBLURB\r\n\xff\xfe\r\n\r\nRING\r\n");
    assert.equal(line.takeSent(), "ATA\r");
    line.run(60_000);
    assert.ok(line.takeSent().startsWith("\r"), "it is hung up when there is no carrier");
    line.run(2000);
    assert.equal(line.takeSent(), "ATZ\r");
  });
});

describe("any octets", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "joe",
      "\r",
      "\n",
      "sesame",
      "~",
      LCP,
      "\x7f",
      "\x15",
      "RING\r\n",
      "\r\nOK\r\n",
      "CONNECT 9600\r\n",
    ),
    fc.constantFrom("\r\nNO CARRIER\r\n", "ERROR\r\n"),
    fc.uint8Array({ maxLength: 20 }).map(asText),
  );
  const settings = fc.record({
    modem: fc.constantFrom(null, MODEM, { ...MODEM, answer: null, rings: 2 }),
    waitsForPeer: fc.boolean(),
    ppp: fc.boolean(),
  });

  it("come in any split to the same end, and never harm", () => {
    fc.assert(
      fc.property(
        settings,
        fc.array(piece, { maxLength: 12 }),
        fc.integer({ min: 1, max: 40 }),
        (some, pieces, split) => {
          const outcome = (size: number): unknown => {
            const line = new Answering(some);
            for (const text of pieces) {
              for (let at = 0; at < text.length; at += size) line.hear(text.slice(at, at + size));
              const { user } = line.verifies.at(-1) ?? {};
              line.verdict(user === "joe" ? GRANTED : { ok: false });
              line.run(500);
            }
            const { end, result } = line.dialogue;
            return { end, result, sent: line.sent, verifies: line.verifies, unread: line.takeUnread() };
          };
          assert.deepEqual(outcome(split), outcome(1000));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("are never more in memory than a terminal keeps, and the rest is counted", () => {
    const line = new Answering();
    line.hear("joe\rsesame\r");
    line.hear(new Uint8Array(5000).fill(1));
    assert.equal(line.dialogue.dropped, 904);
    assert.equal(line.takeUnread().length, 4096);
  });

  it("always come to an end, once they have come", () => {
    fc.assert(
      fc.property(settings, fc.array(piece, { maxLength: 12 }), (some, pieces) => {
        const line = new Answering(some);
        line.hear("\r\nCONNECT 9600\r\n");
        for (const text of pieces) line.hear(text);
        line.run(200_000);
        assert.notEqual(line.dialogue.end, null);
      }),
      { numRuns: 300 },
    );
  });
});
