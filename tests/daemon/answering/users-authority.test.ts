import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Grant, Refusal } from "../../../src/daemon/answering/authority.ts";
import { UsersAuthority } from "../../../src/daemon/answering/users-authority.ts";
import { hashPassword } from "../../../src/host/password.ts";
import { pppCrypto } from "../../../src/host/ppp-crypto.ts";
import { ChapMd5 } from "../../../src/ppp/chap.ts";
import { MsChapV2 } from "../../../src/ppp/mschapv2.ts";
import type { Proof } from "../../../src/ppp/proof.ts";
import { utf8Octets } from "../../../src/ppp/text.ts";

const WRONG: Refusal = { ok: false, message: "wrong name or password" };
const CHALLENGE = new Uint8Array(16).fill(7);

describe("the users' file as an authority", () => {
  let directory = "";
  let authority: UsersAuthority;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "eql-authority-"));
    const file = join(directory, "users.toml");
    const hash = await hashPassword(Buffer.from("s\u00e9same"));
    writeFileSync(
      file,
      `[user.hashed]
      password = "${hash}"
      protocol = "ppp"
      address = "10.0.0.9"
      max-lines = 2
      [user.plain]
      secret = "open"
      [user.slip]
      secret = "open"
      protocol = "slip"`,
      { mode: 0o600 },
    );
    authority = new UsersAuthority(file);
  });
  after(() => rmSync(directory, { recursive: true }));

  const pap = (name: string, password: string): Promise<Grant | Refusal> =>
    authority.prove({ id: 1, name, method: "pap", password: utf8Octets(password) });
  const question = (name: string, secret: string) => ({
    id: 3,
    challenge: CHALLENGE,
    name: utf8Octets(name),
    secret,
  });
  function chap(method: "chap-md5" | "mschapv2", name: string, secret: string): Promise<Grant | Refusal> {
    const machine = method === "chap-md5" ? new ChapMd5(pppCrypto) : new MsChapV2(pppCrypto);
    const response = machine.respond(question(name, secret));
    const proof: Proof = { id: 1, name, method, identifier: 3, challenge: CHALLENGE, response };
    return authority.prove(proof);
  }
  const userOf = (found: Grant | Refusal): string | null => (found.ok ? found.user : null);

  it("lets in who knows the password, by a login or PAP, and tells what the account says", async () => {
    const granted: Grant = {
      ok: true,
      user: "hashed",
      protocol: "ppp",
      address: "10.0.0.9",
      pool: null,
      routes: [],
      maxLines: 2,
      idleMs: null,
      sessionMs: null,
      mtu: null,
    };
    assert.deepEqual(await authority.login("hashed", "s\u00e9same"), granted);
    assert.deepEqual(await pap("hashed", "s\u00e9same"), granted);
    assert.equal(userOf(await authority.login("plain", "open")), "plain");
    assert.equal(userOf(await pap("plain", "open")), "plain");
  });

  it("says the same of a wrong name as of a wrong password", async () => {
    for (const [name, password] of [
      ["hashed", "sesame"],
      ["plain", "Open"],
      ["plain", ""],
      ["slip", "Open"],
      ["nobody", "open"],
      ["", ""],
      ["__proto__", "open"],
    ] as const) {
      assert.deepEqual(await authority.login(name, password), WRONG);
      assert.deepEqual(await pap(name, password), WRONG);
      assert.deepEqual(await chap("chap-md5", name === "hashed" ? "x" : name, "other"), WRONG);
      assert.deepEqual(await chap("mschapv2", name === "hashed" ? "x" : name, "nobody"), WRONG);
    }
  });

  it("judges CHAP and MS-CHAPv2 by the secret, and proves itself by the latter", async () => {
    assert.equal(userOf(await chap("chap-md5", "plain", "open")), "plain");
    const machine = new MsChapV2(pppCrypto);
    const response = machine.respond(question("plain", "open"));
    const found = await authority.prove({
      id: 1,
      name: "plain",
      method: "mschapv2",
      identifier: 3,
      challenge: CHALLENGE,
      response,
    });
    const { success = "" } = found.ok ? found : {};
    assert.ok(machine.believes(question("plain", "open"), response, utf8Octets(success)));
  });

  it("tells the owner when an account cannot do what its caller wants", async () => {
    assert.match(JSON.stringify(await chap("chap-md5", "hashed", "s\u00e9same")), /has no secret/);
    assert.match(JSON.stringify(await pap("slip", "open")), /for SLIP/);
  });

  it("fails when the file cannot be read", async () => {
    const none = new UsersAuthority(join(directory, "none.toml"));
    await assert.rejects(none.login("joe", "open"), { code: "CONFIG_UNREADABLE" });
  });
});
