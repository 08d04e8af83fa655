import type { TunnelConfig } from "../../config/tunnel-config.ts";
import { type HookAddresses, type HookLine, Hooks } from "../hooks.ts";
import { NameServers } from "./name-servers.ts";
import type { TunnelLog } from "./tunnel-tools.ts";

/** What this host is told of a tunnel while its server answers: name servers, and that it is there, by the scripts of PPP. */
export class Announcement {
  readonly #line: HookLine;
  readonly #addresses: HookAddresses;
  readonly #nameServers: NameServers | null;
  readonly #hooks: Hooks | null;
  #sinceMs: number | null = null;
  #takenBack: Promise<void> = Promise.resolve();

  /** @param socket the daemon's control socket */
  constructor(config: TunnelConfig, socket: string, log: TunnelLog) {
    const { name, addresses, peer, dns, search, scripts } = config;
    // Scripts expect one address, of IPv4 if there is one.
    const own = addresses.find((each) => !each.includes(":")) ?? addresses[0] ?? "";
    this.#addresses = { local: own.split("/")[0] ?? "", remote: peer ?? "", dns };
    this.#line = { interface: name, device: "", speedBps: 0, ipparam: null, linkName: null, peerName: null };
    const servers = { interface: name, servers: dns, search, isDefault: config.defaultRoute };
    this.#nameServers = dns.length === 0 ? null : new NameServers(servers, log);
    this.#hooks = scripts === null ? null : new Hooks({ directory: scripts, log, socket });
  }

  get isMade(): boolean {
    return this.#sinceMs !== null;
  }

  make(): void {
    if (this.isMade) return;
    this.#sinceMs = Date.now();
    this.#nameServers?.begin();
    this.#hooks?.ipUp(this.#line, this.#addresses);
  }

  /** Resolves when what undoes it is done or under way, also what was taken back before. */
  takeBack(): Promise<void> {
    if (this.#sinceMs !== null) this.#takenBack = this.#undo(this.#sinceMs);
    return this.#takenBack;
  }

  async #undo(sinceMs: number): Promise<void> {
    const connectMs = Date.now() - sinceMs;
    this.#sinceMs = null;
    this.#hooks?.ipDown(this.#line, this.#addresses, { connectMs, octetsSent: null, octetsReceived: null });
    await this.#nameServers?.end();
    await this.#hooks?.allStarted();
  }
}
