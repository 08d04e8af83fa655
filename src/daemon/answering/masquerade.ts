import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressRange, formatIpv4 } from "../../config/address-range.ts";
import { EqlError } from "../../errors.ts";

const FORWARDING = "/proc/sys/net/ipv4/ip_forward";
const PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
/** How much of nft's complaint is told. */
const LONGEST_COMPLAINT = 500;

export interface MasqueradeSettings {
  /** The daemon's control socket: no two daemons that run have the same. */
  readonly socket: string;
  /** Whose packets leave under the address of the interface that they leave by; at least one. */
  readonly pool: readonly AddressRange[];
  /** Whether the kernel is told to forward packets, if it does not. It goes on doing so: others may rely on it by then. */
  readonly forward: boolean;
}

interface MasqueradeLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Callers of a pool reach what this host reaches, under its addresses: by a table of nftables of its own, which is there as long as the daemon is. */
export class Masquerade {
  readonly #settings: MasqueradeSettings;
  readonly #table: string;
  readonly #log: MasqueradeLog;
  #isThere = false;

  constructor(settings: MasqueradeSettings, log: MasqueradeLog) {
    this.#settings = settings;
    this.#table = `eql_${createHash("sha256").update(settings.socket).digest("hex").slice(0, 12)}`;
    this.#log = log;
  }

  /**
   * Makes the table, in place of one that a daemon left behind which was killed.
   * @throws EqlError TOOL_MISSING, NETLINK_FAILED
   */
  async begin(): Promise<void> {
    await nft(`${this.#removal}${this.#rules}`);
    this.#isThere = true;
    this.#forward();
  }

  /** Takes the table away. What goes wrong is logged. */
  async end(): Promise<void> {
    if (!this.#isThere) return;
    this.#isThere = false;
    await nft(this.#removal).catch((error: unknown) => {
      if (!(error instanceof EqlError)) throw error;
      this.#log.warn({ code: error.code, error: error.message }, "masquerading is not taken away");
    });
  }

  /** A table can be deleted only if it is there. */
  get #removal(): string {
    return `table ip ${this.#table}\ndelete table ip ${this.#table}\n`;
  }

  get #rules(): string {
    const ranges = this.#settings.pool.map(({ first, last }) =>
      first === last ? formatIpv4(first) : `${formatIpv4(first)}-${formatIpv4(last)}`,
    );
    return `table ip ${this.#table} {
  set pool {
    type ipv4_addr
    flags interval
    auto-merge
    elements = { ${ranges.join(", ")} }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept
    ip saddr @pool ip daddr != @pool masquerade
  }
}
`;
  }

  #forward(): void {
    try {
      if (readFileSync(FORWARDING, "latin1").trim() !== "0") return;
      if (this.#settings.forward) {
        writeFileSync(FORWARDING, "1");
        this.#log.info({}, "the kernel forwards IPv4 packets from now on");
        return;
      }
    } catch (error) {
      this.#log.warn(
        { error: (error as Error).message },
        "whether the kernel forwards packets cannot be said",
      );
      return;
    }
    this.#log.warn(
      {},
      "callers reach this host only: the kernel does not forward (sysctl net.ipv4.ip_forward=1, or forward = true)",
    );
  }
}

/** @throws EqlError TOOL_MISSING, NETLINK_FAILED */
async function nft(commands: string): Promise<void> {
  const child = spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"], env: { PATH } });
  let complaint = "";
  child.stderr.on("data", (octets: Buffer) => {
    complaint = (complaint + octets.toString()).slice(0, LONGEST_COMPLAINT);
  });
  child.stdin.on("error", () => {}); // it ended without reading all: its exit says why
  child.stdin.end(commands);
  const [code, signal] = await once(child, "close").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT")
      throw new EqlError("SYSTEM_CALL_FAILED", `nft cannot be run: ${cause.message}`, { cause });
    throw new EqlError(
      "TOOL_MISSING",
      'the program "nft" is not installed, which masquerading needs: install the package nftables (apt install nftables, or its like)',
      { details: { tool: "nft" } },
    );
  });
  if (code === 0) return;
  throw new EqlError(
    "NETLINK_FAILED",
    `masquerading cannot be set up: nft ended with ${code ?? signal}: ${complaint.trim().split("\n", 1)[0]}`,
  );
}
