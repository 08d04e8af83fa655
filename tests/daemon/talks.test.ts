import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Talks } from "../../src/daemon/talks.ts";
import { ScriptDialogue } from "../../src/dial/script-dialogue.ts";
import type { EngineClient } from "../../src/host/engine/client.ts";

/** Of a break, less what timers may be early by. */
const BREAK_MS = 290;

describe("a tty that is talked on", () => {
  it("is handed over when its last break is over", async () => {
    const asked: { readonly operation: string; readonly at: number }[] = [];
    const engine = {
      request: (operation: string) => {
        asked.push({ operation, at: performance.now() });
        return Promise.resolve({ fd: 0 });
      },
    } as unknown as EngineClient;
    const settings = { device: "/dev/ttyS0", speedBps: 9600, rtscts: false, lockDirectory: null };
    const talk = await new Talks(engine).open({ talk: "sl0", ...settings });
    const script = [{ break: true }, { send: "ppp" }] as const;
    assert.deepEqual(await talk.run(new ScriptDialogue(script, "", true), () => {}), { ok: true });
    await talk.handOver(null);
    assert.deepEqual(
      asked.map(({ operation }) => operation),
      ["openTalk", "say", "say", "holdTalk"],
    );
    const [, broken, , held] = asked;
    assert.ok((held?.at ?? 0) - (broken?.at ?? 0) >= BREAK_MS);
  });
});
