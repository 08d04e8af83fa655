import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { withoutUser, withUser } from "../../src/config/users-edit.ts";
import { isUserName, parseUsers, readUsers } from "../../src/config/users-file.ts";

const FILE = "users.toml";
const HASH = `$scrypt$ln=15,r=8,p=1$${"A".repeat(22)}$${"B".repeat(43)}`;
const OTHER = HASH.replaceAll("B", "C");

describe("a users' file", () => {
  it("has a table for each user, of which most has defaults", () => {
    const users = parseUsers(
      `[user.joe]\npassword = "${HASH}"\n[user."jane@office"]\nsecret = "sesame"`,
      FILE,
    );
    assert.deepEqual(users.get("joe"), {
      name: "joe",
      password: HASH,
      secret: null,
      protocol: "any",
      address: null,
      pool: null,
      routes: [],
      mtu: null,
      maxLines: null,
      idleMs: null,
      sessionMs: null,
    });
    assert.equal(users.get("jane@office")?.secret, "sesame");
  });

  it("takes all that there is", () => {
    const users = parseUsers(
      `[user.joe]
      secret = "sesame"
      protocol = "slip"
      pool = ["10.0.0.10-10.0.0.12", "10.0.1.0/30"]
      routes = ["192.168.7.0/24"]
      mtu = 576
      max-lines = 2
      idle-limit = 600
      session-limit = 0.5e4
      [user.jane]
      secret = "sesame"
      protocol = "ppp"
      address = "10.0.0.9"`,
      FILE,
    );
    assert.deepEqual(users.get("joe"), {
      name: "joe",
      password: null,
      secret: "sesame",
      protocol: "slip",
      address: null,
      pool: [
        { first: 0x0a00000a, last: 0x0a00000c },
        { first: 0x0a000101, last: 0x0a000102 },
      ],
      routes: ["192.168.7.0/24"],
      mtu: 576,
      maxLines: 2,
      idleMs: 600_000,
      sessionMs: 5_000_000,
    });
    assert.equal(users.get("jane")?.address, "10.0.0.9");
  });

  const wrong: readonly [source: string, message: RegExp][] = [
    ["[user.joe]", /user.joe: has neither password nor secret/],
    ['[user.joe]\npassword = "sesame"', /user.joe.password: found something else .* `eql user hash` makes/],
    ['[user.joe]\nsecret = ""', /user.joe.secret: found something else than is allowed: a text of 1 to 255/],
    ['[user.joe]\nsecret = "x"\npasswort = "y"', /user.joe.passwort: unknown key; allowed: password, secret/],
    ['[user."joe b"]\nsecret = "x"', /user."joe b": allowed: a name/],
    ['[user.joe]\nsecret = "x"\naddress = "fe80::1"', /user.joe.address: found "fe80::1"; allowed: an IPv4/],
    ['[user.joe]\nsecret = "x"\naddress = "10.0.0.0/8"', /user.joe.address: found "10.0.0.0\/8"/],
    [
      '[user.joe]\nsecret = "x"\naddress = "10.0.0.1"\npool = ["10.0.0.2"]',
      /user.joe.pool: found address as well/,
    ],
    ['[user.joe]\nsecret = "x"\npool = ["10.0.0.9-10.0.0.8"]', /user.joe.pool: found a list; allowed: IPv4/],
    ['[user.joe]\nsecret = "x"\npool = ["10.0.0.1/24"]', /user.joe.pool/],
    ['[user.joe]\nsecret = "x"\npool = ["10.0.0.0/8"]', /user.joe.pool/],
    ["[users.joe]", /users: unknown key; allowed: user/],
    ["[user", /^users.toml:1:\d+: not TOML/],
  ];
  for (const [source, message] of wrong) {
    it(`is refused as ${JSON.stringify(source)}`, () => {
      assert.throws(() => parseUsers(source, FILE), { code: "CONFIG_INVALID", message });
    });
  }

  it("has names that can be typed at a prompt", () => {
    assert.deepEqual(["joe", "a b", "", "j\u00f6", "x".repeat(65), "o'neil@x"].map(isUserName), [
      true,
      false,
      false,
      false,
      false,
      true,
    ]);
  });
});

describe("a users' file on disk", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "eql-users-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("is read by its owner alone", () => {
    const path = join(directory, FILE);
    assert.throws(() => readUsers(path), {
      code: "CONFIG_UNREADABLE",
      message: /no users' file .*eql user add/,
    });
    writeFileSync(path, '[user.joe]\nsecret = "x"', { mode: 0o600 });
    assert.deepEqual([...readUsers(path).keys()], ["joe"]);
    chmodSync(path, 0o640);
    assert.throws(() => readUsers(path), { code: "CONFIG_UNREADABLE", message: /chmod 600/ });
  });
});

describe("a change of a users' file", () => {
  const source = `# who may call
[user.joe]
# his own address
address = "10.0.0.9"
password = "${HASH}" # old

[user.'jane@x']
secret = "sesame"
`;

  it("leaves all else as it is", () => {
    assert.equal(
      withUser(source, "joe", { password: OTHER }, FILE),
      source.replace(`"${HASH}" # old`, `"${OTHER}"`),
    );
    assert.equal(
      withUser(source, "jane@x", { password: OTHER, secret: "two" }, FILE),
      source.replace('secret = "sesame"', `password = "${OTHER}"\nsecret = "two"`),
    );
    assert.equal(
      withUser(source, "new@x", { password: OTHER, secret: 'a"b' }, FILE),
      `${source}\n[user."new@x"]\npassword = "${OTHER}"\nsecret = "a\\"b"\n`,
    );
    assert.equal(withUser("", "joe", { password: OTHER }, FILE), `[user.joe]\npassword = "${OTHER}"\n`);
    assert.equal(withoutUser(source, "joe", FILE), source.replace(/\[user\.joe[^]*(?=\[user\.')/, ""));
    assert.equal(withoutUser(source, "jane@x", FILE), source.slice(0, source.indexOf("[user.'")));
    assert.equal(withoutUser(source, "jack", FILE), null);
  });

  it("is refused where the file is written in another way, rather than spoil it", () => {
    const inline = `user.joe = { password = "${HASH}" }\n`;
    for (const change of [
      () => withUser(inline, "joe", { password: OTHER }, FILE),
      () => withoutUser(inline, "joe", FILE),
    ]) {
      assert.throws(change, { code: "CONFIG_INVALID" });
    }
  });
});
