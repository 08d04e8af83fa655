import assert from "node:assert/strict";
import { Engine } from "../../../src/host/engine/engine.ts";
import { Netlink } from "../../../src/host/netlink.ts";
import { Pty } from "../../../src/host/pty.ts";
import { scenario } from "../netlink-scenario.ts";

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
  engine.handle("addLine", {
    name: "sl0",
    kind: "slip",
    device: pty.path,
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
