import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { Line } from "../../src/daemon/line.ts";
import type { LineLife } from "../../src/daemon/line-life.ts";
import { Lives, type LivesTools } from "../../src/daemon/lives.ts";
import { makeLog } from "../../src/daemon/log.ts";
import type { Talks } from "../../src/daemon/talks.ts";
import type { LineManager } from "../../src/dial/line-manager.ts";
import { EqlError } from "../../src/errors.ts";
import type { NetworkLineEvent } from "../../src/host/engine/messages.ts";
import { instant } from "../../src/time.ts";

const CONFIG = `
[line.ppp0]
device = "/dev/ttyS0"
protocol = "ppp"
ipv6 = true
`;

const ON_DEMAND = `
[dial.isp]
numbers = ["5551000"]
demand = true

[line.sl0]
device = "/dev/ttyS0"
dial = "isp"
`;

describe("the life of a PPP line", () => {
  let lives: Lives;
  let line: Line;
  let told: string[];
  beforeEach(() => {
    lives = new Lives({} as LivesTools);
    line = new Line(parseConfig(CONFIG, "test").lines[0] as LineConfig);
    told = [];
    const manager = {
      handleUp: () => told.push("up"),
      handleRenegotiation: () => told.push("renegotiates"),
    } as unknown as LineManager;
    line.life = {
      handle: (tell: Parameters<LineLife["handle"]>[0]) => tell(manager, instant(0)),
    } as unknown as LineLife;
  });
  afterEach(() => lives.stop([]));

  const happens = (kind: "up" | "down", family: 4 | 6): void =>
    lives.handleNetwork(line, { kind, family } as NetworkLineEvent);

  it("is up as long as one of its networks is", () => {
    happens("up", 4);
    happens("up", 6);
    happens("down", 6);
    assert.deepEqual(told, ["up", "up"]);
    happens("down", 4);
    assert.deepEqual(told, ["up", "up", "renegotiates"]);
  });
});

describe("the life of a line on demand", () => {
  it("says while it is down that it was told so", () => {
    const tools: Partial<LivesTools> = { groupOf: () => undefined };
    const lives = new Lives(tools as LivesTools);
    try {
      const line = new Line(parseConfig(ON_DEMAND, "test").lines[0] as LineConfig);
      line.life = { state: "idle", handle: () => {} } as unknown as LineLife;
      lives.callWhenWanted(line);
      lives.ask(line, false);
      assert.equal(line.reason, "told to stay down");
      lives.ask(line, null);
      assert.equal(line.reason, "");
    } finally {
      void lives.stop([]);
    }
  });

  it("says why it is called, and why it is hung up", async () => {
    let refuse = (_error: EqlError): void => {};
    const open = new Promise<never>((_resolve, reject) => {
      refuse = reject;
    });
    const tools: Partial<LivesTools> = {
      log: makeLog("error"),
      talks: { open: () => open } as unknown as Talks,
      lockDirectory: "/nowhere",
    };
    const lives = new Lives(tools as LivesTools);
    const line = new Line(parseConfig(ON_DEMAND, "test").lines[0] as LineConfig);
    await lives.begin(line);
    line.note("no traffic");
    lives.ask(line, true);
    assert.deepEqual([line.life?.state, line.reason], ["locking", "User request"]);
    line.note("");
    lives.ask(line, false);
    assert.deepEqual([line.life?.state, line.reason], ["hangingUp", "User request"]);
    refuse(new EqlError("DEVICE_MISSING", "there is no such device"));
    await lives.stop([line]);
  });
});
