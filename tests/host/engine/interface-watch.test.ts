import assert from "node:assert/strict";
import { it } from "node:test";
import { EqlError } from "../../../src/errors.ts";
import { InterfaceWatch } from "../../../src/host/engine/interface-watch.ts";
import { Registry } from "../../../src/host/engine/registry.ts";
import { type NetlinkEvent, NetlinkMonitor } from "../../../src/host/netlink-monitor.ts";
import { instant } from "../../../src/time.ts";

type Arguments = ConstructorParameters<typeof InterfaceWatch>;

it("lists interfaces again until it has succeeded, when changes were lost", (t) => {
  const told: NetlinkEvent[] = [{ type: "overrun" }];
  t.mock.method(NetlinkMonitor.prototype, "read", (on: (event: NetlinkEvent) => void) => {
    for (const event of told.splice(0)) on(event);
  });
  let isChanging = true;
  let listings = 0;
  const netlink = {
    interfaces: () => {
      listings++;
      if (isChanging) throw new EqlError("NETLINK_FAILED", "the list changed each time that it was read");
      return [];
    },
  };
  const removed: number[] = [];
  const tunnels = { indexes: [7], handleRemoved: (index: number) => removed.push(index) };
  const watch = new InterfaceWatch(
    netlink as unknown as Arguments[0],
    new Registry(),
    {} as Arguments[2],
    tunnels as unknown as Arguments[3],
    () => {},
  );
  t.after(() => watch.close());
  for (let i = 0; i < 2; i++) {
    assert.throws(() => watch.handleReadable(instant(i)), { code: "NETLINK_FAILED" });
  }
  isChanging = false;
  watch.handleReadable(instant(2));
  assert.deepEqual(removed, [7]);
  watch.handleReadable(instant(3));
  assert.equal(listings, 3);
});
