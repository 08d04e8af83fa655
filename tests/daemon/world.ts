import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { LineStatus, MasterStatus, Status } from "../../src/control/messages.ts";
import { type CommandResult, Host } from "../../src/lab/namespace.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { findTool } from "../../src/lab/tool.ts";
import { requireIntact, transferTcp } from "../../src/lab/transfer.ts";
import { VirtualLines } from "../../src/lab/virtual-line.ts";

const BIN = fileURLToPath(new URL("../../../bin/", import.meta.url));
const DEADLINE_MS = 60_000;
/** The first and the longest pause between two looks: who waits long needs not look often, and leaves the processor to others. */
const POLL_MS = 10;
const LONGEST_POLL_MS = 60;
const POLL_GROWTH = 1.1;

/** Why tests with daemons on hosts cannot run here; false when they can, or must (EQL_REQUIRE_ALL=1). */
export function worldMissing(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  try {
    for (const tool of ["ip", "nsenter", "setpriv"] as const) findTool(tool);
    const missing = programsMissing(["bash", "ping", "stty"]);
    if (missing !== false) return missing;
    const { status } = spawnSync(findTool("unshare"), ["--net", "test", "-w", "/dev/net/tun"]);
    return status === 0 ? false : "needs the right to make network namespaces (root) and /dev/net/tun";
  } catch (error) {
    return String(error);
  }
}

/** Which programs are not installed; false when all are, or must be (EQL_REQUIRE_ALL=1). */
export function programsMissing(programs: readonly string[]): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  const has = (program: string): boolean =>
    spawnSync("sh", ["-c", 'command -v "$1"', "sh", program]).status === 0;
  const missing = programs.filter((program) => !has(program));
  return missing.length === 0 ? false : `needs ${missing.join(", ")}`;
}

/** Ends the wait of {@link eventually}: what is waited for will not come. */
class Hopeless extends Error {}

/** Waits until `look` gives something else than false, null or undefined. What it throws counts as not yet. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  deadlineMs: number = DEADLINE_MS,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let failure: unknown;
  for (let pauseMs = POLL_MS; ; pauseMs = Math.min(POLL_GROWTH * pauseMs, LONGEST_POLL_MS)) {
    try {
      const found = await look();
      if (found !== false && found !== null && found !== undefined) return found;
      failure = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      failure = error;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: failure });
    }
    await delay(pauseMs);
  }
}

/** What `ip -json -statistics link` says of an interface, as far as tests read it. */
export interface LinkFacts {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly stats64: {
    readonly rx: { readonly packets: number; readonly bytes: number };
    readonly tx: { readonly packets: number; readonly bytes: number };
  };
}

interface RouteFacts {
  readonly dst: string;
  readonly dev: string;
}

/** One side: a host, its ends of the lines, and whatever daemons run on it. */
export class Side {
  readonly name: string;
  readonly host: Host;
  /** The directory of the side's files; the UUCP locks of its daemons are in `locks` below it. */
  readonly directory: string;
  readonly #devices: readonly string[];

  constructor(host: Host, directory: string, devices: readonly string[]) {
    this.name = host.name;
    this.host = host;
    this.directory = directory;
    this.#devices = devices;
    mkdirSync(this.locks, { recursive: true });
  }

  get locks(): string {
    return join(this.directory, "locks");
  }

  get socket(): string {
    return join(this.directory, "eql.sock");
  }

  /** Path of this side's end of a line. */
  device(line: number): string {
    return this.#devices[line] as string;
  }

  /** Runs `ip` here. */
  ip(...args: readonly string[]): Promise<string> {
    return this.host.must([findTool("ip"), ...args]);
  }

  async links(): Promise<readonly LinkFacts[]> {
    return JSON.parse(await this.ip("-json", "-statistics", "link")) as LinkFacts[];
  }

  async link(name: string): Promise<LinkFacts | undefined> {
    return (await this.links()).find(({ ifname }) => ifname === name);
  }

  /** Destinations of the main table's IPv4 routes by an interface. */
  async routes(name: string): Promise<readonly string[]> {
    const all = JSON.parse(await this.ip("-json", "-4", "route")) as RouteFacts[];
    return all
      .filter(({ dev }) => dev === name)
      .map(({ dst }) => dst)
      .sort();
  }

