import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseChat, splitChatFile, timeoutSeconds } from "../../src/dial/chat-script.ts";
import { type ChatWords, readExpect, readSend, visible } from "../../src/dial/chat-text.ts";
import { EqlError } from "../../src/errors.ts";
import { asText, latin1, WORDS } from "./dialogue.ts";

/** What a send string does, pauses and breaks in angle brackets. */
const sent = (text: string, words: Partial<ChatWords> = {}): string =>
  readSend(text, { ...WORDS, ...words })
    .actions.map((action) => (typeof action === "number" ? String.fromCharCode(action) : `<${action}>`))
    .join("");
const expected = (text: string, words: Partial<ChatWords> = {}): string =>
  asText(readExpect(text, { ...WORDS, ...words }));

describe("strings of chat scripts", () => {
  // Left: a string; right: what Debian's chat 2.4.9 was seen to send.
  const sends: readonly (readonly [string, string])[] = [
    ["", "\r"],
    ["ATZ", "ATZ\r"],
    ["hello\\c", "hello"],
    ["\\cmid\\cdle", "cmidcdle\r"],
    ["a\\c\\r", "ac\r\r"],
    ["\\b\\n\\N\\0\\r\\s\\t\\\\z", "\b\n\0\0\r \t\\z\r"],
    ["\\101\\7x\\1234\\400", "A\x07xS4\0\r"],
    ["^A^a^^x\\^y", "\x01\x01\x1ex^y\r"],
    ["^?^@^[^]^_^1\\c", "\x1f\x1b\x1d\x1f\x11"],
    ["^\\r^\\c", "\x1cr\x1cc\r"],
    ["\\8\\a\\e\\v\\'\\$\\-a-b", "8aev'$-a-b\r"],
    ["abc\\", "abc\\\r"],
    ["abc^", "abc^\r"],
    ["a\\db\\pc\\Kd", "a<second>b<tenth>c<break>d\r"],
    ["\\T\\U", "TU\r"],
    ["$HOME", "$HOME\r"],
    ["\xc3\xa9\\351", "\xc3\xa9\xe9\r"],
  ];
  for (const [text, result] of sends) {
    it(`sends ${JSON.stringify(text)} as ${JSON.stringify(result)}`, () => assert.equal(sent(text), result));
  }

  const expects: readonly (readonly [string, string])[] = [
    ["a\\sb\\tc\\\\d\\101^A\\^\\-\\xz\\n\\r\\Z", "a b\tc\\dA\x01^-xz\n\rZ"],
    ["a\\Nb\\q\\c\\d\\p\\K", "aNbcdpK"],
    ["\\T\\U", "\\T\\U"],
    ["a\\000b\\0^@c", "abc"],
  ];
  for (const [text, result] of expects) {
    it(`expects ${JSON.stringify(text)} as ${JSON.stringify(result)}`, () =>
      assert.equal(expected(text), result));
  }

  it("dials numbers, with their pauses and without other escapes", () => {
    assert.equal(sent("ATD\\T,\\U\\c", { phone: "55\\r^A\\d\\\\", phone2: "66" }), "ATD55r^A<second>\\,66");
  });

  it("puts variables in their place, where that is asked for", () => {
    const variable = (name: string): string => ({ HOME: "/r\\sx^A", A1_b: "v" })[name] ?? "";
    assert.equal(sent("$HOME x$NOPE.$A1_b.", { variable }), "/rsx^A x.v.\r");
    assert.equal(sent("${HOME}\\$HOME$\\c", { variable }), "{HOME}$HOME");
    assert.equal(expected("<$HOME>", { variable }), "</r\\sx^A>");
  });

  it("says which are secret", () => {
    assert.equal(readSend("pass\\qword", WORDS).secret, true);
    assert.equal(sent("pass\\qword"), "password\r");
    assert.equal(readSend("pass\\\\qword", WORDS).secret, false);
  });

  it("shows what cannot be printed", () => {
    assert.equal(visible("a\r\n\x01\x7f\xc3\xa9\xff"), "a^M^J^A^?M-CM-)M-^?");
  });

  it("reads any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        const { actions } = readSend(text, { phone: text, phone2: text, variable: () => text });
        for (const action of actions) if (typeof action === "number") assert.ok(action >= 0 && action <= 255);
        readExpect(text, { phone: text, phone2: text, variable: () => text });
      }),
    );
  });
});

