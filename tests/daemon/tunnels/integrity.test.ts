import assert from "node:assert/strict";
import { it } from "node:test";
import { checksumErrors } from "../../../src/lab/tcp-counters.ts";
import { transferTcp } from "../../../src/lab/transfer.ts";
import { WanBond } from "../../../src/lab/wan-bond.ts";
import { WanWorld } from "../../../src/lab/wan-world.ts";
import { programsMissing, worldMissing } from "../world.ts";

const BYTES = 2 ** 31;
/** A few seconds each on a machine that has nothing else to do. */
const DEADLINE_MS = 600_000;

/** On the server: in both directions one link loses some, another one all while it is cut. */
const RULES = `table inet rough {
  chain lossy { numgen random mod 200 < 1 drop; }
  chain cut { }
  chain in { type filter hook input priority 0; iifname wan1 jump lossy; iifname wan2 jump cut; }
  chain out { type filter hook output priority 0; oifname wan1 jump lossy; oifname wan2 jump cut; }
}`;
/** What is done when so much of the transfer has arrived. */
const CHANGES = [
  [0.2, "add rule inet rough cut drop"],
  [0.3, "flush chain inet rough cut"],
  [0.6, "add rule inet rough cut drop"],
  [0.7, "flush chain inet rough cut"],
] as const;

const missing = worldMissing() || programsMissing(["nft"]);

it("carries gigabytes intact by three links without limit, of which one loses and one is cut", {
  skip: missing,
}, async (t) => {
  const world = await WanWorld.start({ links: [null, null, null] });
  t.after(() => world.close());
  const { client, server } = world;
  const bond = await WanBond.start(world, { links: 3 });
  t.after(() => bond.close());
  await server.must(["nft", RULES]);

  const ahead = [...CHANGES];
  let changed: Promise<unknown> = Promise.resolve();
  const onProgress = (octets: number): void => {
    for (; octets >= (ahead[0]?.[0] ?? Number.POSITIVE_INFINITY) * BYTES; ahead.shift()) {
      const [, command = ""] = ahead[0] ?? [];
      changed = changed.then(() => server.must(["nft", command]));
    }
  };
  const transfer = { address: bond.address, bytes: BYTES, seed: 5, deadlineMs: DEADLINE_MS, onProgress };
  const { intact, octets } = await transferTcp(client, server, transfer);
  await changed;
  assert.deepEqual([octets, intact], [BYTES, true]);
  // The tag of a datagram vouches for the checksum inside, so the kernels see little of our own damage; what they see is that.
  for (const { pid } of [client, server]) assert.equal(checksumErrors(pid), 0);

  const [peer] = (await bond.client.status()).tunnels[0]?.peers ?? [];
  // Where the processor is the limit, one of them may get next to nothing: that all are filled is tested on virtual time.
  const carried = (peer?.paths ?? []).filter(({ sent }) => sent.octets > 1_000_000);
  assert.ok(carried.length >= 2, JSON.stringify(peer?.paths));
  assert.ok((peer?.sent.repeated ?? 0) > 0, "what was lost has been sent again");
});
