import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { EqlError, ERROR_CODES } from "../src/errors.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("the list of error codes", () => {
  it("is sorted, so that each stands there once", () => {
    // By words: SLAVE_UNKNOWN stands before SLAVES_FULL.
    const words = (code: string) => code.replaceAll("_", " ");
    const sorted = [...new Set(ERROR_CODES)].toSorted((a, b) => (words(a) < words(b) ? -1 : 1));
    assert.deepEqual(ERROR_CODES, sorted);
  });

  it("has an entry each in docs/errors.md, in the same order, with what it means and what to do", () => {
    const [, ...entries] = readFileSync(join(ROOT, "docs/errors.md"), "utf8").split(/^## /m);
    const codes = entries.map((entry) => entry.split("\n")[0]);
    assert.deepEqual(codes, ERROR_CODES);
    for (const entry of entries) {
      assert.match(entry, /^[A-Z_]+\n\n\S[\s\S]+\n\n\*\*What to do:\*\* \S/, entry);
    }
  });

  it("has no code that nothing uses", () => {
    const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && file !== "errors.ts")
      .map((file) => readFileSync(join(ROOT, "src", file), "utf8"));
    const unused = ERROR_CODES.filter((code) => !sources.some((source) => source.includes(`"${code}"`)));
    assert.deepEqual(unused, []);
  });
});

describe("an EqlError", () => {
  it("carries code, details and cause", () => {
    const cause = new Error("why");
    const error = new EqlError("DEVICE_BUSY", "in use", { details: { device: "/dev/ttyS0" }, cause });
    assert.ok(error instanceof Error);
    assert.deepEqual(
      [error.name, error.code, error.message, error.details, error.cause],
      ["EqlError", "DEVICE_BUSY", "in use", { device: "/dev/ttyS0" }, cause],
    );
    assert.deepEqual(new EqlError("DEVICE_BUSY", "in use").details, {});
  });
});