describe("chat scripts in files", () => {
  const words = (source: string): string[] => splitChatFile(source, "isp.chat");

  it("are words, of any lines", () => {
    assert.deepEqual(words("ABORT\nBUSY\n\n''\tATZ  \n   OK ATDT5551001"), [
      "ABORT",
      "BUSY",
      "",
      "ATZ",
      "OK",
      "ATDT5551001",
    ]);
  });

  it("have quotes around whole words, whose backslashes stay", () => {
    assert.deepEqual(words("'' \"a b\"c"), ["", "a b", "c"]);
    assert.deepEqual(words("'it\\'s' \"q\\\"\" \"\" ab'c d'"), ["it\\'s", 'q\\"', "", "ab'c", "d'"]);
    assert.deepEqual(words("a\\ b"), ["a\\", "b"]);
  });

  it("have comments in lines that begin with a hash", () => {
    assert.deepEqual(words("# don't\nATZ\n #no '# '\n"), ["ATZ", "#no", "# "]);
  });

  it("are refused when a quote does not end", () => {
    for (const line of ["'abc", "'abc\\'", 'x "', "'abc\\"]) {
      assert.throws(
        () => words(`''\n${line}\n'\n`),
        (error: unknown) =>
          error instanceof EqlError &&
          error.code === "CONFIG_INVALID" &&
          error.message.startsWith("isp.chat:2: a quote"),
        line,
      );
    }
  });
});

describe("parseChat", () => {
  it("parts an expect at its dashes, but not at those after a backslash", () => {
    const [step] = parseChat(["a\\-b-x\\-y-c--d-@f"], WORDS);
    assert.ok(step?.type === "expect");
    assert.deepEqual(
      step.tries.map(({ shown, otherwise }) => [
        shown,
        otherwise?.type === "text" ? otherwise.shown : otherwise,
      ]),
      [
        ["a-b", "x\\-y^M"],
        ["c", "^M"],
        ["d", { type: "file", path: "f" }],
      ],
    );
  });

  it("knows keywords only where a string to expect would stand", () => {
    assert.deepEqual(
      parseChat(
        ["ABORT", "REPORT", "OK", "TIMEOUT", "abort", "EOT", "HANGUP", "OFF", "ECHO", "on", "SAY"],
        WORDS,
      ).map((step) => step.type),
      ["abort", "expect", "send", "expect", "send", "hangup", "echo"],
    );
  });

  it("takes what stands in files and masks for secret", () => {
    const [, send] = parseChat(["", "\\qhello"], WORDS);
    assert.ok(send?.type === "send" && send.send.type === "text");
    assert.equal(send.send.shown, "??????");
    assert.deepEqual(parseChat(["", "@a b"], WORDS)[1], {
      type: "send",
      send: { type: "file", path: "a b" },
    });
  });

  it("has a timeout for every text", () => {
    assert.deepEqual(["10", " 7x", "0", "-3", "abc", ""].map(timeoutSeconds), [10, 7, 45, 45, 45, 45]);
  });

  it("reads any words", () => {
    const word = fc.oneof(
      fc.constantFrom(
        "ABORT",
        "CLR_ABORT",
        "REPORT",
        "CLR_REPORT",
        "TIMEOUT",
        "ECHO",
        "HANGUP",
        "SAY",
        "EOT",
        "constructor",
      ),
      fc.string({ unit: "binary", maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (list) => {
        assert.ok(parseChat(list, WORDS).length <= list.length);
      }),
    );
    assert.deepEqual(latin1("é"), Uint8Array.of(0xe9));
  });
});
