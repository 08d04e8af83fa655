import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { completeRadius, radiusSchema } from "../../src/config/radius-keys.ts";

const least = { servers: ["192.0.2.1", "radius.example.org"], "secret-file": "/etc/eql/radius.secret" };

describe("the keys of RADIUS", () => {
  it("have defaults for all but the servers and the secret", () => {
    assert.deepEqual(completeRadius(radiusSchema.parse(least)), {
      servers: ["192.0.2.1", "radius.example.org"],
      secretFile: "/etc/eql/radius.secret",
      authPort: 1812,
      accountingPort: 1813,
      interimMs: null,
      tryMs: 3000,
      tries: 3,
      mustSign: true,
      identifier: null,
      address: null,
    });
  });

  it("are taken as they are given", () => {
    const table = radiusSchema.parse({
      ...least,
      "auth-port": 1645,
      accounting: false,
      interim: 600,
      timeout: 0.5,
      tries: 1,
      "unsigned-replies": true,
      "nas-identifier": "pm3",
      "nas-address": "192.0.2.9",
    });
    const { authPort, accountingPort, interimMs, tryMs, tries, mustSign, identifier, address } =
      completeRadius(table);
    assert.deepEqual(
      [authPort, accountingPort, interimMs, tryMs, tries, mustSign, identifier, address],
      [1645, null, 600_000, 500, 1, false, "pm3", "192.0.2.9"],
    );
  });

  it("are refused when they say what cannot be", () => {
    for (const wrong of [
      { servers: [] },
      { servers: ["two words"] },
      { "secret-file": "radius.secret" },
      { "auth-port": 0 },
      { interim: 10 },
      { "nas-address": "fd00::1" },
      { secret: "x" },
    ]) {
      assert.ok(!radiusSchema.safeParse({ ...least, ...wrong }).success, JSON.stringify(wrong));
    }
  });
});
