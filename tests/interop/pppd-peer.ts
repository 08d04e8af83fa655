import assert from "node:assert/strict";
import { type GuestProcess, KernelPeer } from "./kernel-peer.ts";

/**
 * The original pppd (2.4.9, on the original kernel drivers) as the other end of our PPP lines: a kernel peer that is
 * prepared for it.
 *
 *   1. /etc/ppp of the guest is empty but for what is written here: no option of the machine's own takes part.
 *   2. A pppd runs in the background (`pppd`); its debug log comes as it is written, and `saw` waits for a line of it.
 *   3. ip-up and its kin leave a trace (`trace`).
 */

const MODULES = "ppp_async ppp_deflate bsd_comp ipv6";
/**
 * So that tests depend on no other defaults, and an end takes no time; later options override them. Requests are repeated after the usual
 * three seconds: where a machine stands still for one, a repeated request would have the other end of an open link negotiate anew.
 */
const OPTIONS = "nodetach debug local nocrtscts noauth noipv6 nodefaultroute lcp-max-terminate 1";
const TRACE = "/run/ppp-trace";
/** How long a busy machine may take to do what it does at all. */
const LIMIT_MS = 60_000;
/** Room for a pppd on each of a dozen lines; what is not used takes none of this machine's. */
const MEMORY = "192M";

const PREPARE = `
set -e
modprobe -d /run/kmod -a ${MODULES}
mkdir -p /run/pppd
mount -t tmpfs -o mode=755 tmpfs /etc/ppp
: >/etc/ppp/options
: >${TRACE}
for script in ip-up ip-down ipv6-up ipv6-down auth-up; do
  printf '%s\\n' '#!/bin/sh' "echo $script \\"\\$@\\" >>${TRACE}" >/etc/ppp/$script
  chmod 755 /etc/ppp/$script
done`;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** What the guest's kernel counts of an interface. */
export interface Counters {
  readonly receivedOctets: number;
  readonly receivedPackets: number;
  readonly sentOctets: number;
  readonly sentPackets: number;
}

/** A guest for pppds. Whoever starts it closes it. */
export class PppdPeer {
  readonly kernel: KernelPeer;
  readonly #pppds: Pppd[] = [];

  private constructor(kernel: KernelPeer) {
    this.kernel = kernel;
  }

  static async start({ lines }: { readonly lines: number }): Promise<PppdPeer> {
    const kernel = await KernelPeer.start({ lines, memory: MEMORY });
    try {
      await kernel.must(PREPARE);
      // As they are at first, they would echo what comes before a pppd takes them: a loopback, to who sends it.
      await kernel.must(`for line in $(seq 0 ${lines - 1}); do stty -F /dev/ttyS$line raw -echo; done`);
      return new PppdPeer(kernel);
    } catch (error) {
      await kernel.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.kernel.close();
  }

  /** Starts a pppd on a line; it need not come up. @param options as on its command line, after those that all have */
  async pppd(line: number, options = ""): Promise<Pppd> {
    const pppd = await Pppd.start(this.kernel, line, `pppd /dev/ttyS${line} 115200 ${OPTIONS} ${options}`);
    this.#pppds.push(pppd);
    return pppd;
  }

  /** Ends every pppd that still runs, as after each test. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#pppds.splice(0).map((pppd) => pppd.stop()));
  }

  /** Replaces a secrets file: one entry a line, `client server secret addresses`. */
  async secrets(kind: "pap" | "chap", entries: readonly string[]): Promise<void> {
    const file = `/etc/ppp/${kind}-secrets`;
    await this.kernel.must(`umask 077; printf '%s\\n' ${entries.map(quoted).join(" ")} >${file}`);
  }

  /** What ip-up, ip-down and their kin were called with since the last time this was asked, as `ip-up ppp0 …`. */
  async trace(): Promise<string[]> {
    const text = await this.kernel.must(`cat ${TRACE}; : >${TRACE}`);
    return text.trim().split("\n");
  }

  async ping(address: string, count = 2): Promise<void> {
    await this.kernel.must(`ping -c ${count} -i 0.2 -W 20 ${address}`);
  }

  async counters(name: string): Promise<Counters> {
    const row = await this.kernel.must(`grep -w ${name}: /proc/net/dev`);
    const figures = row
      .slice(row.indexOf(":") + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const [receivedOctets = NaN, receivedPackets = NaN] = figures;
    const [sentOctets = NaN, sentPackets = NaN] = figures.slice(8);
    return { receivedOctets, receivedPackets, sentOctets, sentPackets };
  }
}

/** One pppd on one line. */
export class Pppd {
  readonly line: number;
  /** All lines that it has said. */
  readonly log: string[] = [];
  #process: GuestProcess | undefined;
  #exitCode: number | undefined;
  /** Called after each line, and when it has ended. */
  readonly #listeners = new Set<() => void>();

  private constructor(line: number) {
    this.line = line;
  }

  static async start(kernel: KernelPeer, line: number, command: string): Promise<Pppd> {
    const pppd = new Pppd(line);
    const process = await kernel.spawn(command, (text) => {
      pppd.log.push(text);
      pppd.#tell();
    });
    pppd.#process = process;
    process.ended.then(
      (code) => {
        pppd.#exitCode = code;
        pppd.#tell();
      },
      (error: unknown) => {
        pppd.log.push(String(error));
        pppd.#exitCode = -1;
        pppd.#tell();
      },
    );
    return pppd;
  }

  /** How many lines of its log match. */
  count(pattern: RegExp): number {
    return this.log.filter((text) => pattern.test(text)).length;
  }

  /**
   * Waits until a line of its log matches, and gives the last one that does; fails at once when pppd has ended without it.
   * @param times how many lines have to match
   */
  async saw(pattern: RegExp, times = 1, limitMs = LIMIT_MS): Promise<string> {
    await this.#until(() => this.count(pattern) >= times || this.#exitCode !== undefined, limitMs);
    const found = this.log.filter((text) => pattern.test(text));
    assert.ok(found.length >= times, this.#complaint(`say ${String(pattern)} (${times} times)`));
    return found.at(-1) ?? "";
  }

  /** Waits until IPCP is up, and gives the addresses. */
  async up(): Promise<{ local: string; remote: string }> {
    const remote = await this.saw(/^remote IP address /);
    const local = await this.saw(/^local {2}IP address /);
    return { local: local.split(/ +/)[3] ?? "", remote: remote.split(/ +/)[3] ?? "" };
  }

  async signal(name: "TERM" | "HUP" | "USR1" | "KILL"): Promise<void> {
    await this.#process?.signal(name);
  }

  /** Waits until it has ended, and gives its exit code. */
  async ended(limitMs = LIMIT_MS): Promise<number> {
    await this.#until(() => this.#exitCode !== undefined, limitMs);
    assert.ok(this.#exitCode !== undefined, this.#complaint("end"));
    return this.#exitCode;
  }

  /** Ends it as an operator does, and gives its exit code. */
  async stop(): Promise<number> {
    if (this.#exitCode === undefined) await this.signal("TERM");
    return this.ended();
  }

  /** Waits until `condition` holds, or for as long as it may. */
  async #until(condition: () => boolean, limitMs: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve();
      };
      const look = (): void => {
        if (condition()) settle();
      };
      const timer = setTimeout(settle, limitMs);
      this.#listeners.add(look);
    });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #complaint(what: string): string {
    const how = this.#exitCode === undefined ? "runs" : `has ended with ${this.#exitCode}`;
    return `pppd on line ${this.line} did not ${what}; it ${how}. Its log:\n${this.log.join("\n")}`;
  }
}
