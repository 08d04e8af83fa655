import assert from "node:assert/strict";
import { Engine } from "../../../src/host/engine/engine.ts";
import type { EngineEvent } from "../../../src/host/engine/messages.ts";
import { Wakeup } from "../../../src/host/epoll.ts";
import { Pty } from "../../../src/host/pty.ts";
import { authSettings } from "../../ppp/auth-pair.ts";
import { ipv4 } from "../../ppp/network-pair.ts";
import { lcpSettings } from "../../ppp/pair.ts";
import { scenario } from "../netlink-scenario.ts";

scenario(import.meta.url, "a PPP line that is hung up before it has said anything is closed at once", () => {
  const events: EngineEvent[] = [];
  const engine = new Engine((event) => events.push(event));
  const pty = Pty.open();
  engine.handle("addLine", {
    name: "ppp0",
    kind: "ppp",
    device: pty.path,
    speedBps: 38400,
    rateBps: 38400,
    rtscts: false,
    lockDirectory: null,
    mtu: 1500,
    echo: null,
    ppp: {
      lcp: lcpSettings(),
      auth: authSettings({}),
      network: ipv4({}),
      carrier: false,
      debug: false,
      bundle: null,
    },
  });
  engine.handle("openLine", { name: "ppp0", multilink: false });
  engine.handle("hangUpLine", { name: "ppp0", reason: "not wanted" });
  // One turn of the engine for what is due, and one to stop it.
  const wakeup = new Wakeup();
  let turns = 0;
  wakeup.signal();
  engine.run(wakeup, () => {
    if (++turns > 1) engine.handle("stop", {});
    else wakeup.signal();
  });
  assert.deepEqual(events.slice(0, 2), [
    {
      type: "ppp",
      line: "ppp0",
      event: { kind: "ended", end: "asked", reason: "not wanted", traffic: { sent: 0, received: 0 } },
    },
    { type: "closed", line: "ppp0", reason: "not wanted" },
  ]);
  wakeup.close();
  pty.close();
});
