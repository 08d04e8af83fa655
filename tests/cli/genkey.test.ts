import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { CACOPHONY } from "../crypto/noise-vectors.ts";
import { type Outcome, ROOT, Running } from "./run.ts";

const EQL = join(ROOT, "bin", "eql");
const KEY = /^[A-Za-z0-9+/]{43}=\n$/;
const base64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-key-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function eql(
  args: readonly string[],
  { input = "", output = "pipe" as "pipe" | number } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [EQL, ...args], { stdio: ["pipe", output, "pipe"] });
  child.stdin?.on("error", () => {}).end(input);
  return new Running(child).outcome();
}

/** Into a file with that mode. */
async function genkeyInto(mode: number): Promise<{ complaints: string; content: string }> {
  const file = join(directory, "key");
  const output = openSync(file, "w");
  chmodSync(file, mode);
  try {
    const { stderr } = await eql(["genkey"], { output });
    return { complaints: stderr, content: readFileSync(file, "utf8") };
  } finally {
    closeSync(output);
  }
}

describe("eql genkey", () => {
  it("prints a key, and another one the next time", async () => {
    const [one, other] = await Promise.all([eql(["genkey"]), eql(["genkey"])]);
    assert.match(one.stdout, KEY);
    assert.deepEqual([one.code, one.stderr], [0, ""]);
    assert.notEqual(one.stdout, other.stdout);
  });

  it("warns when others may read the file that it goes to", async () => {
    const open = await genkeyInto(0o644);
    assert.match(open.complaints, /umask 077/);
    assert.match(open.content, KEY);
    const closed = await genkeyInto(0o600);
    assert.equal(closed.complaints, "");
    assert.match(closed.content, KEY);
  });

  it("writes a file that only its owner may read, once", async () => {
    const file = join(directory, "key");
    assert.deepEqual(await eql(["genkey", "--out", file]), { code: 0, stdout: "", stderr: "" });
    assert.equal(statSync(file).mode & 0o7777, 0o600);
    const key = readFileSync(file, "utf8");
    assert.match(key, KEY);
    const again = await eql(["genkey", "--out", file]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /exists already/);
    assert.equal(readFileSync(file, "utf8"), key);
  });
});

describe("eql pubkey", () => {
  it("prints the public key of a private one", async () => {
    const outcome = await eql(["pubkey"], { input: `${base64(CACOPHONY.responderStatic)}\n` });
    assert.deepEqual(outcome, { code: 0, stdout: `${base64(CACOPHONY.responderPublic)}\n`, stderr: "" });
  });

  it("reads it from a file that only its owner may read", async () => {
    const file = join(directory, "key");
    writeFileSync(file, `${base64(CACOPHONY.responderStatic)}\n`, { mode: 0o600 });
    assert.equal((await eql(["pubkey", file])).stdout, `${base64(CACOPHONY.responderPublic)}\n`);
    chmodSync(file, 0o644);
    const { code, stdout, stderr } = await eql(["pubkey", file]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /chmod/);
  });

  it("says so when there is no key", async () => {
    for (const input of ["", "key\n", `${base64(CACOPHONY.responderStatic)} ${"A".repeat(43)}=`]) {
      const { code, stdout, stderr } = await eql(["pubkey"], { input });
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /no private key/);
      if (input.length > 10) assert.ok(!stderr.includes(input.slice(0, 10)), "it is not repeated");
    }
  });
});
