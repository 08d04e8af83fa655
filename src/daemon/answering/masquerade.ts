import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressRange, formatIpv4 } from "../../config/address-range.ts";
import { EqlError } from "../../errors.ts";

const FORWARDING = { ip: "/proc/sys/net/ipv4/ip_forward", ip6: "/proc/sys/net/ipv6/conf/all/forwarding" };
const INTERFACES = "/proc/sys/net/ipv6/conf";
const PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
/** How much of nft's complaint is told. */
const LONGEST_COMPLAINT = 500;

/** What nftables calls IPv4 and IPv6. */
type Family = "ip" | "ip6";

export interface MasqueradeSettings {
  /** Whose packets leave under the address of the interface that they leave by. */
  readonly pool: readonly AddressRange[];
  /** Likewise, IPv6. */
  readonly networks: readonly string[];
  /** Whether the kernel is told to forward packets, if it does not. It goes on doing so: others may rely on it by then. */
  readonly forward: boolean;
}

interface MasqueradeLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Callers of a pool reach what this host reaches, under its addresses: by tables of nftables of its own, which are there as long as the daemon is. */
export class Masquerade {
  readonly #table: string;
  readonly #log: MasqueradeLog;
  /** What there is. */
  #families: readonly Family[] = [];
  #rules = "";

  /** @param socket the daemon's control socket: no two daemons that run have the same */
  constructor(socket: string, log: MasqueradeLog) {
    this.#table = `eql_${createHash("sha256").update(socket).digest("hex").slice(0, 12)}`;
    this.#log = log;
  }

  /**
   * Makes the tables, all at once, in place of those before, or of those that a daemon left behind which was killed. What goes through them goes on.
   * @throws EqlError TOOL_MISSING, NETLINK_FAILED
   */
  async set({ pool, networks, forward }: MasqueradeSettings): Promise<void> {
    const ranges = pool.map(({ first, last }) =>
      first === last ? formatIpv4(first) : `${formatIpv4(first)}-${formatIpv4(last)}`,
    );
    const wanted = (
      [
        ["ip", ranges],
        ["ip6", networks],
      ] as const
    ).filter(([, elements]) => elements.length > 0);
    const families = wanted.map(([family]) => family);
    const rules = wanted.map(([family, elements]) => this.#rulesOf(family, elements)).join("");
    if (rules !== this.#rules) {
      await nft(this.#removalOf([...new Set([...this.#families, ...families])]) + rules);
      this.#rules = rules;
      this.#families = families;
    }
    for (const family of families) this.#forward(family, forward);
  }

  /** Takes the tables away. What goes wrong is logged. */
  async end(): Promise<void> {
    if (this.#families.length === 0) return;
    const removal = this.#removalOf(this.#families);
    this.#families = [];
    this.#rules = "";
    await nft(removal).catch((error: unknown) => {
      if (!(error instanceof EqlError)) throw error;
      this.#log.warn({ code: error.code, error: error.message }, "masquerading is not taken away");
    });
  }

  /** A table can be deleted only if it is there. */
  #removalOf(families: readonly Family[]): string {
    return families
      .map((family) => `table ${family} ${this.#table}\ndelete table ${family} ${this.#table}\n`)
      .join("");
  }

  #rulesOf(family: Family, elements: readonly string[]): string {
    return `table ${family} ${this.#table} {
  set pool {
    type ${family === "ip" ? "ipv4_addr" : "ipv6_addr"}
    flags interval
    auto-merge
    elements = { ${elements.join(", ")} }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept
    ${family} saddr @pool ${family} daddr != @pool masquerade
  }
}
`;
  }

  #forward(family: Family, forward: boolean): void {
    const name = family === "ip" ? "IPv4" : "IPv6";
    try {
      if (readFileSync(FORWARDING[family], "latin1").trim() !== "0") return;
      if (forward) {
        if (family === "ip6") keepAdvertisedRoutes();
        writeFileSync(FORWARDING[family], "1");
        this.#log.info({}, `the kernel forwards ${name} packets from now on`);
        return;
      }
    } catch (error) {
      this.#log.warn(
        { error: (error as Error).message },
        `whether the kernel forwards ${name} packets cannot be said`,
      );
      return;
    }
    const key = FORWARDING[family].replace("/proc/sys/", "").replaceAll("/", ".");
    this.#log.warn(
      {},
      `callers reach this host only: the kernel does not forward ${name} (sysctl ${key}=1, or forward = true)`,
    );
  }
}

/** A kernel that forwards takes no routes from advertisements, unless it is told to (ip-sysctl, accept_ra): whoever took them goes on. */
function keepAdvertisedRoutes(): void {
  for (const name of readdirSync(INTERFACES)) {
    const file = `${INTERFACES}/${name}/accept_ra`;
    if (name !== "all" && readFileSync(file, "latin1").trim() === "1") writeFileSync(file, "2");
  }
}

/** @throws EqlError TOOL_MISSING, NETLINK_FAILED */
async function nft(commands: string): Promise<void> {
  // Detached, it is out of reach of a Ctrl-C.
  const child = spawn("nft", ["-f", "-"], {
    stdio: ["pipe", "ignore", "pipe"],
    env: { PATH },
    detached: true,
  });
  // Without a descriptor left, it has not even pipes.
  if (child.pid === undefined) throw notRun((await once(child, "error"))[0] as NodeJS.ErrnoException);
  let complaint = "";
  child.stderr.on("data", (octets: Buffer) => {
    complaint = (complaint + octets.toString()).slice(0, LONGEST_COMPLAINT);
  });
  child.stdin.on("error", () => {}); // it ended without reading all: its exit says why
  child.stdin.end(commands);
  const [code, signal] = await once(child, "close");
  if (code === 0) return;
  throw new EqlError(
    "NETLINK_FAILED",
    `masquerading cannot be set up: nft ended with ${code ?? signal}: ${complaint.trim().split("\n", 1)[0]}`,
  );
}

function notRun(cause: NodeJS.ErrnoException): EqlError {
  if (cause.code !== "ENOENT")
    return new EqlError("SYSTEM_CALL_FAILED", `nft cannot be run: ${cause.message}`, { cause });
  return new EqlError(
    "TOOL_MISSING",
    'the program "nft" is not installed, which masquerading needs: install the package nftables (apt install nftables, or its like)',
    { details: { tool: "nft" } },
  );
}
