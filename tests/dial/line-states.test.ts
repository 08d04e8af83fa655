import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LINE_STEPS, type LineInput, type LineState, type LineStep } from "../../src/dial/line-states.ts";
import { read } from "../docs/markdown.ts";

const INPUTS = Object.keys(LINE_STEPS) as LineInput[];
const STATES = Object.keys(LINE_STEPS.wanted) as LineState[];

/** Where a step can lead. */
function targets({ next }: LineStep): readonly LineState[] {
  if (next === "begin") return ["locking", "waiting"];
  return next === "rest" ? ["idle", "givenUp", "locking", "waiting"] : [next];
}

describe("the table of a line's states", () => {
  it("decides each event in each state", () => {
    assert.equal(STATES.length, 10);
    for (const input of INPUTS) {
      assert.deepEqual(Object.keys(LINE_STEPS[input]), STATES, input);
    }
  });

  it("leads from each state to each other one", () => {
    for (const from of STATES) {
      const seen = new Set<LineState>([from]);
      for (const state of seen) {
        for (const input of INPUTS) {
          const step = LINE_STEPS[input][state];
          if (step !== null) for (const target of targets(step)) seen.add(target);
        }
      }
      assert.deepEqual(
        STATES.filter((state) => !seen.has(state)),
        [],
        `from ${from}`,
      );
    }
  });

  it("has a limit for each state in which something is waited for, and a wish ends each but hanging up", () => {
    const mayLast: readonly LineState[] = ["idle", "up", "enslaved", "givenUp"];
    for (const state of STATES) {
      assert.equal(LINE_STEPS.limit[state] !== null, !mayLast.includes(state), state);
      const isEnded = LINE_STEPS.unwanted[state] !== null;
      assert.equal(isEnded, state !== "idle" && state !== "hangingUp", state);
    }
  });

  it("closes the device whenever it may be open and is to be so no longer", () => {
    const closed: readonly LineState[] = ["idle", "waiting", "givenUp"];
    for (const input of INPUTS) {
      for (const state of STATES) {
        const step = LINE_STEPS[input][state];
        if (step === null) continue;
        const wasOpen = !closed.includes(state);
        const isOver = targets(step).every((target) => closed.includes(target)) || step.next === "rest";
        if (wasOpen && isOver) assert.match(input, /^(closed|closeLimit|openFailed)$/, `${state}: ${input}`);
        if (step.next === "hangingUp") assert.match(step.action ?? "", /^(hangUp|close)$/);
      }
    }
  });
});

describe("docs/connection-manager.md", () => {
  const page = read("docs/connection-manager.md");

  it("has the table, row by row", () => {
    const rows: string[] = [];
    for (const input of INPUTS) {
      const groups = new Map<string, LineState[]>();
      for (const state of STATES) {
        const step = LINE_STEPS[input][state];
        if (step === null) continue;
        const then = `${step.next} | ${step.action ?? ""}`;
        groups.set(then, [...(groups.get(then) ?? []), state]);
      }
      for (const [then, states] of groups) rows.push(`${input} | ${states.join(", ")} | ${then}`.trim());
    }
    const shown = [...page.matchAll(/^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]*)\|$/gm)].map(
      ([, input, states = "", next = "", action = ""]) =>
        `${input} | ${states} | ${next} | ${action.trim()}`.trim(),
    );
    assert.deepEqual(shown, rows);
  });
});
