import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig, parseLine } from "../../src/config/load.ts";

const FILE = "eql.toml";
const ANSWER = '[answer.a]\naddress = "10.0.0.1"\n';
const LINE = '[line.tty0]\ndevice = "/dev/ttyS0"\nrole = "answer"\nanswer = "a"\n';

describe("lines on which callers are answered", () => {
  it("are stations, with defaults for all but who may call from where", () => {
    const { lines, stations } = parseConfig(`${ANSWER}${LINE}`, FILE);
    assert.deepEqual(lines, []);
    const [station] = stations;
    assert.deepEqual(station?.answer, {
      name: "a",
      modem: {
        init: ["ATZ", "AT&C1&D2S0=0"],
        answer: "ATA",
        rings: 1,
        carrierWaitMs: 60_000,
        checkMs: 600_000,
      },
      waitsForCaller: false,
      login: {
        banner: "",
        loginPrompt: "login: ",
        passwordPrompt: "Password: ",
        refusal: "Login incorrect",
        tries: 3,
      },
      ppp: true,
      message: "$protocol session from ($local) to $remote beginning....\n",
      loginWaitMs: 60_000,
      usersFile: "/etc/eql/users.toml",
      radius: null,
      masquerade: false,
      forward: false,
      address: "10.0.0.1",
      pool: [],
      dns: [],
      maxLines: null,
      idleMs: null,
      sessionMs: null,
      accountingFile: null,
      accountingIntervalMs: null,
    });
    const { line } = station ?? assert.fail();
    assert.deepEqual(
      [line.kind, line.address, line.peer, line.carrier, line.echo],
      ["ppp", "10.0.0.1", null, true, null],
    );
    assert.notEqual(line.ppp?.lcp.multilink, null);
    assert.notEqual(line.ppp?.lcp.echo, null);
  });

  it("take what is their own from the line, and the rest from the answer", () => {
    const { stations } = parseConfig(
      `${ANSWER}dns = ["10.0.0.53"]\ndirect = true\n${LINE}address = "10.0.0.2"\npeer = "10.0.0.3"\nmultilink = false\n`,
      FILE,
    );
    const { line } = stations[0] ?? assert.fail();
    assert.deepEqual([line.address, line.peer, line.carrier], ["10.0.0.2", "10.0.0.3", false]);
    assert.equal(line.ppp?.lcp.multilink, null);
    assert.deepEqual(line.ppp?.network.ipv4?.dns, [Uint8Array.of(10, 0, 0, 53)]);
  });

  it("need no modem, or one that answers by itself", () => {
    const modemOf = (keys: string) =>
      parseConfig(`${ANSWER}${keys}\n${LINE}`, FILE).stations[0]?.answer.modem;
    assert.equal(modemOf("direct = true"), null);
    assert.equal(modemOf("auto-answer = true")?.answer, null);
  });

  const wrong: readonly [source: string, message: RegExp][] = [
    [LINE, /line.tty0.answer: found "a"; allowed: an \[answer.NAME\], and there is none/],
    [`${ANSWER}${LINE.replace('"a"', '"b"')}`, /line.tty0.answer: found "b"; allowed: a/],
    [`${ANSWER}${LINE.replace('answer = "a"\n', "")}`, /line.tty0.answer: found nothing; allowed: a/],
    [`${ANSWER}${LINE.replace('role = "answer"\n', "")}`, /line.tty0.answer: callers are answered with role/],
    [`[answer.a]\n${LINE}`, /line.tty0.address: found none, here and in answer.a/],
    [
      `${ANSWER}${LINE}protocol = "ppp"`,
      /line.tty0.protocol: a line with role = "answer" has no such setting/,
    ],
    [`[master.eql]\n${ANSWER}${LINE}master = "eql"`, /line.tty0.master: a line with role = "answer"/],
    [
      `${ANSWER}${LINE.replace('device = "/dev/ttyS0"', "")}`,
      /line.tty0: found neither device nor interface/,
    ],
    [
      `${ANSWER}${LINE}${LINE.replace("tty0", "tty1")}`,
      /line.tty1.device: found "\/dev\/ttyS0", which line.tty0 has/,
    ],
    [`${ANSWER}login = false\nppp = false\n`, /answer.a.ppp: found false, and login as well/],
    [`${ANSWER}direct = true\nrings = 2\n`, /answer.a.rings: a direct line has no modem/],
    [`${ANSWER}wait-for-caller = true\n`, /answer.a.wait-for-caller: only on a direct line/],
    [`${ANSWER}auto-answer = true\nanswer-command = "ATA"\n`, /answer.a.answer-command: found auto-answer/],
    [
      `${ANSWER}radius = "isp"\n`,
      /answer.a.radius: found "isp"; allowed: a \[radius.NAME\], and there is none/,
    ],
    [`${ANSWER}masquerade = true\n`, /answer.a.masquerade: found no pool/],
    [`${ANSWER}forward = true\n`, /answer.a.forward: found no masquerade/],
    ['[answer.a]\naddress = "fd00::1"\n', /answer.a.address: found fd00::1; allowed: an IPv4 address/],
    [`${ANSWER}pool = ["10.0.0.9-10.0.0.8"]\n`, /answer.a.pool/],
    [`${ANSWER}tries = 0\n`, /answer.a.tries: found 0; allowed: an integer from 1 to 100/],
  ];
  for (const [source, message] of wrong) {
    it(`are refused: ${JSON.stringify(source)}`, () => {
      assert.throws(() => parseConfig(source, FILE), { code: "CONFIG_INVALID", message });
    });
  }

  it("cannot be added while the daemon runs", () => {
    const config = parseConfig(ANSWER, FILE);
    const settings = { device: "/dev/ttyS0", role: "answer", answer: "a" };
    assert.throws(() => parseLine("tty0", settings, config), {
      code: "REQUEST_INVALID",
      message: /role: found "answer"/,
    });
  });
});
