import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LoginDialogue, type LoginSettings } from "../../src/dial/login-dialogue.ts";
import { after, instant } from "../../src/time.ts";
import { LOGIN } from "./phones.ts";
import { type Reply, type Talked, talk } from "./talk.ts";

const OK = { ok: true };
const PPP = "~\xff}#\xc0!}!}!";
const login = (replies: readonly Reply[], more: Partial<LoginSettings> = {}, split = 1): Talked =>
  talk(new LoginDialogue({ ...LOGIN, ...more }, true), replies, split);
const failure = ({ end }: Talked): unknown => (end?.ok === false ? [end.failure, end.reason] : end);
const says = (text: string, delayMs = 100): Reply => ({ after: "", text, delayMs });

const NAME = says("\r\nUNIX System V\r\n\r\nlogin: ");
const PASSWORD: Reply = { after: "joe\r", text: "joe\r\nPassword: " };
/** What the far side says once it has both. */
const judges = (text: string, delayMs = 100): readonly Reply[] => [
  NAME,
  PASSWORD,
  { after: "2u2\r", text, delayMs },
];

describe("LoginDialogue", () => {
  it("answers the prompts, and takes silence for consent", () => {
    const talked = login(judges("\r\nWelcome, joe\r\n"));
    assert.deepEqual([talked.end, talked.sent], [OK, "joe\rhello2u2\r"]);
    assert.equal(talked.endedAt, 100 + 200 + 200 + 100 + 5000);
    assert.ok(!JSON.stringify(talked.events).includes("hello2u2"));
  });

  it("ends where the far side begins the link, and leaves it that", () => {
    for (const begun of [PPP, "~\xff\x03\xc0!\x01\x01", "\xc0\xc0E\0", "\xc0"]) {
      const talked = login(judges(`\r\nWelcome\r\n${begun}`));
      assert.deepEqual([talked.end, talked.unread, talked.endedAt], [OK, begun, 600], JSON.stringify(begun));
    }
  });

  it("needs no prompt where PPP begins without", () => {
    const talked = login([says(PPP)]);
    assert.deepEqual([talked.end, talked.sent, talked.unread], [OK, "", PPP]);
    const between = login([NAME, { after: "joe\r", text: PPP }]);
    assert.deepEqual([between.end, between.sent, between.unread], [OK, "joe\r", PPP]);
  });

  it("takes what looks like SLIP in a text with parity for text", () => {
    const talked = login(judges("\r\nuser\xc0host:~$ "));
    assert.deepEqual([talked.end, talked.unread, talked.endedAt], [OK, "", 5600]);
  });

  it("knows a refusal by its words, or by a second prompt", () => {
    for (const [said, reason] of [
      ["\r\nLogin incorrect\r\n", "the far side says Login incorrect"],
      ["\r\n% Access denied\r\n", "the far side says % Access denied"],
      ["\r\nInvalid Login\r\n", "the far side says Invalid Login"],
      ["\r\nAuthentication failed.\r\n", "the far side says Authentication failed."],
      ["\r\nPassword hello2u2 is invalid\r\n", "the far side says Password ******** is invalid"],
      ["\r\n\r\nlogin: ", "the far side asks for the name again"],
    ] as const) {
      const talked = login(judges(said, 3000));
      assert.deepEqual(failure(talked), ["refused", reason]);
    }
  });

  it("sees the call end, though the line is not hung up", () => {
    for (const replies of [[says("\r\nNO CARRIER\r\n")], judges("\r\nWelc\r\nNO CARRIER\r\n")]) {
      assert.deepEqual(failure(login(replies)), ["no-carrier", "the modem says NO CARRIER"]);
    }
  });

  it("is not deceived by a greeting", () => {
    for (const greeting of [
      "\r\nLast login: Thu Mar  9 10:11:12 on ttyS0\r\n",
      "\r\nLast failed login: Thu Mar  9\r\n$ ",
    ]) {
      for (let split = 1; split < 50; split++) {
        assert.deepEqual(login(judges(greeting), {}, split).end, OK, greeting);
      }
    }
    const slow = login([...judges("\r\nLast login:"), says(" Thu Mar  9\r\n", 800)]);
    assert.deepEqual(slow.end, OK);
    const before = login([says("Access is denied to all but customers\r\n"), ...judges(PPP)]);
    assert.deepEqual(before.end, OK);
  });

  it("sends nothing while the far side still talks", () => {
    const talked = login([says("Type login: and"), says(" your name\r\nlogin: ", 150), PASSWORD]);
    assert.equal(talked.sent, "joe\rhello2u2\r");
  });

  it("wakes a silent far side with an empty line", () => {
    const talked = login([
      { after: "\r", text: "" },
      { after: "\r", text: "login: " },
      PASSWORD,
      { after: "2u2\r", text: PPP },
    ]);
    assert.deepEqual([talked.end, talked.sent], [OK, "\r\rjoe\rhello2u2\r"]);
    assert.equal(talked.endedAt, 5000 + 5000 + 200 + 200);
  });

  it("says its name again when it is asked again, but not for ever", () => {
    const again: Reply = { after: "joe\r", text: "\r\nlogin: " };
    assert.equal(login([NAME, again, PASSWORD]).sent, "joe\rjoe\rhello2u2\r");
    assert.deepEqual(failure(login([NAME, again, again, again])), [
      "refused",
      "the far side does not take the name",
    ]);
  });

  it("gives the password when only that is asked", () => {
    assert.equal(login([says("Password:")]).sent, "hello2u2\r");
  });

  it("knows prompts in any case, with parity, a bell or an empty line behind, or other words", () => {
    const prompts = (name: string, more: Partial<LoginSettings> = {}): unknown =>
      login([says(name), PASSWORD], more).sent;
    for (const name of ["LOGIN:", "login:\x07\0", "login:\r\n", "login:   ", "login: \x1b[0m"]) {
      assert.equal(prompts(name), "joe\rhello2u2\r", name);
    }
    assert.equal(prompts("\xec\xef\xe7\xe9\xee\xba\xa0"), "joe\rhello2u2\r");
    assert.equal(prompts("Username>", { loginPrompt: "sername>" }), "joe\rhello2u2\r");
  });

  it("says a command once logged in, and waits for what the far side says to it", () => {
    const command = (replies: readonly Reply[], more: Partial<LoginSettings>): unknown => {
      const talked = login([...judges("\r\n$ "), ...replies], more);
      return [failure(talked), talked.sent.slice(13), talked.unread];
    };
    const answer: Reply = { after: "ppp\r", text: "ppp\r\nEntering PPP mode.\r\n", delayMs: 2000 };
    assert.deepEqual(command([], { after: "ppp" }), [OK, "ppp\r", ""]);
    assert.deepEqual(command([answer], { after: "ppp", ready: "PPP mode" }), [OK, "ppp\r", ".\r\n"]);
    assert.deepEqual(command([{ ...answer, text: PPP }], { after: "ppp", ready: "PPP mode" }), [
      OK,
      "ppp\r",
      PPP,
    ]);
    assert.deepEqual(command([], { after: "ppp", ready: "PPP mode" }), [
      ["timeout", "the far side was not ready for the link within 60 s"],
      "ppp\r",
      "",
    ]);
    const ready = login(judges("\r\nYour address is 10.0.0.1\r\n"), { ready: "address is " });
    assert.deepEqual([ready.end, ready.unread], [OK, "10.0.0.1\r\n"]);
  });

  it("says what did not come in time", () => {
    assert.deepEqual(failure(login([])), ["timeout", "the far side did not ask for a name within 60 s"]);
    assert.deepEqual(failure(login([NAME])), [
      "timeout",
      "the far side did not ask for a password within 60 s",
    ]);
    assert.deepEqual(failure(login(judges("\r\n$ "), { ready: "PPP" })), [
      "timeout",
      "the login did not end within 60 s",
    ]);
  });

  it("is let in by a far side that never stops talking", () => {
    const talks = Array.from({ length: 100 }, (_, i) => says("news\r\n", 4000 * i));
    const talked = login([...judges(""), ...talks]);
    assert.deepEqual([talked.end, talked.endedAt], [OK, 60_000]);
  });

  it("says the same however the line's octets are split", () => {
    for (const said of [PPP, "\r\nLogin incorrect\r\n\r\nlogin: ", "\r\nWelcome\r\n"]) {
      const whole = login(judges(said), {}, 999);
      for (let split = 1; split < 30; split++) {
        const talked = login(judges(said), {}, split);
        assert.deepEqual([talked.end, talked.sent, talked.unread], [whole.end, whole.sent, whole.unread]);
      }
    }
  });

  it("comes to an end with anything that may come, without throwing", () => {
    const chunk = fc.oneof(
      fc
        .constantFrom("login: ", "Password: ", "incorrect\r\n", "~\xff", "}#", "\xc0", "\r\n", "ready")
        .map((text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))),
      fc.uint8Array({ maxLength: 700 }),
    );
    const command = fc.constantFrom(null, "ppp");
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 40 }), command, (chunks, after_) => {
        const dialogue = new LoginDialogue({ ...LOGIN, after: after_, ready: "ready" }, true);
        let now = instant(0);
        dialogue.start(now);
        for (const octets of chunks) {
          dialogue.handleOctets(octets, 0, octets.length, now);
          now = after(now, 1200);
          dialogue.handleTimeout(now);
        }
        for (let turns = 0; dialogue.end === null; turns++) {
          assert.ok(turns < 30, "it does not end");
          dialogue.handleTimeout(dialogue.pollTimeout());
        }
        assert.ok(dialogue.takeUnread().length <= 4096);
      }),
      { numRuns: 200 },
    );
  });
});
