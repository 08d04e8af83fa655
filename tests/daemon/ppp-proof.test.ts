import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import type { Interfaces } from "../../src/daemon/interfaces.ts";
import { Line, type LineOwner } from "../../src/daemon/line.ts";
import type { Logger } from "../../src/daemon/log.ts";
import { PppLines } from "../../src/daemon/ppp-lines.ts";
import { EqlError } from "../../src/errors.ts";
import type { EngineClient } from "../../src/host/engine/client.ts";
import type { Proof, Verdict } from "../../src/ppp/proof.ts";
import { eventually } from "./world.ts";

const PROOF: Proof = { id: 4711, name: "joe", method: "pap", password: Buffer.from("sesame") };
const DEADLINE_MS = 60_000;

/** What the engine is asked when a line with such an owner has told a proof. */
async function verdictOf(
  verify: LineOwner["verify"],
  refuses?: EqlError,
): Promise<{ readonly asked: unknown; readonly logged: string }> {
  const asked: unknown[] = [];
  let logged = "";
  const log = (fields: object, message: string): void => {
    logged += `${message} ${JSON.stringify(fields)}`;
  };
  const engine = {
    request: async (operation: string, request: object) => {
      asked.push([operation, request]);
      return refuses === undefined ? Promise.resolve(null) : Promise.reject(refuses);
    },
  };
  const ppp = new PppLines(
    engine as unknown as EngineClient,
    {} as Interfaces,
    { debug: log, info: log, warn: log } as unknown as Logger,
    "/run/test/control.sock",
  );
  const line = new Line({ name: "in1", master: null } as LineConfig);
  line.owner = {
    wantsMultilink: false,
    tell: () => {},
    nameInterface: () => null,
    handleEstablished: async () => Promise.resolve(),
    handleClosed: () => {},
    ...(verify !== undefined && { verify }),
  };
  ppp.handleLink(line, { kind: "proof", proof: PROOF });
  await eventually("the verdict", () => asked.length > 0, DEADLINE_MS);
  return { asked: asked[0], logged };
}

describe("a proof of a line's peer", () => {
  it("is judged by the line's owner", async () => {
    const proofs: Proof[] = [];
    const verdict: Verdict = { ok: true, addresses: ["10.0.0.9"] };
    const { asked, logged } = await verdictOf(async (proof) => {
      proofs.push(proof);
      return Promise.resolve(verdict);
    });
    assert.deepEqual(asked, ["verdict", { line: "in1", id: 4711, verdict }]);
    assert.deepEqual(proofs, [PROOF]);
    assert.equal(logged, "");
  });

  it("is refused where nobody judges", async () => {
    const { asked } = await verdictOf(undefined);
    const verdict = { ok: false, message: "nobody is there to judge it" };
    assert.deepEqual(asked, ["verdict", { line: "in1", id: 4711, verdict }]);
  });

  it("is refused when who judges cannot, and the log says why, but not the password", async () => {
    const { asked, logged } = await verdictOf(async () =>
      Promise.reject(new EqlError("CONFIG_UNREADABLE", "the file is gone")),
    );
    assert.deepEqual(asked, [
      "verdict",
      { line: "in1", id: 4711, verdict: { ok: false, message: "the file is gone" } },
    ]);
    assert.match(logged, /CONFIG_UNREADABLE/);
    assert.ok(!logged.includes("sesame"));
  });

  it("may have lost its line meanwhile", async () => {
    const { asked } = await verdictOf(undefined, new EqlError("LINE_UNKNOWN", "there is no line in1"));
    assert.ok(asked !== undefined);
  });
});
