import assert from "node:assert/strict";
import { it } from "node:test";
import { instant } from "../../src/time.ts";
import { RunFlows } from "../../src/tunnel/run-flow.ts";

it("keeps flows that wait or have just rested, and forgets others", () => {
  const flows = new RunFlows(1024);
  const waiting = [3, 500, 1023];
  const justRested = [7, 1022];
  const made = [...waiting, 100, ...justRested, 200].map((bucket) => flows.flowOf(bucket, instant(0)));
  for (const flow of made) {
    flow.restedAt = justRested.includes(flow.bucket) ? 4500 : 0;
    if (waiting.includes(flow.bucket)) flow.head = 1;
  }
  flows.flowOf(300, instant(5000));
  assert.deepEqual(
    flows.all.map(({ bucket }) => bucket).sort((a, b) => a - b),
    [3, 7, 300, 500, 1022, 1023],
  );
  for (const flow of made) {
    const isKept = flows.all.includes(flow);
    assert.equal(flows.flowOf(flow.bucket, instant(5000)) === flow, isKept);
  }
});
