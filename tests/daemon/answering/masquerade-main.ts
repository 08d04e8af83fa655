/* Masquerades 10.64.0.10 to 10.64.0.20 where it is run, until its standard input ends. Its argument: whether packets are to be forwarded. */
import { once } from "node:events";
import { Masquerade } from "../../../src/daemon/answering/masquerade.ts";

const POOL = 0x0a400000;
const say = (kind: string) => (_: object, message: string) => process.stdout.write(`${kind}: ${message}\n`);
const masquerade = new Masquerade(
  {
    socket: "/run/test/control.sock",
    pool: [
      { first: POOL + 10, last: POOL + 20 },
      { first: POOL + 20, last: POOL + 20 },
    ],
    forward: process.argv[2] === "forward",
  },
  { info: say("info"), warn: say("warn") },
);
await masquerade.begin();
process.stdout.write("begun\n");
process.stdin.resume();
await once(process.stdin, "end");
await masquerade.end();
process.stdout.write("ended\n");
