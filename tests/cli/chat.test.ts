import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseChatOptions } from "../../src/cli/chat-options.ts";
import { type ChatOutcome, ChatPeer, type Reply } from "./chat-peer.ts";
import { ROOT } from "./run.ts";

const EQL = join(ROOT, "bin", "eql");
const DEBIAN = "/usr/sbin/chat";
let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-chat-"));
});
after(() => rmSync(directory, { recursive: true, maxRetries: 5 }));

async function chat(
  args: readonly string[],
  replies: readonly Reply[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<ChatOutcome> {
  using peer = new ChatPeer(replies);
  return await peer.run(process.execPath, [EQL, "chat", "-S", ...args], env);
}
const says = (text: string): Reply => ({ after: "", text });

/** Scripts that are run by others' chat too: the line gets the same, and the end is the same. */
interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly replies: readonly Reply[];
  readonly sent: string;
  readonly code: number;
}
const CASES: readonly Case[] = [
  {
    name: "dials and logs in",
    args: [
      "-T",
      "5551001",
      "ABORT",
      "BUSY",
      "",
      "ATZ",
      "OK",
      "ATDT\\T",
      "CONNECT",
      "\\c",
      "ogin:--ogin:",
      "ppp",
      "word:",
      "\\qpw",
    ],
    replies: [
      { after: "ATZ\r", text: "ATZ\r\r\nOK\r\n" },
      { after: "1001\r", text: "\r\nCONNECT 28800\r\n\r\nlogin: " },
      { after: "ppp\r", text: "\r\nPassword: " },
    ],
    sent: "ATZ\rATDT5551001\rppp\rpw\r",
    code: 0,
  },
  {
    name: "meets the second of its ABORT strings",
    args: ["ABORT", "BUSY", "ABORT", "NO CARRIER", "", "ATD5", "CONNECT", ""],
    replies: [{ after: "5\r", text: "\r\nNO CARRIER\r\n" }],
    sent: "ATD5\r",
    code: 5,
  },
  {
    name: "waits in vain, with another try",
    args: ["-t", "1", "ogin:-EOT-ogin:", "ppp"],
    replies: [],
    sent: "\x04",
    code: 3,
  },
  {
    name: "sends octets of all kinds",
    args: ["", "\\N\\0\\001^A\\377\\t\\\\^^\\-x-\\e\\", "", "\\c", "", "a\\pb\\Kc\\c"],
    replies: [],
    sent: "\0\0\x01\x01\xff\t\\\x1e-x-e\\\rabc",
    code: 0,
  },
  {
    name: "reads what is parity and noise",
    args: ["a\\101b", "ok"],
    replies: [says("\xff\0a\xc1\xe2")],
    sent: "ok\r",
    code: 0,
  },
  { name: "has nothing to do", args: [], replies: [], sent: "", code: 0 },
  { name: "has both a file and words", args: ["-f", "x", "y"], replies: [], sent: "", code: 1 },
  { name: "has no file", args: ["-f", "no-such-file"], replies: [], sent: "", code: 1 },
  { name: "has an unknown option", args: ["-z", "", "x"], replies: [], sent: "", code: 1 },
  { name: "has no file to send", args: ["", "x", "", "@no-such-file"], replies: [], sent: "x\r", code: 1 },
  {
    name: "is hung up",
    args: ["a", "b"],
    replies: [{ after: "", text: (line) => line.later(500, () => line.hangUp()) }],
    sent: "",
    code: 2,
  },
];
const missing = !existsSync(DEBIAN) && process.env["EQL_REQUIRE_ALL"] !== "1";

for (const { name, args, replies, sent, code } of CASES) {
  describe(`a script that ${name}`, { concurrency: 2 }, () => {
    it("is spoken by eql chat", async () => {
      const outcome = await chat(args, replies);
      assert.deepEqual([outcome.sent, outcome.code], [sent, code], outcome.stderr);
    });

    it("is spoken so by Debian's chat", { skip: missing && `${DEBIAN} is not installed` }, async () => {
      using peer = new ChatPeer(replies);
      const outcome = await peer.run(DEBIAN, ["-S", ...args]);
      assert.deepEqual([outcome.sent, outcome.code], [sent, code], outcome.stderr);
    });
  });
}

/** Run before the program: it says so, and goes on when its terminal is hung up. */
const UNTIL_HUNG_UP = `import { writeSync } from "node:fs";
import { isatty } from "node:tty";
writeSync(1, "begun");
while (isatty(0));`;

describe("eql chat", () => {
  it("ends in order on a line that was hung up before it looked at it", async () => {
    using peer = new ChatPeer([{ after: "begun", text: (line) => line.hangUp() }]);
    const first = `data:text/javascript,${encodeURIComponent(UNTIL_HUNG_UP)}`;
    const { code, stderr } = await peer.run(process.execPath, [
      "--import",
      first,
      EQL,
      "chat",
      "-S",
      "a",
      "b",
    ]);
    assert.equal(code, 2, stderr);
  });

  it("leaves the line as it was, and to the next program what it did not read", async () => {
    using peer = new ChatPeer([{ after: "ppp\r", text: "word:~\x7f}#" }]);
    const before = peer.settings;
    const { code } = await peer.run(process.execPath, [EQL, "chat", "-S", "", "ppp", "word:", "pw"]);
    assert.deepEqual([code, peer.settings, peer.unread()], [0, before, "~\x7f}#"]);
  });

  it("reads scripts and passwords from files, and variables from the environment", async () => {
    const script = join(directory, "isp.chat");
    writeFileSync(
      script,
      "# the provider\nABORT BUSY\n'' 'AT $MODEM'\n\"OK\" @password\nREPORT CONNECT CONNECT \\c\n",
    );
    writeFileSync(join(directory, "password"), "hello\n");
    const report = join(directory, "report");
    using peer = new ChatPeer([
      { after: "AT M1\r", text: "OK" },
      { after: "hello\r", text: "CONNECT 14400\r\n" },
    ]);
    const args = [
      "-c",
      `cd "$0" && exec "$@"`,
      directory,
      process.execPath,
      EQL,
      "chat",
      "-SEvs",
      "-r",
      report,
      "-f",
      script,
    ];
    const { code, stderr } = await peer.run("/bin/sh", args, { MODEM: "M1" });
    assert.equal(code, 0, stderr);
    assert.match(
      readFileSync(report, "utf8"),
      /^chat: {2}[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d CONNECT 14400\n$/,
    );
    assert.doesNotMatch(stderr, /hello|M1/);
    assert.match(stderr, /^send \(\?{6}\)$/m);
  });

  it("logs what happens, and shows what is received", async () => {
    const replies = [{ after: "ATZ\r", text: "\r\nO\x01K\r\nOK" }];
    const logged = await chat(["-sv", "SAY", "Hello\\n", "", "ATZ", "OK", "\\c"], replies);
    assert.equal(logged.stderr, "Hello\nsend (ATZ^M)\nexpect (OK)\n^M\nO^AK^M\nOK\n -- got it\nsend ()\n");
    assert.equal((await chat(["-V", "", "ATZ", "OK", "\\c"], replies)).stderr, "\nO^AK\nOK\n");
    assert.equal((await chat(["-e", "", "ATZ", "\n", "\\c", "ECHO", "OFF", "OK", ""], replies)).stderr, "\n");
    assert.equal((await chat(["-s", "ABORT", "NO", "a", ""], [says("NO")])).stderr, "Failed (NO)\n");
  });

  for (const [signal, code] of [
    ["SIGINT", 2],
    ["SIGTERM", 2],
    ["SIGHUP", 2],
    ["SIGUSR1", 0],
  ] as const) {
    it(`exits with ${code} after ${signal}`, async () => {
      const interrupt: Reply = {
        after: "x\r",
        text: (line, program) => {
          program.kill(signal);
          if (code === 0) line.later(300, () => line.write("a"));
        },
      };
      const { code: found, stderr } = await chat(["-s", "", "x", "a", ""], [interrupt]);
      assert.deepEqual([found, stderr], [code, code === 0 ? "" : `${signal}\n`]);
    });
  }

  it("goes on after a hang-up that the script expects", async () => {
    const interrupt: Reply = { after: "x\r", text: (_, program) => void program.kill("SIGHUP") };
    const { code } = await chat(["-t", "1", "HANGUP", "OFF", "", "x", "a", ""], [interrupt]);
    assert.equal(code, 3);
  });

  it("can be interrupted while a file has nothing to send yet", async () => {
    const fifo = join(directory, "fifo");
    const { mkfifo } = await import("../../src/host/libc.ts");
    assert.equal(mkfifo(fifo, 0o600), 0);
    const interrupt: Reply = {
      after: "x\r",
      text: (line, program) => line.later(300, () => program.kill("SIGTERM")),
    };
    assert.equal((await chat(["", "x", "", `@${fifo}`], [interrupt])).code, 2);
  });
});

describe("chat's command line", () => {
  it("ends with the first word of the script", () => {
    const { words, timeout, verbose, toStderr, toSyslog, phone } = parseChatOptions([
      "-vst5",
      "-T",
      "é",
      "-S",
      "",
      "-e",
      "x",
    ]);
    assert.deepEqual(
      [words, timeout, verbose, toStderr, toSyslog, phone],
      [["", "-e", "x"], "5", true, true, false, "\xc3\xa9"],
    );
    assert.deepEqual(parseChatOptions(["-E", "--", "-a-b"]).words, ["-a-b"]);
    assert.deepEqual(parseChatOptions(["-"]).words, ["-"]);
    assert.deepEqual(parseChatOptions(["-fx"]).words, null);
  });

  it("is refused with what is wrong about it", () => {
    assert.throws(() => parseChatOptions(["-t"]), /-t needs a value/);
    assert.throws(() => parseChatOptions(["-vz"]), /no option -z/);
    assert.throws(() => parseChatOptions(["-f", "x", "y"]), /either in a file/);
  });
});
