/* Masquerades 10.64.0.10 to 10.64.0.20 where it is run, until its standard input ends. Its arguments: `forward`, whether packets are to be forwarded; `ip6`, whether fd00:64::/64 is masqueraded, too. */
import { once } from "node:events";
import { Masquerade } from "../../../src/daemon/answering/masquerade.ts";

const POOL = 0x0a400000;
const say = (kind: string) => (_: object, message: string) => process.stdout.write(`${kind}: ${message}\n`);
const masquerade = new Masquerade("/run/test/control.sock", { info: say("info"), warn: say("warn") });
const options = process.argv.slice(2);
await masquerade.set({
  pool: [
    { first: POOL + 10, last: POOL + 20 },
    { first: POOL + 20, last: POOL + 20 },
  ],
  networks: options.includes("ip6") ? ["fd00:64::/64"] : [],
  forward: options.includes("forward"),
});
process.stdout.write("begun\n");
process.stdin.resume();
await once(process.stdin, "end");
await masquerade.end();
process.stdout.write("ended\n");
