import { readFileSync } from "node:fs";

/** Of a host's kernel, since the host was made. */
export interface TcpCounters {
  /** Segments sent again. */
  readonly retransmitted: number;
  /** Times that the retransmission timer ran out. */
  readonly timeouts: number;
  /** Retransmissions that the far end called needless (DSACK). */
  readonly needless: number;
}

/** The counters of the network that a process lives in; of zeros where the kernel does not tell. */
export function tcpCounters(pid: number): TcpCounters {
  return {
    retransmitted: counter(`/proc/${pid}/net/snmp`, "Tcp", "RetransSegs") ?? 0,
    timeouts: counter(`/proc/${pid}/net/netstat`, "TcpExt", "TCPTimeouts") ?? 0,
    needless: counter(`/proc/${pid}/net/netstat`, "TcpExt", "TCPDSACKRecv") ?? 0,
  };
}

/** TCP segments that the kernel found damaged; null where it does not tell. */
export const checksumErrors = (pid: number): number | null =>
  counter(`/proc/${pid}/net/snmp`, "Tcp", "InCsumErrors");

/** These files have two lines for each group: names, then values in the same order. */
function counter(path: string, group: string, name: string): number | null {
  const lines = readFileSync(path, "latin1").split("\n");
  const at = lines.findIndex((line) => line.startsWith(`${group}: `));
  const index = lines[at]?.split(" ").indexOf(name) ?? -1;
  return index < 0 ? null : Number(lines[at + 1]?.split(" ")[index]);
}
