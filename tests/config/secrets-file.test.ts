import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readSecretLine, readSecrets } from "../../src/config/secrets-file.ts";
import { EqlError } from "../../src/errors.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-secrets-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const refused = (path: string, message: RegExp): void =>
  assert.throws(
    () => readSecrets(path),
    (error) => error instanceof EqlError && error.code.startsWith("CONFIG_") && message.test(error.message),
  );

describe("a secrets file", () => {
  it("has entries of names, a secret and addresses, quoted as pppd has it", () => {
    const path = file(
      "pap-secrets",
      `# client server secret addresses
joe  srv  sesame
"joe b" * "joe's \\"se\\\\cret\\"" 10.0.0.5 !10.0.0.6 10.1.0.0/16+  # a comment
* srv '' *
guest srv x -
far srv y 10.0.0.9 -- mru 500
sys * @login
long \\
  srv z
`,
    );
    assert.deepEqual(readSecrets(path), [
      { client: "joe", server: "srv", secret: "sesame", addresses: [] },
      {
        client: "joe b",
        server: "*",
        secret: `joe's "se\\cret"`,
        addresses: ["10.0.0.5", "!10.0.0.6", "10.1.0.0/16+"],
      },
      { client: "*", server: "srv", secret: "", addresses: ["*"] },
      { client: "guest", server: "srv", secret: "x", addresses: [] },
      { client: "far", server: "srv", secret: "y", addresses: ["10.0.0.9"] },
      { client: "sys", server: "*", secret: "@login", addresses: [] },
      { client: "long", server: "srv", secret: "z", addresses: [] },
    ]);
  });

  it("may be missing or empty", () => {
    assert.deepEqual(readSecrets(join(directory, "nothing")), []);
    assert.deepEqual(readSecrets(file("empty", "# nobody\n")), []);
  });

  it("may have a secret in a file of its own, as private as itself", () => {
    const inner = file("inner", "two-words more\n");
    assert.equal(readSecrets(file("a", `joe srv @${inner} *`))[0]?.secret, "two-words");
    assert.equal(readSecrets(file("b", "joe srv @inner *"))[0]?.secret, "two-words");
    refused(file("c", "joe srv @missing"), /missing has no secret, which .*\/c looks for there/);
    chmodSync(inner, 0o644);
    refused(file("d", "joe srv @inner"), /chmod 600 .*inner/);
  });

  it("is refused when others may read or write it", () => {
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644]) {
      refused(file("open", "joe srv sesame", mode), /^\S+\/open holds secrets, .*run `chmod 600 \S+\/open`$/);
    }
    assert.equal(readSecrets(file("open", "joe srv sesame", 0o400)).length, 1);
  });

  it("is refused when it belongs to another user", (t) => {
    if (process.geteuid?.() !== 0 && process.env["EQL_REQUIRE_ALL"] !== "1") {
      t.skip("only root can give a file away");
      return;
    }
    const path = file("given", "joe srv sesame");
    chownSync(path, 4242, 4242);
    refused(path, /belongs to user 4242: run `chown root/);
  });

  it("is refused when an entry is incomplete, without telling what it has", () => {
    refused(file("short", "\njoe sesame\n"), /\/short:2: an entry is: client, server, secret, addresses$/);
  });
});

describe("a file with one secret", () => {
  it("is its first line, whatever is in it", () => {
    assert.equal(readSecretLine(file("one", " a b#c \nmore\n")), " a b#c ");
    assert.equal(readSecretLine(file("two", "secret\r\n")), "secret");
    assert.equal(readSecretLine(file("three", "secret")), "secret");
  });

  it("is refused when it is empty, missing, or open to others", () => {
    const refusedLine = (path: string, message: RegExp): void =>
      assert.throws(
        () => readSecretLine(path),
        (error) =>
          error instanceof EqlError && error.code === "CONFIG_UNREADABLE" && message.test(error.message),
      );
    refusedLine(file("empty", "\nsecret"), /empty has no secret/);
    refusedLine(join(directory, "missing"), /missing has no secret/);
    refusedLine(file("open", "secret", 0o644), /chmod 600/);
  });
});
