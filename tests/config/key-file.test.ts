import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readKeyFile, writeKeyFile } from "../../src/config/key-file.ts";
import { EqlError, type EqlErrorCode } from "../../src/errors.ts";
import { mkfifo } from "../../src/host/libc.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, at) => at * 7);
const TEXT = Buffer.from(KEY).toString("base64");
const NOBODY = 65_534;
const asRoot = {
  skip: process.geteuid?.() === 0 || process.env["EQL_REQUIRE_ALL"] === "1" ? false : "needs root",
};

let directory = "";
let path = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-key-"));
  path = join(directory, "key");
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(content: string, mode = 0o600): void {
  writeFileSync(path, content);
  chmodSync(path, mode);
}

const refused = (
  code: EqlErrorCode,
  message: RegExp,
  action: () => void = () => void readKeyFile(path),
): void =>
  assert.throws(action, (error) => {
    assert.ok(error instanceof EqlError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(path), error.message);
    return true;
  });

describe("a key file", () => {
  it("holds a key, with or without white space around it", () => {
    for (const content of [TEXT, `${TEXT}\n`, ` ${TEXT}\r\n\n`]) {
      for (const mode of [0o600, 0o400]) {
        write(content, mode);
        assert.deepEqual(readKeyFile(path), KEY);
        rmSync(path);
      }
    }
  });

  it("is for its owner alone", () => {
    for (const mode of [0o640, 0o620, 0o604, 0o602, 0o777]) {
      write(TEXT, mode);
      refused("CONFIG_UNREADABLE", /run `chmod 600 /);
    }
  });

  it("belongs to root or to who reads it", asRoot, () => {
    write(TEXT);
    chownSync(path, NOBODY, NOBODY);
    refused("CONFIG_UNREADABLE", /user 65534: run `chown/);
  });

  it("may be reached by a link of one's own, not by somebody else's", asRoot, () => {
    const target = join(directory, "target");
    writeFileSync(target, TEXT, { mode: 0o600 });
    symlinkSync(target, path);
    assert.deepEqual(readKeyFile(path), KEY);
    lchownSync(path, NOBODY, NOBODY);
    refused("CONFIG_UNREADABLE", /belongs to user 65534/);
  });

  it("is checked where a link leads to", () => {
    const target = join(directory, "target");
    writeFileSync(target, TEXT);
    chmodSync(target, 0o644);
    symlinkSync(target, path);
    refused("CONFIG_UNREADABLE", /chmod 600/);
  });

  it("is there, and a regular file", () => {
    refused("CONFIG_UNREADABLE", /does not exist: .*`eql genkey --out /);
    symlinkSync(join(directory, "nowhere"), path);
    refused("CONFIG_UNREADABLE", /does not exist/);
    rmSync(path);
    mkdirSync(path, { mode: 0o700 });
    refused("CONFIG_UNREADABLE", /no regular file/);
    rmSync(path, { recursive: true });
    assert.equal(mkfifo(path, 0o600), 0);
    refused("CONFIG_UNREADABLE", /no regular file/);
    symlinkSync("/dev/zero", join(directory, "zeros"));
    path = join(directory, "zeros");
    refused("CONFIG_UNREADABLE", /no regular file/);
  });

  it("holds nothing but one key, and what else it holds is not told", () => {
    write("");
    refused("CONFIG_UNREADABLE", /empty/);
    const wrong = [
      TEXT.slice(1),
      `${TEXT}=`,
      `${TEXT} ${TEXT}`,
      `key = "${TEXT}"`,
      "\n",
      "A".repeat(5000),
      "\0",
    ];
    for (const content of wrong) {
      write(content);
      refused("CONFIG_INVALID", /has no key: .*44 characters/);
      assert.throws(
        () => readKeyFile(path),
        (error: EqlError) => content.length < 10 || !error.message.includes(content.slice(0, 10)),
      );
    }
  });

  it("is written for its owner alone, whatever the umask", () => {
    for (const umask of [0, 0o022, 0o777]) {
      const before = process.umask(umask);
      try {
        writeKeyFile(path, KEY);
      } finally {
        process.umask(before);
      }
      assert.equal(statSync(path).mode & 0o7777, 0o600);
      assert.deepEqual(readKeyFile(path), KEY);
      rmSync(path);
    }
  });

  it("is never written over, nor through a link", () => {
    write("precious");
    const write1 = (): void => writeKeyFile(path, KEY);
    refused("REQUEST_INVALID", /exists already/, write1);
    assert.equal(readFileSync(path, "utf8"), "precious");
    rmSync(path);
    const target = join(directory, "target");
    symlinkSync(target, path);
    refused("REQUEST_INVALID", /exists already/, write1);
    assert.throws(() => statSync(target));
    path = join(directory, "nowhere", "key");
    refused("REQUEST_INVALID", /cannot be written/, () => writeKeyFile(path, KEY));
  });
});
