import assert from "node:assert/strict";
import { it } from "node:test";
import type { WanCase } from "../../src/lab/wan-cases.ts";
import { costOf, runIdle } from "../../src/lab/wan-idle.ts";
import { needsHosts } from "./lab-support.ts";

const BRIEF: WanCase = {
  name: "brief",
  summary: "",
  links: [{ rateBps: 1_000_000 }, { rateBps: 1_000_000 }],
  seconds: 0.5,
  changes: [],
  idle: true,
};

it("measures what an idle bond takes of the processor and of its links", async (t) => {
  if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return;
  const { idle, runs } = await runIdle({ wan: BRIEF, repeat: 1, settleMs: 0 });
  assert.deepEqual(runs, [idle]);
  const { clientPercent, serverPercent, linkBps } = idle;
  assert.ok(clientPercent >= 0 && serverPercent >= 0, JSON.stringify(idle));
  // No more than the links carry.
  assert.ok(linkBps.length === 2 && linkBps.every(({ up, down }) => up >= 0 && down >= 0 && up + down < 2e6));
});

it("counts what is used from one look to another", () => {
  const usage = (cpuSeconds: number) => ({ cpuSeconds, peakResident: 0 });
  const count = (octets: number) => ({ octets, packets: 0, queueFull: 0, lost: 0, outage: 0, refused: 0 });
  const look = (client: number, server: number, up: number, down: number) => ({
    counts: { links: [{ up: count(up), down: count(down) }] },
    usage: [usage(client), usage(server)],
  });
  assert.deepEqual(costOf(look(1, 2, 500, 0), look(1.06, 2.03, 4250, 7500), 30), {
    clientPercent: 0.2,
    serverPercent: 0.1,
    linkBps: [{ up: 1000, down: 2000 }],
  });
});
