import type { LineStatus, PppStatus, Status } from "../../src/control/messages.ts";
import { Host } from "../../src/lab/namespace.ts";
import { DaemonOnHost } from "./daemon-on-host.ts";
import { Flow, type FlowOptions, transferIntact } from "./intact-transfer.ts";
import type { Pppd } from "./pppd-peer.ts";
import { PppdPeer } from "./pppd-peer.ts";

/** As TOML has it: text and numbers look the same there as in JSON, tables do not. */
const toml = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  return typeof value === "object" && value !== null
    ? `{ ${rows(value as Readonly<Record<string, unknown>>).join(", ")} }`
    : JSON.stringify(value);
};

const rows = (table: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(table).map(([key, value]) => `${key} = ${toml(value)}`);

type Direction = "to-us" | "from-us";

/** What `until` of a daemon asks about one line. */
type LineCondition = (line: LineStatus, ppp: PppStatus) => boolean;

/**
 * A guest for pppds and a host for our daemon, joined line by line. Each test starts its own daemon and pppds, and
 * `settle` ends them.
 */
export class PppWorld {
  readonly peer: PppdPeer;
  readonly us: Host;
  readonly #ptys: readonly string[];
  readonly #speeds: readonly number[];
  #daemon: DaemonOnHost | null = null;
  #port = 9000;

  private constructor(peer: PppdPeer, us: Host, ptys: readonly string[], speeds: readonly number[]) {
    this.peer = peer;
    this.us = us;
    this.#ptys = ptys;
    this.#speeds = speeds;
  }

  /** @param speeds one a line, bits per second */
  static async create(speeds: readonly number[]): Promise<PppWorld> {
    const us = await Host.create("us");
    let peer: PppdPeer | undefined;
    try {
      const started = await PppdPeer.start({ lines: speeds.length });
      peer = started;
      const ptys = await Promise.all(speeds.map((bps, line) => started.kernel.expose(line, bps)));
      return new PppWorld(started, us, ptys, speeds);
    } catch (error) {
      await peer?.close();
      await us.close();
      throw error;
    }
  }

  /** The table of our end of a line, which is called `ppp<line>`. */
  table(line: number, keys: Readonly<Record<string, unknown>>): string {
    const all = {
      device: this.#ptys[line],
      protocol: "ppp",
      speed: this.#speeds[line],
      lock: false,
      "max-terminate": 1,
      ...keys,
    };
    return `[line.ppp${line}]\n${rows(all).join("\n")}\n`;
  }

  /** Starts our daemon; it is up when its lines are open: what pppd begins with is not lost. */
  async daemon(...tables: readonly string[]): Promise<DaemonOnHost> {
    const daemon = await DaemonOnHost.start(this.us, tables.join("\n"), ({ lines }) =>
      lines.every(({ state }) => state === "negotiating"),
    );
    this.#daemon = daemon;
    return daemon;
  }

  /** Sends random octets over TCP from pppd's host to `address` of ours, or the other way. @returns seconds */
  transfer(direction: Direction, address: string, octets: number): Promise<number> {
    return transferIntact({ ...this.#between(direction, address), octets });
  }

  /** The same, until it is told to end. */
  flow(direction: Direction, address: string): Promise<Flow> {
    return Flow.start(this.#between(direction, address));
  }

  #between(direction: Direction, address: string): FlowOptions {
    const guest = {
      folder: "/mnt",
      must: (shell: string, limitMs: number) => this.peer.kernel.must(shell, limitMs),
    };
    const us = {
      folder: this.peer.kernel.directory,
      must: (shell: string) => this.us.must(["sh", "-c", shell]),
    };
    const [from, to] = direction === "to-us" ? [guest, us] : [us, guest];
    return { peer: this.peer.kernel, from, to, address, port: ++this.#port };
  }

  async ping(address: string, size = 56): Promise<void> {
    await this.us.must(["ping", "-c", "2", "-i", "0.2", "-W", "20", "-s", String(size), address]);
  }

  /** Ends what a test has started, and plugs in again what it has pulled. */
  async settle(): Promise<void> {
    for (const line of this.#ptys.keys()) this.peer.kernel.plug(line, "in");
    await this.#daemon?.close();
    this.#daemon = null;
    await this.peer.stopAll();
  }

  async close(): Promise<void> {
    await this.us.close();
    await this.peer.close();
  }
}

/** Waits until a PPP line of the daemon satisfies `condition`. */
export async function untilLine(
  daemon: DaemonOnHost,
  name: string,
  condition: LineCondition,
  what: string,
): Promise<{ line: LineStatus; ppp: PppStatus; status: Status }> {
  const find = (status: Status): LineStatus | undefined => status.lines.find((line) => line.name === name);
  const status = await daemon.until((now) => {
    const line = find(now);
    return line?.ppp != null && condition(line, line.ppp);
  }, `${name}: ${what}`);
  const line = find(status) as LineStatus;
  return { line, ppp: line.ppp as PppStatus, status };
}

/** Which of a bundle's pppds has the interface and IPCP; the others have joined it. */
export async function bundleOwner(pppds: readonly Pppd[]): Promise<Pppd> {
  await Promise.all(pppds.map((pppd) => pppd.saw(/^(New bundle ppp\d+ created|Link attached to ppp\d+)$/)));
  const owners = pppds.filter((pppd) => pppd.count(/^New bundle/) > 0);
  if (owners.length !== 1 || owners[0] === undefined) {
    throw new Error(`${owners.length} bundles:\n${pppds.map(({ log }) => log.join("\n")).join("\n---\n")}`);
  }
  return owners[0];
}
