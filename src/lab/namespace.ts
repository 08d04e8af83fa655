import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { EqlError } from "../errors.ts";
import { namespaceRefused } from "./lab-access.ts";
import { findTool } from "./tool.ts";

/**
 * Hosts on this one machine: network namespaces, each held by a process of its own.
 *
 *   1. `unshare --net cat` makes the namespace and holds it; it ends when its standard input closes, thus also when
 *      this process is killed.
 *   2. Everything on the host enters by `nsenter`, under a parent-death signal.
 *   3. When the last of these processes is gone, the kernel takes the namespace and what is in it away.
 */

/** How long a host may take to come up or to go away, in milliseconds. */
const HOST_DEADLINE_MS = 30_000;

/** Kernel settings of a host, as paths below /proc/sys; what the kernel does not have is left out. */
const SYSCTLS = {
  "net/ipv4/tcp_timestamps": "0",
  "net/ipv6/conf/all/disable_ipv6": "1",
  "net/ipv6/conf/default/disable_ipv6": "1",
} as const;

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; null when a signal ended it. */
  readonly code: number | null;
}

const pidOf = (child: ChildProcess, doing: string): number => {
  if (child.pid !== undefined) return child.pid;
  throw new EqlError("SYSTEM_CALL_FAILED", `cannot start a process to ${doing}`);
};

const isRunning = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;

/** With what it started, if it leads a process group. */
function killGroup(child: ChildProcess): void {
  child.kill("SIGKILL");
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // it leads none, or all of it is gone
  }
}

export class Host {
  readonly name: string;
  /** The process that holds the namespace. */
  readonly pid: number;
  readonly #holder: ChildProcess;
  readonly #children = new Set<ChildProcess>();
  #closing: Promise<void> | null = null;

  private constructor(name: string, holder: ChildProcess, pid: number) {
    this.name = name;
    this.#holder = holder;
    this.pid = pid;
  }

  /**
   * Makes a host with its loopback up, TCP timestamps off and no IPv6.
   * @throws EqlError CAPABILITY_MISSING, TOOL_MISSING
   */
  static async create(name: string): Promise<Host> {
    const holder = spawn(findTool("unshare"), ["--net", "cat"], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true, // a Ctrl-C at the terminal is for this process, which then takes the host down in order
    });
    const complaint: Buffer[] = [];
    holder.stderr.on("data", (octets: Buffer) => complaint.push(octets));
    holder.stdin.on("error", () => {}); // its end is noticed below
    const pid = pidOf(holder, `hold host ${name}`);
    const ready = await new Promise<boolean>((resolve) => {
      holder.stdout.once("data", () => resolve(true)); // cat answers: it runs inside
      holder.once("close", () => resolve(false));
      holder.stdin.write("inside\n");
    });
    if (!ready) throw namespaceRefused(Buffer.concat(complaint).toString().trim());
    const host = new Host(name, holder, pid);
    try {
      await host.#prepare();
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  /** Runs a command to its end. */
  run(argv: readonly string[]): Promise<CommandResult> {
    // It leads a process group, so that closing the host reaches what it has started, too.
    const child = this.spawn(argv, { stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    }
    return new Promise((resolve) => child.once("close", () => resolve({ ...said, code: child.exitCode })));
  }

  /** Runs a command to its end. @throws EqlError SYSTEM_CALL_FAILED with its complaint when it exits other than 0 */
  async must(argv: readonly string[]): Promise<string> {
    const { stdout, stderr, code } = await this.run(argv);
    if (code === 0) return stdout;
    throw new EqlError(
      "SYSTEM_CALL_FAILED",
      `on host ${this.name}, "${argv.join(" ")}" exited ${code ?? "by a signal"}: ${stderr.trim()}`,
    );
  }

  /** Starts a command; it is killed when the host closes or this process dies. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program, args] = this.#entering(argv);
    const child = spawn(program, args, { ...options, detached: true });
    child.on("error", () => {}); // shows as an exit; without a listener it would end this process
    this.#adopt(child);
    return child;
  }

  /** Kills what runs on the host and waits until all of it, the namespace's holder included, is gone. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const ends: Promise<unknown>[] = [];
    for (const child of this.#children) {
      if (!isRunning(child)) continue;
      ends.push(once(child, "exit"));
      killGroup(child);
    }
    if (isRunning(this.#holder)) {
      ends.push(once(this.#holder, "exit"));
      this.#holder.stdin?.end();
    }
    await within(HOST_DEADLINE_MS, Promise.all(ends), `host ${this.name} does not go away`);
  }

  #entering(argv: readonly string[]): [string, string[]] {
    const enter = [findTool("nsenter"), "-t", String(this.pid), "-n", "--", ...argv];
    return [findTool("setpriv"), ["--pdeathsig", "KILL", ...enter]];
  }

  #adopt(child: ChildProcess): void {
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
  }

  /** By a script of ours, so that a machine without iproute2 will do. */
  async #prepare(): Promise<void> {
    const script = fileURLToPath(new URL("prepare-host-main.js", import.meta.url));
    await this.must([process.execPath, script, JSON.stringify(SYSCTLS)]);
  }
}

/** Joins two hosts by a cable of the kernel's own (a veth pair); needs the program `ip`. */
export async function joinByCable(
  near: Host,
  far: Host,
  { nearAddress, farAddress, mtu = 1500 }: { nearAddress: string; farAddress: string; mtu?: number },
): Promise<void> {
  const ip = findTool("ip");
  const pair = ["type", "veth", "peer", "name", "cable0", "netns", String(far.pid)];
  await near.must([ip, "link", "add", "cable0", "mtu", String(mtu), ...pair]);
  for (const [host, own, peer] of [
    [near, nearAddress, farAddress],
    [far, farAddress, nearAddress],
  ] as const) {
    await host.must([ip, "address", "add", own, "peer", peer, "dev", "cable0"]);
    await host.must([ip, "link", "set", "cable0", "mtu", String(mtu), "up"]);
  }
}

/** @throws EqlError SYSTEM_CALL_FAILED when it takes longer */
async function within<T>(ms: number, work: Promise<T>, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new EqlError("SYSTEM_CALL_FAILED", complaint)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
