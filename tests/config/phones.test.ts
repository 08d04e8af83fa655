import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as z from "zod";
import { allowedBy } from "../../src/config/keys.ts";
import { loadPhones, PHONE_SCHEMAS, parsePhones } from "../../src/config/phones.ts";
import { read } from "../docs/markdown.ts";

const FILE = "phones.toml";

describe("the configuration of a telephone network", () => {
  it("has defaults for all but devices and numbers", () => {
    const config = parsePhones('[modem.a]\ndevice = "/tmp/a"\n[number.5]\nmodems = ["a"]\n', FILE);
    assert.deepEqual(config, {
      network: {
        modems: [{ name: "a", portBps: 115_200, carrierBps: 28_800 }],
        numbers: [{ number: "5", answers: ["a"], busyShare: 0, noCarrierShare: 0 }],
        seed: 1,
        setupMs: 1500,
        trainingMs: 10_000,
        meanCallMs: null,
        noiseOneIn: null,
      },
      links: [{ modem: "a", link: "/tmp/a" }],
    });
  });

  it("takes all that there is", () => {
    const { network } = parsePhones(
      `[network]
      seed = 7
      setup-ms = 1
      training-ms = 2
      mean-call-minutes = 0.5
      noise-one-in = 10000
      [modem.a]
      device = "/tmp/a"
      speed = 57600
      carrier = 14400
      [number.911]
      fate = "voice"
      [number.5]
      modems = ["a"]
      busy-share = 0.2
      no-carrier-share = 0.05`,
      FILE,
    );
    assert.deepEqual(network, {
      modems: [{ name: "a", portBps: 57_600, carrierBps: 14_400 }],
      numbers: [
        { number: "5", answers: ["a"], busyShare: 0.2, noCarrierShare: 0.05 },
        { number: "911", answers: "voice", busyShare: 0, noCarrierShare: 0 },
      ],
      seed: 7,
      setupMs: 1,
      trainingMs: 2,
      meanCallMs: 30_000,
      noiseOneIn: 10_000,
    });
  });

  const modem = '[modem.a]\ndevice = "/tmp/a"\n';
  const wrong: readonly [source: string, message: RegExp][] = [
    ["", /^phones.toml: modem: there is none/],
    [`${modem}[modem.b]\ndevice = "/tmp/a"`, /modem.b.device: modem a has it already/],
    [`${modem}carrier = 230400`, /modem.a.carrier: found 230400; allowed: at most 115200, the port's speed/],
    [`${modem}baud = 1`, /modem.a.baud: unknown key; allowed: device, speed, carrier/],
    [`${modem}speed = "fast"`, /modem.a.speed: found "fast"; allowed: an integer from 300/],
    ["[modem.a]", /modem.a.device: found nothing; allowed: an absolute path/],
    ["modem = 1", /modem: found 1; allowed: tables/],
    [`${modem}[modem."a b"]\ndevice = "/tmp/b"`, /modem."a b": allowed: a name/],
    [`${modem}[number.12ab]\nfate = "busy"`, /number.12ab: allowed: a number of/],
    [`${modem}[number.1]`, /number.1: give either modems or fate/],
    [`${modem}[number.1]\nfate = "busy"\nmodems = ["a"]`, /number.1: give either modems or fate/],
    [`${modem}[number.1]\nmodems = ["a", "b"]`, /number.1.modems\[1\]: found "b"; allowed: a modem: a/],
    [`${modem}[number.1]\nfate = "dead"`, /number.1.fate: found "dead"; allowed: "busy", "no-answer"/],
    [`${modem}[line.sl0]`, /line: unknown key; allowed: network, modem, number/],
    [`${modem}[`, /^phones.toml:\d+:\d+: not TOML: /],
  ];
  for (const [source, message] of wrong) {
    it(`refuses ${JSON.stringify(source)}`, () => {
      assert.throws(() => parsePhones(source, FILE), { code: "CONFIG_INVALID", message });
    });
  }

  it("says when the file is not there", () => {
    assert.throws(() => loadPhones("/nonexistent/phones.toml"), { code: "CONFIG_UNREADABLE" });
  });

  it("is described key by key in docs/phone-network.md", () => {
    const page = read("docs/phone-network.md");
    const rows = [...page.matchAll(/^\| `([\w-]+)` \|([^|]*)\| ([^|]+) \| ([^|]+) \|$/gm)];
    const keys = Object.values(PHONE_SCHEMAS).flatMap((schema) =>
      Object.entries(schema.shape).map(([key, value]) => {
        const standard = value instanceof z.ZodDefault ? String(value.def.defaultValue) : "";
        const optional = value instanceof z.ZodOptional || standard !== "";
        return [key, optional ? standard : "required", allowedBy(value), value.description];
      }),
    );
    assert.deepEqual(
      rows.map(([, key, standard = "", allowed, meaning]) => [key, standard.trim(), allowed, meaning]),
      keys,
    );
  });
});
