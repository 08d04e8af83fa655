import assert from "node:assert/strict";
import { mock } from "node:test";
import { EqlError } from "../../../src/errors.ts";
import { Engine } from "../../../src/host/engine/engine.ts";
import type { LineSettings } from "../../../src/host/engine/messages.ts";
import { Watcher } from "../../../src/host/engine/watcher.ts";
import { Netlink } from "../../../src/host/netlink.ts";
import { Pty } from "../../../src/host/pty.ts";
import { scenario } from "../netlink-scenario.ts";

const lineAt = (device: string): LineSettings => ({
  name: "sl0",
  kind: "slip",
  device,
  speedBps: 38400,
  rateBps: 38400,
  rtscts: false,
  carrier: false,
  demand: false,
  lockDirectory: null,
  mtu: 576,
  echo: null,
  ppp: null,
});

scenario(import.meta.url, "knows of an interface what was done before it is asked", () => {
  const engine = new Engine(() => {});
  const netlink = new Netlink();
  const pty = Pty.open();
  const master = engine.handle("addMaster", {
    name: "eql",
    mtu: 576,
    scheduler: "earliest-arrival",
    maxSlaves: 4,
    minSlaves: 1,
    queuePackets: 64,
  });
  engine.handle("addLine", lineAt(pty.path));
  const line = engine.handle("openLine", { name: "sl0", multilink: false, talk: null });
  netlink.setUp(master.index, true);
  netlink.setUp(line.index, true);
  engine.handle("enslave", { master: "eql", slave: "sl0", bps: 38400 });
  const [status] = engine.handle("status", {}).lines;
  assert.equal(status?.state, "enslaved");
  engine.handle("stop", {});
  pty.close();
  netlink.close();
});

scenario(import.meta.url, "opens a line that could not be watched when it can", () => {
  const engine = new Engine(() => {});
  const pty = Pty.open();
  engine.handle("addLine", lineAt(pty.path));
  const talk = { talk: "modem", device: pty.path, speedBps: 38400, rtscts: false, lockDirectory: null };
  const opening = { name: "sl0", multilink: false, talk: null };
  const refusing = mock.method(Watcher.prototype, "watch", () => {
    throw new EqlError("SYSTEM_CALL_FAILED", "epoll_ctl: ENOSPC");
  });
  assert.throws(() => engine.handle("openTalk", talk), /ENOSPC/);
  assert.throws(() => engine.handle("openLine", opening), /ENOSPC/);
  assert.equal(engine.handle("status", {}).lines[0]?.state, "closed");
  refusing.mock.restore();
  const watching = mock.method(Watcher.prototype, "watch");
  engine.handle("openTalk", talk);
  engine.handle("closeTalk", { talk: "modem" });
  engine.handle("openLine", opening);
  assert.equal(watching.mock.callCount(), 2);
  assert.equal(engine.handle("status", {}).lines[0]?.state, "down");
  engine.handle("stop", {});
  pty.close();
});
