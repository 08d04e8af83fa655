import assert from "node:assert/strict";
import { it } from "node:test";
import { requireIntact, transferTcp } from "../../../src/lab/transfer.ts";
import { worldMissing } from "../world.ts";
import { SERVER, Star } from "./star.ts";

const BYTES = 30_000_000;

it("a client joins a running server, and leaves it, while another one's transfer goes on", {
  skip: worldMissing(),
}, async () => {
  const star = await Star.start(2, 0);
  try {
    assert.deepEqual(await star.reload(1), { applied: ["server.eqls.client.c1: removed"], restart: [] });
    await star.join(0);
    const [host] = star.hosts;
    assert.ok(host !== undefined);
    const before = await star.peer(0);
    const options = { address: SERVER, bytes: BYTES, seed: 1, index: 0, deadlineMs: 180_000 };
    const transfer = transferTcp(host, star.server, options);
    assert.deepEqual(await star.reload(2), { applied: ["server.eqls.client.c1: added"], restart: [] });
    await star.join(1);
    assert.equal((await star.peer(1)).session, "established");
    assert.deepEqual((await star.reload(1)).applied, ["server.eqls.client.c1: removed"]);
    requireIntact(await transfer, BYTES);
    // Neither its session nor its path began anew.
    const after = await star.peer(0);
    assert.ok((after.paths[0]?.received.octets ?? 0) >= (before.paths[0]?.received.octets ?? 0) + BYTES);
    assert.deepEqual([after.session, after.paths.length], ["established", 1]);
  } finally {
    await star.close();
  }
});
