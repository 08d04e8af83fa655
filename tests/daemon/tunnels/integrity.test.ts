import assert from "node:assert/strict";
import { it } from "node:test";
import { checksumErrors } from "../../../src/lab/tcp-counters.ts";
import { transferTcp } from "../../../src/lab/transfer.ts";
import { WanBond } from "../../../src/lab/wan-bond.ts";
import { WanWorld } from "../../../src/lab/wan-world.ts";
import { programsMissing, worldMissing } from "../world.ts";

const BYTES = 2 ** 31;
/** Some twenty seconds on a machine that has nothing else to do. */
const DEADLINE_MS = 600_000;

/** On the server: in both directions one link loses some, and those that are cut all. */
const RULES = `table inet rough {
  chain lossy { numgen random mod 200 < 1 drop; }
  chain cut { }
  chain in { type filter hook input priority 0; iifname wan1 jump lossy; jump cut; }
  chain out { type filter hook output priority 0; oifname wan1 jump lossy; jump cut; }
}`;
/** Which links are cut when so much of the transfer has arrived; each carries all of it once: who is faster may carry nearly all else. */
const CUTS: readonly (readonly [share: number, links: readonly string[]])[] = [
  [0.1, ["wan2"]],
  [0.2, []],
  [0.3, ["wan1", "wan2"]],
  [0.4, []],
  [0.5, ["wan0", "wan2"]],
  [0.6, []],
  [0.7, ["wan0", "wan1"]],
  [0.8, []],
];
const commands = (links: readonly string[]): readonly string[] => [
  "flush chain inet rough cut",
  ...(links.length === 0
    ? []
    : ["iifname", "oifname"].map((end) => `add rule inet rough cut ${end} { ${links.join()} } drop`)),
];

const missing = worldMissing() || programsMissing(["nft"]);

it("carries gigabytes intact by three links without limit, of which one loses and all but one are cut now and then", {
  skip: missing,
}, async (t) => {
  const world = await WanWorld.start({ links: [null, null, null] });
  t.after(() => world.close());
  const { client, server } = world;
  const bond = await WanBond.start(world, { links: 3 });
  t.after(() => bond.close());
  await server.must(["nft", RULES]);

  const ahead = [...CUTS];
  let changed: Promise<unknown> = Promise.resolve();
  const onProgress = (octets: number): void => {
    for (; octets >= (ahead[0]?.[0] ?? Number.POSITIVE_INFINITY) * BYTES; ahead.shift()) {
      const [, links] = ahead[0] ?? [0, []];
      changed = changed.then(() => server.must(["nft", commands(links).join("; ")]));
    }
  };
  const transfer = { address: bond.address, bytes: BYTES, seed: 5, deadlineMs: DEADLINE_MS, onProgress };
  const { intact, octets } = await transferTcp(client, server, transfer);
  await changed;
  assert.deepEqual([octets, intact], [BYTES, true]);
  // The tag of a datagram vouches for the checksum inside, so the kernels see little of our own damage; what they see is that.
  for (const { pid } of [client, server]) assert.equal(checksumErrors(pid), 0);

  const [peer] = (await bond.client.status()).tunnels[0]?.peers ?? [];
  for (const { name, sent } of peer?.paths ?? [])
    assert.ok(sent.octets > 1_000_000, `${name}: ${sent.octets}`);
  assert.ok((peer?.sent.repeated ?? 0) > 0, "what was lost has been sent again");
});
