import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "smol-toml";
import * as z from "zod";
import { configJsonSchema, configJsonSchemaText } from "../../src/config/json-schema.ts";

const ROOT = new URL("../../../", import.meta.url);

it("schema/eql.schema.json is what the code says", () => {
  const published = readFileSync(new URL("schema/eql.schema.json", ROOT), "utf8");
  assert.equal(published, configJsonSchemaText(), "out of date; run: npm run schema");
});

describe("the JSON Schema", () => {
  const schema = z.fromJSONSchema(configJsonSchema() as z.core.JSONSchema.JSONSchema);
  const accepts = (toml: string) => schema.safeParse(parse(toml)).success;

  for (const name of readdirSync(new URL("examples/", ROOT)).filter((file) => file.endsWith(".toml"))) {
    it(`accepts examples/${name}`, () => {
      assert.ok(accepts(readFileSync(new URL(`examples/${name}`, ROOT), "utf8")));
    });
  }

  it("refuses unknown keys, wrong types, wrong names and what is out of range", () => {
    assert.ok(accepts('[line.sl0]\nspeed = 9600\nroutes = ["10.0.0.0/8"]'));
    for (const wrong of [
      "[lines.sl0]",
      "[line.sl0]\nsped = 9600",
      '[line.sl0]\nspeed = "9600"',
      "[line.sl0]\nmtu = 67",
      '[line."a b"]',
      '[line.sl0]\nroutes = ["everywhere"]',
      '[master.eql]\nscheduler = "fastest"',
      '[daemon]\nsocket-mode = "rw"',
    ]) {
      assert.ok(!accepts(wrong), wrong);
    }
  });

  it("says about each key what it is and what is allowed", () => {
    const said = JSON.stringify(configJsonSchema());
    assert.match(
      said,
      /"description":"Speed of the port\. Allowed: an integer from 50 to 100000000 \(bits per second\)\."/,
    );
    assert.doesNotMatch(said, /Allowed: (nothing|undefined)/);
    assert.doesNotMatch(said, /"allowed"/);
  });
});
