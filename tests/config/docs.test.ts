import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import * as z from "zod";
import { answerSchema } from "../../src/config/answer-keys.ts";
import { dialSchema } from "../../src/config/dial-keys.ts";
import { allowedBy } from "../../src/config/keys.ts";
import { radiusSchema } from "../../src/config/radius-keys.ts";
import { daemonSchema, lineSchema, masterSchema } from "../../src/config/schema.ts";
import { clientSchema, serverKeys } from "../../src/config/tunnel-keys.ts";
import { USER_SCHEMA } from "../../src/config/users-file.ts";

const page = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}`, import.meta.url), "utf8");

/** The cells of each row of the table in a section. */
function rowsOf(section: string, name: string): string[][] {
  const body = page(name)
    .split(/^## /m)
    .find((part) => part.startsWith(section));
  assert.ok(body !== undefined, `no section ${section}`);
  return body
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}

/** Defaults that come from another key, and so do not stand in the schema. */
const DERIVED: Readonly<Record<string, string>> = {
  "[master.NAME] lines-wanted": "all; 1 with `demand`",
  "[master.NAME] mtu": "1500; 1440 with `server`",
  "[line.NAME] carrier": "true for a line that dials or answers",
  "[line.NAME] numbers": "those of `dial`",
  "[line.NAME] rate": "`speed`",
  "[line.NAME] mtu": "that of the master, else 1500",
  "[line.NAME] address": "that of the master",
  "[line.NAME] peer": "that of the master",
  "[line.NAME] echo-interval": "none; 5 with multilink",
  "[line.NAME] mru": "`mtu`",
  "[line.NAME] multilink": "true with a `master`",
  "[line.NAME] mrru": "`mtu`, at least 1500",
  "[line.NAME] endpoint": "a random one",
  "[line.NAME] name": "that of the host",
  "[line.NAME] user": "`name`",
  "[line.NAME] accept-local": "true without `address`",
  "[line.NAME] accept-remote": "true without `peer`",
  "[line.NAME] interface-identifier": "a random one",
  "[line.NAME] peer-interface-identifier": "a random one",
};

describe("the tables of keys in the documents", () => {
  for (const [section, { shape }, name = "configuration.md"] of [
    ["[daemon]", daemonSchema],
    ["[master.NAME]", masterSchema],
    ["[dial.NAME]", dialSchema],
    ["[answer.NAME]", answerSchema],
    ["[radius.NAME]", radiusSchema],
    ["[server.NAME]", z.strictObject(serverKeys)],
    ["[server.NAME.client.WHO]", clientSchema],
    ["[line.NAME]", lineSchema],
    ["Users", USER_SCHEMA, "answering.md"],
  ] as const) {
    const schemas = Object.entries<z.ZodType>(shape);

    it(`has every key of ${section}, in order, with what is allowed and the default`, () => {
      const expected = schemas.map(([key, schema]) => {
        const given = schema.safeParse(undefined).data;
        const fallback =
          given === undefined ? (DERIVED[`${section} ${key}`] ?? "none") : `\`${JSON.stringify(given)}\``;
        return [`\`${key}\``, allowedBy(schema), fallback];
      });
      assert.deepEqual(
        rowsOf(section, name).map((cells) => cells.slice(0, 3)),
        expected,
      );
    });

    it(`says what each key of ${section} means`, () => {
      for (const cells of rowsOf(section, name)) {
        assert.equal(cells.length, 4, `too many cells: ${cells.join(" | ")}`);
        assert.match(cells[3] ?? "", /^[A-Z].*\.$/);
      }
    });
  }
});
