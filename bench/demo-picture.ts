import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Scratch } from "../src/lab/scratch.ts";
import { screenOf, terminalSvg } from "./terminal-svg.ts";

/**
 * Runs the demo on a terminal (by util-linux's `script`) and draws what it showed at its end as docs/demo.svg:
 *
 *     node dist/bench/demo-picture.js
 */

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COLUMNS = 92;

const scratch = new Scratch("eql-picture");
try {
  const file = `${scratch.path}/typescript`;
  const command = `stty cols ${COLUMNS} rows 50; exec npm start --silent`;
  const script = spawn("script", ["-qefc", command, file], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(script, "exit")) as [number | null];
  if (code !== 0) throw new Error(`the demo exited ${code}`);
  // `script` frames the output with a line of its own at each end.
  const output = readFileSync(file, "utf8")
    .replace(/^Script started.*\n/, "")
    .replace(/\nScript done[^]*$/, "\n");
  const lines = screenOf(output);
  while (lines.at(-1) === "") lines.pop();
  writeFileSync(`${ROOT}/docs/demo.svg`, terminalSvg(["$ npm start", ...lines], "The demo, at its end"));
} finally {
  scratch.close();
}
