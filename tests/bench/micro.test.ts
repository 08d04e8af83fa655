import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MICRO_GROUPS } from "../../bench/micro-cases.ts";
import { screenOf, terminalSvg } from "../../bench/terminal-svg.ts";

describe("what is measured", () => {
  for (const [title, prepare] of Object.entries(MICRO_GROUPS)) {
    // Preparing it is the check.
    it(`does what it says: ${title}`, () => {
      const cases = Object.values(prepare());
      assert.ok(cases.length > 0);
      for (const packet of cases) packet();
    });
  }
});

it("the picture of a terminal shows what is on its screen at the end", () => {
  const output = "a\r\nfirst\r\nsecond █▌░\r\n\u001b[2A\u001b[Jthird\r\n<&> █▌░\r\n";
  assert.deepEqual(screenOf(output), ["a", "third", "<&> █▌░", ""]);
  const svg = terminalSvg(screenOf(output), "title");
  assert.match(svg, />&lt;&amp;&gt;<\/text>/);
  const rects = [...svg.matchAll(/width="([\d.]+)" height="11"/g)].map(([, width]) => Number(width));
  assert.deepEqual(rects, [24.6, 12.3], "three cells, of which one and a half are full");
});
