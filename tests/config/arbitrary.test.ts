import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { parseConfig, parseLine } from "../../src/config/load.ts";
import { EqlError } from "../../src/errors.ts";

const parse = (text: string) => parseConfig(text, "eql.toml");

describe("whatever stands in the file", () => {
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("/dev/ttyS0", "eql", "sl0", "10.0.0.1", "fd00::1", "10.0.0.0/8"),
      fc.integer({ min: -10, max: 200_000 }),
      fc.double(),
      fc.boolean(),
      fc.date({ noInvalidDate: true, min: new Date("0001-01-01"), max: new Date("9999-12-31") }),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 3 }),
    ),
  })).value;
  const KEYS = [
    ..."socket socket-mode socket-group lock-directory log-level address peer mtu scheduler max-slaves".split(
      " ",
    ),
    ..."min-slaves queue-packets default-route routes device interface protocol speed rate rtscts lock".split(
      " ",
    ),
    ..."master echo-interval echo-failures".split(" "),
  ];
  const key = fc.oneof(fc.constantFrom(...KEYS), fc.string());
  const table = fc.dictionary(key, value, { maxKeys: 6 });
  const name = fc.oneof(fc.constantFrom("eql", "sl0", "ppp0"), fc.string());
  const tables = fc.oneof({ weight: 5, arbitrary: fc.dictionary(name, table, { maxKeys: 3 }) }, value);
  const document = fc.record({ daemon: table, master: tables, line: tables }, { requiredKeys: [] });

  const onlyEqlErrors = (run: () => unknown, code: string): void => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof EqlError && error.code === code, String(error));
    }
  };

  it("only an EqlError comes of it", () => {
    fc.assert(
      fc.property(document, (content) => onlyEqlErrors(() => parse(stringify(content)), "CONFIG_INVALID")),
    );
  });

  it("only an EqlError comes of text", () => {
    fc.assert(fc.property(fc.string(), (text) => onlyEqlErrors(() => parse(text), "CONFIG_INVALID")));
  });

  it("only an EqlError comes of the settings of a request", () => {
    const json = fc.dictionary(key, fc.oneof(value, fc.jsonValue()), { maxKeys: 6 });
    const config = parse('[master.eql]\n[line.sl0]\ndevice = "/dev/ttyS0"');
    fc.assert(
      fc.property(name, json, (line, settings) =>
        onlyEqlErrors(() => parseLine(line, settings, config), "REQUEST_INVALID"),
      ),
    );
  });
});
