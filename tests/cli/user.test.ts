import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { verifyPassword } from "../../src/host/password.ts";
import { type Outcome, ROOT, Running } from "./run.ts";
import { openTerminal } from "./terminal.ts";

const EQL = join(ROOT, "bin", "eql");
let directory = "";
let file = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-user-"));
  file = join(directory, "etc", "users.toml");
});
afterEach(() => rmSync(directory, { recursive: true }));

function user(args: readonly string[], input: string): Promise<Outcome> {
  const child = spawn(process.execPath, [EQL, "user", ...args], { stdio: "pipe" });
  child.stdin.on("error", () => {}).end(input);
  return new Running(child).outcome();
}

const hashIn = (text: string): string => /\$scrypt\S*[^"\s]/.exec(text)?.[0] ?? "";
const isRight = (password: string, text: string): Promise<boolean> =>
  verifyPassword(Buffer.from(password), hashIn(text));

describe("eql user", () => {
  it("adds, changes, lists and removes users in a private file", async () => {
    assert.deepEqual(await user(["add", "joe", "-f", file], "sesame\n"), { code: 0, stdout: "", stderr: "" });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(await isRight("sesame", readFileSync(file, "utf8")));
    await user(["add", "joe", "--chap", "-f", file], "open\r\nother\n");
    const source = readFileSync(file, "utf8");
    assert.ok(await isRight("open", source));
    assert.match(source, /^secret = "open"$/m);
    await user(["add", "joe", "--protocol", "slip", "--address", "10.0.0.9", "-f", file], "sham");
    assert.match(readFileSync(file, "utf8"), /^secret = "sham"$/m, "the old one lets nobody in");
    const { stdout } = await user(["list", "-f", file], "");
    assert.match(stdout, /^joe +slip +yes +yes +10\.0\.0\.9$/m);
    assert.ok(!stdout.includes("sham"));
    assert.equal((await user(["remove", "joe", "-f", file], "")).code, 0);
    assert.equal(readFileSync(file, "utf8"), "");
  });

  it("prints the hash of a password", async () => {
    const { code, stdout } = await user(["hash"], "sesame");
    assert.equal(code, 0);
    assert.ok(await isRight("sesame", stdout));
  });

  it("says what is wrong and changes nothing", async () => {
    const cases: readonly [args: readonly string[], input: string, message: RegExp][] = [
      [["add", "joe"], "", /a password has 1 to 255 octets, and this one has 0/],
      [["add", "joe"], "x".repeat(256), /a password has 1 to 255 octets, and this one has 256/],
      [["add", "joe b"], "sesame", /a user's name has .* not "joe b"/],
      [["remove", "joe"], "", /there is no user joe in/],
      [["list"], "", /there is no users' file/],
    ];
    for (const [args, input, message] of cases) {
      const { code, stderr } = await user([...args, "-f", file], input);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
    assert.throws(() => statSync(file), { code: "ENOENT" });
    await user(["add", "joe", "-f", file], "sesame");
    chmodSync(file, 0o644);
    const { code, stderr } = await user(["add", "jane", "-f", file], "sesame");
    assert.deepEqual([code, /chmod 600/.test(stderr)], [1, true]);
  });

  for (const [second, code] of [
    ["sesame", 0],
    ["sesane", 1],
  ] as const) {
    it(`reads a password from a terminal twice and does not show it: ${second}`, async () => {
      await using terminal = openTerminal();
      const child = spawn(process.execPath, [EQL, "user", "add", "joe", "-f", file], {
        stdio: [terminal.fd, terminal.fd, terminal.fd],
      });
      const ended = once(child, "exit");
      await terminal.untilOutput(/Password: /);
      terminal.type("sesame\r");
      await terminal.untilOutput(/Once more: /);
      terminal.type(`${second}\r`);
      await ended;
      assert.equal(child.exitCode, code);
      assert.ok(!terminal.output.includes("sesa"));
      if (code === 0) assert.ok(await isRight("sesame", readFileSync(file, "utf8")));
      else await terminal.untilOutput(/the two passwords are not the same/);
    });
  }
});