  /** @returns whether one of three pings was answered, within ten seconds after the last */
  async ping(address: string, ...options: readonly string[]): Promise<boolean> {
    const { code } = await this.host.run([
      "ping",
      "-q",
      "-c",
      "3",
      "-i",
      "0.05",
      "-W",
      "10",
      ...options,
      address,
    ]);
    return code === 0;
  }

  /** Runs a program of bin/ as a user of this host would. */
  eql(program: string, ...args: readonly string[]): Promise<CommandResult> {
    return this.host.run(["env", `EQL_SOCKET=${this.socket}`, process.execPath, join(BIN, program), ...args]);
  }

  /** A program of bin/ that goes on running. */
  startEql(
    args: readonly string[],
    before: readonly string[] = [],
    stderr: "pipe" | number = "pipe",
  ): ChildProcess {
    return this.host.spawn(
      [...before, "env", `EQL_SOCKET=${this.socket}`, process.execPath, join(BIN, "eql"), ...args],
      { stdio: ["ignore", "pipe", stderr] },
    );
  }

  /** The configuration's `[daemon]` table of this side. */
  get daemonTable(): string {
    return `[daemon]\nsocket = "${this.socket}"\nlock-directory = "${this.locks}"\nlog-level = "debug"\n`;
  }

  /** `[line.slN]` on this side's end of line N. */
  lineTable(line: number, ...more: readonly string[]): string {
    return [`[line.sl${line}]`, `device = "${this.device(line)}"`, ...more, ""].join("\n");
  }

  /** Writes a configuration and gives its path. */
  configure(...tables: readonly string[]): string {
    const file = join(this.directory, "eql.toml");
    writeFileSync(file, [this.daemonTable, ...tables].join("\n"), { mode: 0o600 });
    return file;
  }

  /** Starts a daemon with these tables and waits until it is ready. */
  async up(...tables: readonly string[]): Promise<TestDaemon> {
    const daemon = new TestDaemon(this, ["up", "-c", this.configure(...tables)]);
    await daemon.ready();
    return daemon;
  }
}

/** `eql up` as a user runs it. */
export class TestDaemon {
  readonly client: ControlClient;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #said = "";

