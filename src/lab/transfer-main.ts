import { EqlError } from "../errors.ts";
import { prctl } from "../host/libc.ts";
import { ping } from "./ping.ts";
import type { LabRole } from "./transfer-roles.ts";
import { receiveTcp, sendTcp } from "./transfer-tcp.ts";
import { receiveUdp, sendUdp } from "./transfer-udp.ts";
import { receiveStream, sendStream } from "./wan-stream.ts";

/** One end of a transfer, run by Node on a host; its argument is a role as JSON (`transfer-roles.ts`). */

const PR_SET_TIMERSLACK = 29;
const ONE_MICROSECOND = 1000;

function play(role: LabRole): void {
  switch (role.role) {
    case "tcp-receive":
      return receiveTcp(role);
    case "tcp-send":
      return sendTcp(role);
    case "stream-receive":
      return receiveStream(role);
    case "stream-send":
      return sendStream(role);
    case "udp-receive":
      return receiveUdp(role);
    case "udp-send":
      return sendUdp(role);
    case "ping":
      return ping(role);
  }
}

prctl(PR_SET_TIMERSLACK, ONE_MICROSECOND);
try {
  play(JSON.parse(process.argv[2] ?? "{}") as LabRole);
} catch (error) {
  process.stderr.write(`${error instanceof EqlError ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
