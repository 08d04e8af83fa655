import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { PPPD_RULES } from "../../src/config/pppd-option-table.ts";
import { type PppdOptions, parsePppdOptions } from "../../src/config/pppd-options.ts";
import { EqlError } from "../../src/errors.ts";
import { ROOT } from "../docs/markdown.ts";

const root = mkdtempSync(join(tmpdir(), "eql-pppd-options-"));
after(() => rmSync(root, { recursive: true }));
let places = 0;
/** They are no settings. */
const INCLUDES: ReadonlySet<string> = new Set(["call", "file"]);

/** Parses in a place of its own. @param files by path: below /etc/ppp, or the home directory's .ppprc */
function parse(args: readonly string[], files: Readonly<Record<string, string>> = {}): PppdOptions {
  places += 1;
  const directory = join(root, String(places));
  mkdirSync(directory);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  const inPlace = args.map((arg) => arg.replace("{}", directory));
  return parsePppdOptions(inPlace, { directory, home: directory, hostName: "porsche" });
}

function fails(args: readonly string[], message: RegExp, files: Readonly<Record<string, string>> = {}): void {
  assert.throws(
    () => parse(args, files),
    (error) => error instanceof EqlError && error.code.startsWith("CONFIG_") && message.test(error.message),
  );
}