  /**
   * @param before a command that runs it, such as `unshare -m …`
   * @param socket where it will listen, if not at the side's socket
   */
  constructor(
    side: Side,
    args: readonly string[],
    before: readonly string[] = [],
    socket: string = side.socket,
  ) {
    this.client = new ControlClient(socket);
    this.#child = side.startEql(args, before);
    this.#exited = once(this.#child, "exit").then(() => this.#child.exitCode);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#said += text;
      });
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** All that it has said, its log above all. */
  get said(): string {
    return this.#said;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Rejects when there is no answer, where the client would wait for ever. */
  async status(): Promise<Status> {
    const stop = new AbortController();
    const late = delay(DEADLINE_MS, undefined, { signal: stop.signal }).then(() => {
      throw new Hopeless(`no answer within ${DEADLINE_MS} ms`);
    });
    try {
      return await Promise.race([this.client.request<Status>("GET", "/status"), late]);
    } finally {
      stop.abort();
      late.catch(() => {});
    }
  }

  async line(name: string): Promise<LineStatus> {
    const found = (await this.status()).lines.find((line) => line.name === name);
    if (found === undefined) throw new Error(`no line ${name} in the status`);
    return found;
  }

  async master(name = "eql"): Promise<MasterStatus> {
    const found = (await this.status()).masters.find((master) => master.name === name);
    if (found === undefined) throw new Error(`no master ${name} in the status`);
    return found;
  }

  enslave(slave: string, bps: number, master = "eql"): Promise<object> {
    return this.client.request<object>("POST", "/enslave", { master, slave, bps });
  }

  async ready(): Promise<void> {
    await this.until("it answers", (status) => status);
  }

  /** Waits until its status is so. */
  async until<T>(
    what: string,
    look: (status: Status) => T | false | null | undefined,
    deadlineMs?: number,
  ): Promise<T> {
    let last: Status | undefined;
    try {
      return await eventually(
        what,
        async () => {
          if (!this.isRunning) throw new Hopeless("the daemon has ended");
          last = await this.status();
          return look(last);
        },
        deadlineMs,
      );
    } catch (error) {
      throw new Error(`${String(error)}\nstatus: ${JSON.stringify(last)}\nit said:\n${this.#said}`, {
        cause: error,
      });
    }
  }

  /** Waits until a line's status is so. */
  untilLine(
    name: string,
    what: string,
    isSo: (line: LineStatus) => boolean,
    deadlineMs?: number,
  ): Promise<LineStatus> {
    return this.until(
      `${name} ${what}`,
      ({ lines }) => lines.find((line) => line.name === name && isSo(line)),
      deadlineMs,
    );
  }

  /** Waits until these lines, and no others, are slaves of the master. */
  untilSlaves(names: readonly string[], deadlineMs?: number): Promise<MasterStatus> {
    return this.until(
      `slaves ${names.join(", ")}`,
      ({ masters }) => masters.find(({ slaves }) => slaves.toSorted().join() === names.toSorted().join()),
      deadlineMs,
    );
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for its end. @returns the exit code; null when a signal ended it */
  async exit(deadlineMs: number = DEADLINE_MS): Promise<number | null> {
    await eventually("the daemon ends", () => !this.isRunning, deadlineMs).catch((error: Error) => {
      throw new Error(`${error.message}\nit said:\n${this.#said}`);
    });
    return this.#exited;
  }

  /** Ends it as `systemctl stop` does. What it said goes to the test's output when it does not end well. */
  async stop(): Promise<number | null> {
    if (this.isRunning) this.kill("SIGTERM");
    const code = await this.exit();
    if (code !== 0) process.stderr.write(`a daemon ended with ${code}, and said:\n${this.#said}\n`);
    return code;
  }
}

/** Two hosts and virtual serial lines between them. Everything goes away with `close`, or with this process. */
export class World {
  readonly near: Side;
  readonly far: Side;
  readonly lines: VirtualLines;
  readonly #scratch: Scratch;
  #transfers = 0;

  private constructor(near: Side, far: Side, lines: VirtualLines, scratch: Scratch) {
    this.near = near;
    this.far = far;
    this.lines = lines;
    this.#scratch = scratch;
  }

  /** @param speeds bits per second of each line */
  static async create(speeds: readonly number[]): Promise<World> {
    const scratch = new Scratch("eql-world");
    const hosts: Host[] = [];
    const lines: VirtualLines[] = [];
    try {
      const paths = (side: string): string[] =>
        speeds.map((_, line) => join(scratch.path, `${side}-tty${line}`));
      const [nearPaths, farPaths] = [paths("near"), paths("far")];
      lines.push(
        await VirtualLines.start(
          speeds.map((rateBps, line) => ({
            near: nearPaths[line] as string,
            far: farPaths[line] as string,
            rateBps,
          })),
        ),
      );
      for (const name of ["near", "far"]) hosts.push(await Host.create(name));
      const side = (index: number, devices: readonly string[]): Side => {
        const host = hosts[index] as Host;
        return new Side(host, join(scratch.path, host.name), devices);
      };
      return new World(side(0, nearPaths), side(1, farPaths), lines[0] as VirtualLines, scratch);
    } catch (error) {
      for (const made of [...hosts, ...lines]) await made.close();
      scratch.close();
      throw error;
    }
  }

  /** Starts a daemon on each side, with tables that each side makes, and waits until both are ready. */
  upBoth(
    tables: (side: Side, address: string, peer: string) => readonly string[],
  ): Promise<[TestDaemon, TestDaemon]> {
    return Promise.all([
      this.near.up(...tables(this.near, NEAR, FAR)),
      this.far.up(...tables(this.far, FAR, NEAR)),
    ]);
  }

  /** Moves data by TCP from near to far; rejects unless all of it arrives intact. */
  async transfer(bytes: number, deadlineMs = 60_000, address: string = FAR): Promise<void> {
    // Ports of its own, or it would have to wait for the end of TIME-WAIT.
    const index = ++this.#transfers;
    const options = { address, bytes, seed: index, index, deadlineMs };
    requireIntact(await transferTcp(this.near.host, this.far.host, options), bytes);
  }

  /** Kills what still runs and takes all of it away. */
  async close(): Promise<void> {
    await Promise.allSettled([this.near.host.close(), this.far.host.close()]);
    await this.lines.close();
    this.#scratch.close();
  }
}

export const NEAR = "10.99.0.1";
export const FAR = "10.99.0.2";

/** `[master.eql]` with the addresses of a side. */
export const masterTable = (address: string, peer: string, ...more: readonly string[]): string =>
  [`[master.eql]`, `address = "${address}"`, `peer = "${peer}"`, ...more, ""].join("\n");
