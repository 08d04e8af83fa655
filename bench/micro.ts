import { bench, group, run } from "mitata";
import { MICRO_GROUPS } from "./micro-cases.ts";

/**
 * What one packet costs the processor, part by part: `npm run bench`, or `npm run bench -- ClassicPath` for those so named. Figures of one
 * machine compare within one run only.
 */

for (const [title, prepare] of Object.entries(MICRO_GROUPS)) {
  group(title, () => {
    for (const [name, packet] of Object.entries(prepare())) bench(name, packet);
  });
}

await run({ colors: process.stdout.isTTY === true, filter: new RegExp(process.argv[2] ?? "") });
