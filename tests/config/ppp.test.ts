import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { parseEndpoint, parseInterfaceIdentifier } from "../../src/config/ppp-words.ts";

const lineOf = (text: string): LineConfig => {
  const line = parseConfig(`[line.ppp0]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\n${text}`, "test").lines[0];
  assert.ok(line !== undefined);
  return line;
};
const refuses = (text: string, message: RegExp): void => {
  assert.throws(() => lineOf(text), { code: "CONFIG_INVALID", message });
};

describe("a PPP line in the configuration", () => {
  it("asks for an address and demands nothing unless it is told to", () => {
    const { kind, ppp } = lineOf("");
    assert.equal(kind, "ppp");
    assert.ok(ppp !== null);
    assert.equal(ppp.lcp.multilink, null);
    assert.deepEqual([ppp.lcp.mru, ppp.lcp.asyncMap, ppp.lcp.echo], [1500, 0, null]);
    assert.deepEqual([ppp.auth.require, ppp.auth.name, ppp.auth.user], [[], hostname(), hostname()]);
    const { ipv4, ipv6, restartMs } = ppp.network;
    assert.deepEqual([ipv4?.local, ipv4?.acceptLocal, ipv4?.acceptRemote, ipv6], [null, true, true, null]);
    assert.equal(restartMs, 3000);
  });

  it("keeps to the addresses that it is given, and takes them from its master", () => {
    const { masters, lines } = parseConfig(
      `[master.eql]\naddress = "10.0.0.1"\npeer = "10.0.0.2"\nmtu = 576
[line.ppp0]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\nmaster = "eql"`,
      "test",
    );
    assert.equal(masters.length, 1);
    const ppp = lines[0]?.ppp;
    const ipv4 = ppp?.network.ipv4;
    assert.deepEqual([ipv4?.local, ipv4?.remote], [Uint8Array.of(10, 0, 0, 1), Uint8Array.of(10, 0, 0, 2)]);
    assert.deepEqual([ipv4?.acceptLocal, ipv4?.acceptRemote], [false, false]);
    assert.deepEqual([ppp?.lcp.mru, ppp?.lcp.multilink?.mrru], [576, 1500]);
    assert.deepEqual(ppp?.lcp.echo, { intervalMs: 5000, failures: 3 });
  });

  it("may know the peer's address and not its own", () => {
    const ipv4 = lineOf('peer = "10.0.0.2"').ppp?.network.ipv4;
    assert.deepEqual([ipv4?.acceptLocal, ipv4?.acceptRemote], [true, false]);
  });

  it("refuses what cannot be, with what is allowed", () => {
    refuses('address = "fd00::1"', /address: found fd00::1; allowed: an IPv4 address/);
    refuses('dns = ["fd00::1"]', /dns: found an IPv6 address; allowed: IPv4/);
    refuses("ipv4 = false", /allowed: at least one of them/);
    refuses('require-auth = ["chap"]', /"pap", "chap-md5", "mschapv2"/);
    refuses('endpoint = "nonsense"', /it is no endpoint discriminator/);
    assert.throws(
      () => lineOf("password = 4711"),
      ({ message }: Error) => !message.includes("4711") && /password: found something else/.test(message),
    );
    refuses('interface-identifier = "fe80::1"', /it is no interface identifier/);
  });

  it("has settings that no other kind of line has", () => {
    assert.throws(() => parseConfig('[line.sl0]\ndevice = "/dev/ttyS0"\nmultilink = true', "test"), {
      code: "CONFIG_INVALID",
      message: /only PPP has such a setting/,
    });
  });

  it("has its secrets in a file that nobody else may read", () => {
    const directory = mkdtempSync(join(tmpdir(), "eql-config-"));
    const file = join(directory, "eql.toml");
    try {
      writeFileSync(file, '[line.ppp0]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\npassword = "sesame"\n');
      chmodSync(file, 0o640);
      assert.throws(() => loadConfig(file), { code: "CONFIG_UNREADABLE", message: /chmod 600/ });
      chmodSync(file, 0o600);
      assert.equal(loadConfig(file).lines[0]?.ppp?.auth.password, "sesame");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("words of PPP", () => {
  it("are endpoints of all classes", () => {
    const cases: readonly [string, number, number[]][] = [
      ["null", 0, []],
      ["local:01.23.ab", 1, [1, 0x23, 0xab]],
      ["IP:192.168.7.1", 2, [192, 168, 7, 1]],
      ["MAC:00:00:5e:00:53:01", 3, [0, 0, 0x5e, 0, 0x53, 1]],
      ["magic:01020304", 4, [1, 2, 3, 4]],
      ["phone:4711", 5, [0x34, 0x37, 0x31, 0x31]],
    ];
    for (const [text, kind, address] of cases) {
      assert.deepEqual(parseEndpoint(text), { class: kind, address: Uint8Array.from(address) }, text);
    }
    for (const text of ["", "local:0", "IP:fd00::1", "MAC:01", "phone:x", `local:${"00".repeat(21)}`]) {
      assert.equal(parseEndpoint(text), null, text);
    }
  });

  it("are interface identifiers other than zero", () => {
    assert.deepEqual(parseInterfaceIdentifier("::1"), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1));
    for (const text of ["::", "1::1", "10.0.0.1", "x"]) assert.equal(parseInterfaceIdentifier(text), null);
  });
});
