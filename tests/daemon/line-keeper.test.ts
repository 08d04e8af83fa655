import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { Line } from "../../src/daemon/line.ts";
import { type KeeperTools, LineKeeper } from "../../src/daemon/line-keeper.ts";

const CONFIG = `
[line.sl0]
device = "/dev/ttyS0"
`;

describe("the keeper of lines", () => {
  it("removes a line once, and not another one that has its name by then", async () => {
    const asked: string[] = [];
    const engine = {
      request: async (operation: string) => {
        asked.push(operation);
        return { index: 7 };
      },
    };
    const keeper = new LineKeeper({ engine } as unknown as KeeperTools);
    const [config] = parseConfig(CONFIG, "test").lines;
    const make = (): Line => {
      const line = new Line(config as LineConfig);
      keeper.lines.set(line.name, line);
      return line;
    };
    const first = make();
    await keeper.discard(first);
    const second = make();
    await keeper.discard(first);
    assert.equal(keeper.lines.get("sl0"), second);
    assert.deepEqual(asked, ["removeLine"]);
  });
});