describe("pppd's options", () => {
  it("without any: what pppd does", () => {
    const { line, process, warnings } = parse([]);
    assert.deepEqual(
      { ...line, "pap-secrets": undefined, "chap-secrets": undefined, scripts: undefined },
      {
        protocol: "ppp",
        lock: false,
        multilink: false,
        ipv6: false,
        carrier: true,
        asyncmap: 0,
        "require-auth": [],
        "refuse-auth": [],
        name: "porsche",
        user: "porsche",
        debug: false,
        "pap-secrets": undefined,
        "chap-secrets": undefined,
        scripts: undefined,
      },
    );
    assert.equal(process.detach, "never", "its terminal is the line");
    assert.deepEqual([process.maxFail, process.holdoffMs, process.connectDelayMs], [10, null, 1000]);
    assert.deepEqual(warnings, []);
  });

  it("of the 1995 command line and option file", () => {
    const { line, process, warnings } = parse(
      [
        "file",
        "{}/opts",
        "lock",
        "crtscts",
        "asyncmap",
        "0",
        "connect",
        "/etc/ppp/dial 555 2>/dev/tty8",
        "10.0.0.1:",
        "/dev/cua1",
        "38400",
      ],
      { opts: "modem\ncrtscts\nlcp-echo-interval 10\nlcp-echo-failure 6\n-vj\n" },
    );
    assert.equal(line["address"], "10.0.0.1");
    assert.equal(line["peer"], undefined);
    assert.equal(line["speed"], 38400);
    assert.equal(line["rtscts"], true);
    assert.deepEqual([line["echo-interval"], line["echo-failures"]], [10, 6]);
    assert.deepEqual(
      [process.device, process.connect, process.lock, process.modem, process.detach],
      ["/dev/cua1", "/etc/ppp/dial 555 2>/dev/tty8", true, true, "now"],
    );
    assert.deepEqual(warnings, []);
  });

  it("say later things last: options, .ppprc, options.tty, command line", () => {
    const files = {
      options: "mru 500 mtu 500 unit 1 user a",
      ".ppprc": "mtu 501 unit 2 user b",
      "options.ttyS7": "unit 3 user c",
    };
    const { line, process } = parse(["user", "d", "ttyS7"], files);
    assert.deepEqual([line["mru"], line["mtu"], process.unit, line["user"]], [500, 501, 3, "d"]);
    assert.equal(process.device, "/dev/ttyS7");
    assert.equal(parse(["user", "d", "/dev/ttyS8"], files).process.unit, 2);
  });

  it("find the device's own file when another file names the device, and it stays the device", () => {
    const files = { "peers/isp": "ttyS7 9600 noauth", "options.ttyS7": "mru 296 /dev/ttyS9" };
    const { line, process } = parse(["call", "isp"], files);
    assert.deepEqual([line["mru"], line["speed"], process.device], [296, 9600, "/dev/ttyS7"]);
  });

  it("give up on echoes late when they have no limit", () => {
    assert.equal(parse(["lcp-echo-interval", "30"]).line["echo-failures"], 100);
    assert.equal("echo-failures" in parse(["lcp-echo-failure", "3"]).line, false);
    assert.equal(parse(["pap-timeout", "0"]).line["auth-timeout"], 3600);
  });

  it("or together what every asyncmap says", () => {
    assert.equal(
      parse(["asyncmap", "200a0000"], { options: "asyncmap 80000001" }).line["asyncmap"],
      0xa00a_0001,
    );
    assert.equal(parse(["default-asyncmap", "asyncmap", "1"]).line["asyncmap"], 0xffff_ffff);
  });

  it("require authentication when told to, by what was told", () => {
    const required = (...args: string[]): unknown => parse(args).line["require-auth"];
    assert.deepEqual(required("auth"), ["chap-md5", "mschapv2", "pap"]);
    assert.deepEqual(required("+pap", "+chap"), ["chap-md5", "pap"]);
    assert.deepEqual(required("require-mschap-v2"), ["mschapv2"]);
    assert.deepEqual(required("require-pap", "noauth"), []);
    assert.deepEqual(required("require-pap", "noauth", "auth"), ["pap"]);
    assert.deepEqual(parse(["-pap", "refuse-chap", "refuse-mschap", "refuse-eap"]).line["refuse-auth"], [
      "pap",
      "chap-md5",
    ]);
  });

  it("make names as pppd does", () => {
    const names = (...args: string[]): unknown[] => {
      const { line } = parse(args);
      return [line["name"], line["user"], line["remote-name"]];
    };
    assert.deepEqual(names("domain", "quotron.com"), [
      "porsche.quotron.com",
      "porsche.quotron.com",
      undefined,
    ]);
    assert.deepEqual(names("name", "a", "domain", "b"), ["a", "a", undefined]);
    assert.deepEqual(names("name", "a", "usehostname"), ["porsche", "porsche", undefined]);
    assert.deepEqual(names("name", "a", "user", "u", ":far"), ["a", "u", "far"]);
    assert.deepEqual(names(":far", "remotename", "isp"), ["porsche", "porsche", "isp"]);
  });

  it("warn of a password that everybody can see, and take it", () => {
    const open = parse(["password", "sesame"]);
    assert.equal(open.line["password"], "sesame");
    assert.match(open.warnings.join(), /^command line: option "password": every user can see it/);
    assert.doesNotMatch(open.warnings.join(), /sesame/);
    const hidden = parse(["file", "{}/opts"], { opts: "password sesame" });
    assert.deepEqual([hidden.line["password"], hidden.warnings], ["sesame", []]);
    const fromFile = parse(["+ua", "{}/ua"], { ua: "joe\nsesame\n" });
    assert.deepEqual(
      [fromFile.line["user"], fromFile.line["password"], fromFile.warnings],
      ["joe", "sesame", []],
    );
  });

  it("warn of what does not apply, and say where it stood", () => {
    const { warnings } = parse(["proxyarp"], { options: "noccp\nbsdcomp 0\n\ndeflate 15,15\n" });
    assert.equal(warnings.length, 2);
    assert.match(warnings[0] ?? "", /\/options:4: option "deflate": packets are not compressed/);
    assert.match(warnings[1] ?? "", /^command line: option "proxyarp"/);
  });

  it("refuse what would be less safe, or not what was asked for", () => {
    for (const option of [
      "require-mppe",
      "require-mppe-128",
      "+mppe",
      "require-eap",
      "require-mschap",
      "login",
      "papcrypt",
      "demand",
      "xonxoff",
      "sync",
    ]) {
      fails(
        [option],
        new RegExp(`^command line: option "${option.replace("+", "\\+")}" is not supported: .`),
      );
    }
    fails([], /\/options:2: option "plugin" is not supported/, { options: "#\nplugin x.so" });
  });

  it("name what is unknown or wrong, and where it stood", () => {
    fails(["frobnicate"], /^command line: unknown option "frobnicate"$/);
    fails([], /\/\.ppprc:3: unknown option "frobnicate"$/, { ".ppprc": "lock\n\nfrobnicate" });
    fails(["mtu", "20"], /option "mtu" has "20"; allowed: an integer from 128 to 16384/);
    fails(["mtu", "abc"], /option "mtu" has "abc"/);
    fails(["mru"], /option "mru" lacks its value/);
    fails(["unit", "-1"], /option "unit" has "-1"/);
    fails(["asyncmap", "zz"], /hexadecimal/);
    fails(["ms-dns", "x"], /an IPv4 address/);
    fails(["127.0.0.1:10.0.0.1"], /LOCAL:REMOTE/);
    fails(["1.2.3:"], /LOCAL:REMOTE/);
    fails(["::1"], /LOCAL:REMOTE/);
    fails(["call", "../x"], /option "call"/);
    fails(["call", "/x"], /option "call"/);
    fails(["call", "nobody"], /^command line: cannot read the option file .*nobody/);
    fails(["file", "/nowhere/at/all"], /^command line: cannot read the option file \/nowhere\/at\/all/);
    fails(["notty", "/dev/ttyS0"], /exclude each other/);
    fails(["notty", "pty", "x"], /exclude each other/);
    fails(["ifname", "wan0"], /pppN/);
  });

  it("do not follow files that include each other for ever", () => {
    fails(["call", "a"], /without end/, { "peers/a": "call b", "peers/b": "call a" });
  });

  it("know endpoints and interface identifiers as pppd does", () => {
    const good: readonly (readonly [given: string, kept: string])[] = [
      ["null", "null"],
      ["local:70.70", "local:70.70"],
      ["IP:1.2.3.4", "IP:1.2.3.4"],
      ["ip:1.2.3.4", "IP:1.2.3.4"],
      ["3:00:11:22:33:44:55", "MAC:00.11.22.33.44.55"],
      ["MAC:001122334455", "MAC:00.11.22.33.44.55"],
      ["MAC:lo", "MAC:00.00.00.00.00.00"],
      ["magic:01020304.05", "magic:01.02.03.04.05"],
      ["phone:3132", "phone:12"],
      ["local:7", "local:07"],
      ["local:123", "local:12.03"],
      ["local:", "local:"],
    ];
    for (const [given, kept] of good) assert.equal(parse(["endpoint", given]).line["endpoint"], kept);
    for (const bad of [
      "foo:1",
      "local:zz",
      "IP:1.2.3",
      "MAC:0011",
      "local",
      "MAC:nosuch",
      `local:${"aa".repeat(21)}`,
    ]) {
      fails(["endpoint", bad], /option "endpoint"/);
    }
    const { line } = parse(["ipv6", "::1,::dead:beef:0:2"]);
    assert.deepEqual(
      [line["ipv6"], line["interface-identifier"], line["peer-interface-identifier"]],
      [true, "::1", "::dead:beef:0:2"],
    );
    assert.equal("interface-identifier" in parse(["ipv6", ",::2"]).line, false);
    for (const bad of ["fe80::1", "1", "::1,::2,::3", "::1:0:0:0:0"]) fails(["ipv6", bad], /option "ipv6"/);
  });

  it("take a pty or standard input and output for the line", () => {
    const { line, process } = parse(["pty", "ssh far pppd", "lock", "modem"]);
    assert.deepEqual(
      [line["carrier"], process.lock, process.modem, process.detach],
      [false, false, false, "now"],
    );
    assert.equal(parse(["notty"]).process.detach, "never");
  });

  it("are all that pppd 2.4.9 takes, with or without a value as there", () => {
    // Gathered by giving each name to that pppd: whether it knows it, and whether it misses a value.
    const file = join(ROOT, "tests", "config", "pppd-2.4.9-options.json");
    const known = JSON.parse(readFileSync(file, "utf8")) as { flags: string[]; values: string[] };
    assert.ok(known.flags.length > 100 && known.values.length > 80);
    for (const name of known.flags) assert.equal(PPPD_RULES.get(name)?.takes, 0, name);
    for (const name of known.values)
      if (!INCLUDES.has(name)) assert.equal(PPPD_RULES.get(name)?.takes, 1, name);
  });

  it("each do something, or are refused by name", () => {
    for (const [name, { takes, kind }] of PPPD_RULES) {
      if (kind === "refused") fails([name, "x"].slice(0, 1 + takes), /is not supported/);
      else if (takes === 0) assert.doesNotThrow(() => parse([name]), name);
      else fails([name], new RegExp(`option "${name.replace("+", "\\+")}" lacks its value`));
    }
  });

  it("never fail but with words about it", () => {
    const word = fc.oneof(
      fc.constantFrom(...PPPD_RULES.keys(), "file", "call"),
      fc.string(),
      fc.nat().map(String),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        try {
          parsePppdOptions(words, { directory: join(root, "none"), home: null, hostName: "h" });
        } catch (error) {
          assert.ok(error instanceof EqlError && error.message.length > 10, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
