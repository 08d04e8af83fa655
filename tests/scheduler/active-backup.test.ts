import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Member } from "../../src/bundle/member.ts";
import { ActiveBackup } from "../../src/scheduler/active-backup.ts";
import { BundleHost, labelled } from "../bundle/host.ts";

describe("active-backup", () => {
  it("uses the fastest line alone, the next when that leaves, and the fastest again when it is back", () => {
    const host = new BundleHost(new ActiveBackup());
    const [, fast] = host.joined(14_400, 57_600, 28_800) as [Member, Member, Member];
    let label = 0;
    const send = (count: number): void => {
      for (let i = 0; i < count; i++) host.send(labelled(label++));
      host.run(5000);
    };
    send(10);
    assert.deepEqual(
      [0, 1, 2].map((line) => host.labels(line).length),
      [0, 10, 0],
    );
    for (let i = 0; i < 10; i++) host.send(labelled(label++));
    host.run(30);
    host.die(fast);
    host.run(10_000);
    assert.equal(host.labels(2).length, 20 - host.labels(1).length);
    send(5);
    assert.equal(host.labels(0).length, 0);
    assert.equal(host.labels().length, 25);
    host.bundle.join(fast);
    const before = host.labels(1).length;
    send(10);
    assert.equal(host.labels(1).length, before + 10);
    assert.equal(host.dropped, 0);
  });

  it("uses the one that joined first among equals", () => {
    const host = new BundleHost(new ActiveBackup());
    host.joined(28_800, 28_800);
    for (let i = 0; i < 10; i++) host.send(labelled(i));
    host.run(5000);
    assert.equal(host.labels(0).length, 10);
  });
});
