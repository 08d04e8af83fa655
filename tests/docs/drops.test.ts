import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { ClassicBundle } from "../../src/bundle/classic-bundle.ts";
import { NumberedBundle } from "../../src/bundle/numbered-bundle.ts";
import { resequencerMemory } from "../../src/bundle/resequencer.ts";
import { bundleDrops } from "../../src/host/engine/master-port.ts";
import { DeviceLink } from "../../src/link/device-link.ts";
import { PppLink, pppLinkMemory } from "../../src/link/ppp-link.ts";
import { SlipLink, slipLinkMemory } from "../../src/link/slip-link.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { ROOT, read, sectionOf } from "./markdown.ts";

/** Counted by ports, beside what their links and bundles count. */
const OF_PORTS = ["undelivered", "refused", "interfaceDropped"];

it("docs/serial-lines.md explains every reason for which something is dropped", () => {
  const mtu = 576;
  const memory = new Uint8Array(resequencerMemory(mtu));
  const numbered = new NumberedBundle(new EarliestArrival(), mtu, 16, 1, memory, mtu);
  const counted = new Set([
    ...Object.keys(new SlipLink(mtu, new Uint8Array(slipLinkMemory(mtu, mtu))).drops),
    ...Object.keys(new PppLink(mtu, new Uint8Array(pppLinkMemory(mtu, mtu))).drops),
    ...Object.keys(new DeviceLink(mtu, new Uint8Array(2 * mtu)).drops),
    ...Object.keys(bundleDrops(new ClassicBundle(new EarliestArrival(), mtu, 16, 1))),
    ...Object.keys(bundleDrops(numbered)),
    ...OF_PORTS,
  ]);
  const section = sectionOf(read("docs/serial-lines.md"), "What is dropped");
  const explained = [...section.matchAll(/^\| `(\w+)` \| [^|]+ \| [^|]+ \|$/gm)].map(
    ([, reason = ""]) => reason,
  );
  assert.deepEqual(explained.toSorted(), [...counted].toSorted());
  const ports = readdirSync(join(ROOT, "src/host/engine")).map((file) => read(`src/host/engine/${file}`));
  for (const reason of OF_PORTS) assert.ok(ports.join().includes(`${reason}: `), reason);
});
