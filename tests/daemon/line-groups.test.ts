import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { Line } from "../../src/daemon/line.ts";
import { LineGroups } from "../../src/daemon/line-groups.ts";
import type { LineLife } from "../../src/daemon/line-life.ts";
import type { LineManager } from "../../src/dial/line-manager.ts";
import type { EngineClient } from "../../src/host/engine/client.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";

const CONFIG = `
[dial.isp]
numbers = ["5551000"]
demand = true

[line.sl0]
device = "/dev/ttyS0"
dial = "isp"
`;

describe("the groups of lines", () => {
  it("leave no timer behind when they stop while the load is being asked for", async () => {
    const line = new Line(parseConfig(CONFIG, "test").lines[0] as LineConfig);
    let answer = (_loads: object): void => {};
    const engine = {
      request: () =>
        new Promise<object>((resolve) => {
          answer = resolve;
        }),
    } as unknown as EngineClient;
    mock.timers.enable({ apis: ["setInterval"] });
    try {
      const groups = new LineGroups(
        engine,
        () => undefined,
        () => null,
      );
      groups.add(line);
      mock.timers.tick(1000);
      groups.stop();
    } finally {
      mock.timers.reset();
    }
    const timers = mock.method(globalThis, "setTimeout");
    answer({ sl0: { queuedOctets: 0, passedOctets: 0 } });
    await new Promise(setImmediate);
    timers.mock.restore();
    assert.equal(timers.mock.callCount(), 0);
  });

  it("ask for the load while there is one that depends on it, and not otherwise", () => {
    const line = (text: string): Line => new Line(parseConfig(text, "test").lines[0] as LineConfig);
    const onDemand = line(CONFIG);
    const keptUp = line(CONFIG.replace("demand = true", ""));
    let asked = 0;
    const engine = {
      request: () => {
        asked += 1;
        return Promise.resolve({});
      },
    } as unknown as EngineClient;
    mock.timers.enable({ apis: ["setInterval"] });
    const groups = new LineGroups(
      engine,
      () => undefined,
      () => null,
    );
    try {
      groups.add(keptUp);
      mock.timers.tick(5000);
      assert.equal(asked, 0);
      groups.remove(keptUp);
      groups.add(onDemand);
      mock.timers.tick(1000);
      assert.equal(asked, 1);
      groups.remove(onDemand);
      mock.timers.tick(5000);
      assert.equal(asked, 1);
    } finally {
      groups.stop();
      mock.timers.reset();
    }
  });

  it("call no line for a master that is down, and say so", () => {
    const config = `[master.eql]\n[dial.isp]\nnumbers = ["5551000"]\n[line.sl0]\ndevice = "/dev/ttyS0"\ndial = "isp"\nmaster = "eql"\n`;
    const { lines, masters } = parseConfig(config, "test");
    const line = new Line(lines[0] as LineConfig);
    const told: string[] = [];
    const manager = {
      handleWanted: (reason: string) => told.push(`wanted: ${reason}`),
      handleUnwanted: (reason: string) => told.push(`unwanted: ${reason}`),
    } as unknown as LineManager;
    const life = {
      state: "idle",
      retryAt: NEVER,
      handle: (tell: (manager: LineManager, now: Instant) => void) => tell(manager, instant(0)),
    };
    line.life = life as unknown as LineLife;
    const groups = new LineGroups(
      {} as EngineClient,
      (name) => masters.find((master) => master.name === name)?.group,
      () => null,
    );
    try {
      groups.add(line);
      assert.deepEqual([told, line.reason], [[], "eql is down"]);
      groups.handleMaster("eql", true);
      assert.deepEqual(told.splice(0), ["wanted: to be kept up"]);
      groups.handleMaster("eql", false);
      assert.deepEqual(told.splice(0), ["unwanted: eql is down"]);
      groups.ask(line, true);
      assert.deepEqual(told, ["wanted: asked for"]);
    } finally {
      groups.stop();
    }
  });

  it("have a line that carries a path called when that is needed, and ask for no load", () => {
    const line = new Line({ ...(parseConfig(CONFIG, "test").lines[0] as LineConfig), tunnel: "eql" });
    const told: string[] = [];
    const manager = {
      handleWanted: (reason: string) => told.push(`wanted: ${reason}`),
      handleUnwanted: (reason: string) => told.push(`unwanted: ${reason}`),
    } as unknown as LineManager;
    line.life = {
      state: "idle",
      retryAt: NEVER,
      handle: (tell: (manager: LineManager, now: Instant) => void) => tell(manager, instant(0)),
    } as unknown as LineLife;
    let need: string | null = null;
    const engine = { request: () => assert.fail("asked for the load") } as unknown as EngineClient;
    mock.timers.enable({ apis: ["setInterval"] });
    const groups = new LineGroups(
      engine,
      () => undefined,
      () => need,
    );
    try {
      groups.add(line);
      mock.timers.tick(5000);
      assert.deepEqual(told, []);
      need = "no other path is there";
      mock.timers.tick(1000);
      assert.deepEqual(told, ["wanted: no other path is there"]);
    } finally {
      groups.stop();
      mock.timers.reset();
    }
  });
});
