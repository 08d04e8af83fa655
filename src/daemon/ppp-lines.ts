import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InterfaceConfig, PppConfig } from "../config/config.ts";
import { readSecrets } from "../config/secrets-file.ts";
import type { NetworkAgreement } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type {
  NetworkLineEvent,
  PppLineEvent,
  PppLineSettings,
  TrafficOctets,
} from "../host/engine/messages.ts";
import type { Proof, Verdict } from "../ppp/proof.ts";
import type { Endpoint } from "../ppp/settings.ts";
import { type HookLine, Hooks, type HookTotals } from "./hooks.ts";
import type { Interfaces } from "./interfaces.ts";
import type { Line } from "./line.ts";
import type { Logger } from "./log.ts";

/** An interface that PPP addresses: a line's own, or that of a master whose links are a numbered bundle. */
export interface PppInterface {
  readonly name: string;
  readonly index: number;
  /** The line that it owes its configuration to. */
  readonly line: Line;
  /** All lines by which it reaches its peer. */
  readonly links: readonly Line[];
  /** What routes it has. */
  readonly config: InterfaceConfig;
  /** Addressed by its owner: PPP leaves it alone. */
  readonly isAddressed: boolean;
  /** A master's stays up without addresses, or its links would have to leave. */
  readonly isMaster: boolean;
}

type NetworkUp = Extract<NetworkLineEvent, { readonly kind: "up" }>;
type NetworkDown = Extract<NetworkLineEvent, { readonly kind: "down" }>;
type NetworkFailed = Extract<NetworkLineEvent, { readonly kind: "failed" }>;

interface Up {
  readonly target: PppInterface;
  readonly agreement: NetworkAgreement;
  readonly sinceMs: number;
}

/** What the control plane does for PPP: settings with their secrets, addresses as they are agreed on, scripts. */
export class PppLines {
  readonly #interfaces: Interfaces;
  readonly #log: Logger;
  readonly #socket: string;
  readonly #engine: EngineClient;
  /** Families that came to nothing, by interface. */
  readonly #failed = new Map<string, Set<number>>();
  /** By which a peer knows that several lines lead to this daemon, unless it is configured. */
  readonly #endpoint: Endpoint = { class: 1, address: new Uint8Array(randomBytes(8)) };
  readonly #hooks = new Map<string, Hooks>();
  /** By interface and family. */
  readonly #up = new Map<string, Up>();

  constructor(engine: EngineClient, interfaces: Interfaces, log: Logger, socket: string) {
    this.#engine = engine;
    this.#interfaces = interfaces;
    this.#log = log;
    this.#socket = socket;
  }

  /** @throws EqlError as readSecrets */
  settingsOf(ppp: PppConfig): PppLineSettings {
    const { lcp, auth, secrets, network, debug, bundle } = ppp;
    const needsSecrets = (auth.require.length > 0 && !auth.deferred) || auth.password === null;
    const read = (path: string): PppLineSettings["auth"]["papSecrets"] =>
      needsSecrets ? [...secrets, ...readSecrets(path)] : secrets;
    const { multilink } = lcp;
    return {
      lcp: {
        ...lcp,
        multilink: multilink && { ...multilink, endpoint: multilink.endpoint ?? this.#endpoint },
      },
      auth: { ...auth, papSecrets: read(ppp.papSecretsFile), chapSecrets: read(ppp.chapSecretsFile) },
      network,
      debug,
      bundle,
    };
  }

  /** The line that an interface which is up owes its configuration to. */
  lineOf(name: string): Line | undefined {
    return [...this.#up.values()].find(({ target }) => target.name === name)?.target.line;
  }

  handleLink(line: Line, event: PppLineEvent): void {
    const { name } = line;
    switch (event.kind) {
      case "log":
        this.#log[event.level]({ line: name }, event.text);
        line.owner?.tell({ event: "log", level: event.level, text: event.text });
        break;
      case "proof":
        void this.#judge(line, event.proof);
        break;
      case "phase":
        line.sinceMs = Date.now();
        this.#log.debug({ line: name, phase: event.phase }, "phase");
        break;
      case "established":
        line.peerName = event.peerName === "" ? null : event.peerName;
        line.establishedMs = Date.now();
        this.#log.info({ line: name, peer: line.peerName, multilink: event.multilink }, "link established");
        if (line.peerName !== null) this.#hooksOf(line)?.authUp(this.#about(line, name));
        break;
      case "ended":
        line.ended = event.end === "asked" ? (line.endsFor ?? event.end) : event.end;
        line.endsFor = null;
        this.#log.info({ line: name, end: line.ended, reason: event.reason }, "link ended");
        if (line.peerName !== null) {
          this.#hooksOf(line)?.authDown(this.#about(line, name), totalsOf(line.establishedMs, event.traffic));
        }
        line.peerName = null;
        break;
    }
  }

  /** @returns when what it asked for is done; scripts that are to be waited for included */
  async handleNetwork(target: PppInterface, event: NetworkLineEvent): Promise<void> {
    if (event.kind === "failed") await this.#handleFailed(target, event);
    else if (event.kind === "down") this.#handleDown(target, event);
    else {
      await this.#handleUp(target, event).catch((error: unknown) => {
        if (!(error instanceof EqlError)) throw error;
        return this.#handleFailed(target, { kind: "failed", family: event.family, reason: error.message });
      });
    }
  }

  /** Ends a line's PPP link, if there is one still. */
  async hangUp({ name }: Line, reason: string): Promise<void> {
    await this.#engine.request("hangUpLine", { name, reason }).catch(ignoreRemoved);
  }

  async #judge(line: Line, proof: Proof): Promise<void> {
    const asked = line.owner?.verify?.(proof) ?? Promise.resolve(NOBODY_JUDGES);
    const verdict = await asked.catch((error: unknown): Verdict => {
      if (!(error instanceof EqlError)) throw error;
      this.#log.warn({ line: line.name, code: error.code, error: error.message }, "proof not judged");
      return { ok: false, message: error.message };
    });
    await this.#engine.request("verdict", { line: line.name, id: proof.id, verdict }).catch(ignoreRemoved);
  }

  async #handleFailed({ name, line, links }: PppInterface, { family, reason }: NetworkFailed): Promise<void> {
    this.#log.warn({ interface: name, family, reason }, "network failed");
    line.owner?.tell({ event: "log", level: "warn", text: reason });
    const failed = this.#failed.get(name) ?? new Set();
    this.#failed.set(name, failed.add(family));
    const { ipv4 = null, ipv6 = null } = line.config.ppp?.network ?? {};
    if (failed.size < (ipv4 === null ? 0 : 1) + (ipv6 === null ? 0 : 1)) return;
    this.#failed.delete(name);
    await Promise.all(
      links.map((link) => {
        link.failure = reason;
        link.endsFor = "no-network";
        return this.hangUp(link, "No network protocols running");
      }),
    );
  }

  #handleDown(target: PppInterface, { family, traffic }: NetworkDown): void {
    const { name, line } = target;
    const key = `${name} ${family}`;
    const up = this.#up.get(key);
    if (up === undefined) return;
    this.#up.delete(key);
    this.#release(target, up.agreement);
    this.#log.info({ interface: name, family }, "network down");
    line.owner?.tell({ event: "down", interface: name });
    const hooks = this.#hooksOf(line);
    const about = this.#about(line, name);
    if (family === 4) hooks?.ipDown(about, up.agreement, totalsOf(up.sinceMs, traffic));
    else hooks?.ipv6Down(about, up.agreement, totalsOf(up.sinceMs, traffic));
  }

  /** Takes away what an interface was given. It may have been deleted. */
  #release({ index, name, isAddressed, isMaster }: PppInterface, agreement: NetworkAgreement): void {
    const hasOther = ["4", "6"].some((other) => this.#up.has(`${name} ${other}`));
    try {
      this.#interfaces.unassign(index, agreement, isAddressed);
      if (!hasOther && !isMaster) this.#interfaces.setDown(index);
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      this.#log.debug({ interface: name, code: error.code, error: error.message }, "not taken down");
    }
  }

  async #handleUp(found: PppInterface, { agreement, mtu, family }: NetworkUp): Promise<void> {
    const { index, line } = found;
    const name = (found.isMaster ? null : line.owner?.nameInterface()) ?? found.name;
    if (name !== found.name) {
      this.#interfaces.rename(index, name);
      line.interface = name;
    }
    const target = { ...found, name };
    const key = `${name} ${family}`;
    this.#failed.delete(name);
    const up = { target, agreement, sinceMs: Date.now() };
    this.#up.set(key, up);
    const hooks = this.#hooksOf(line);
    const about = this.#about(line, name);
    try {
      this.#interfaces.assign(index, agreement, Math.min(mtu, line.config.mtu), target.isAddressed);
    } catch (error) {
      this.#up.delete(key);
      throw error;
    }
    if (family === 4) await hooks?.ipPreUp(about, agreement);
    // It may have gone while the script ran.
    if (this.#up.get(key) !== up) return;
    this.#interfaces.setUp(index);
    this.#tellServers(line, agreement);
    // Routes go with the last address, also from an interface that stays up.
    if (target.isMaster || line.master === null) this.#interfaces.addRoutes(index, target.config);
    const { local, remote, dns } = agreement;
    this.#log.info({ interface: name, local, remote, dns }, "network up");
    line.note("");
    line.owner?.tell({ event: "up", interface: name, local, remote });
    if (family === 4) hooks?.ipUp(about, agreement);
    else hooks?.ipv6Up(about, agreement);
  }

  /** Writes the name servers that the peer told where pppd does, before scripts run that may read them. */
  #tellServers({ name, config }: Line, { dns }: NetworkAgreement): void {
    const directory = config.ppp?.scripts ?? null;
    if (directory === null || dns.length === 0) return;
    try {
      const text = dns.map((server) => `nameserver ${server}\n`).join("");
      writeFileSync(join(directory, "resolv.conf"), text, { mode: 0o644 });
    } catch (error) {
      this.#log.warn({ line: name, error: String(error) }, "resolv.conf not written");
    }
  }

  #about(line: Line, name: string): HookLine {
    const { device, speedBps, ppp } = line.config;
    return {
      interface: name,
      device,
      speedBps,
      ipparam: ppp?.ipparam ?? null,
      linkName: ppp?.linkName ?? null,
      peerName: line.peerName,
    };
  }

  #hooksOf(line: Line): Hooks | null {
    const directory = line.config.ppp?.scripts ?? null;
    if (directory === null) return null;
    const known = this.#hooks.get(directory);
    const hooks = known ?? new Hooks({ directory, log: this.#log, socket: this.#socket });
    this.#hooks.set(directory, hooks);
    return hooks;
  }
}

const NOBODY_JUDGES: Verdict = { ok: false, message: "nobody is there to judge it" };

/** The line has been removed meanwhile. */
function ignoreRemoved(error: unknown): void {
  if (!(error instanceof EqlError)) throw error;
}

const totalsOf = (sinceMs: number, { sent, received }: TrafficOctets): HookTotals => ({
  connectMs: Date.now() - sinceMs,
  octetsSent: sent,
  octetsReceived: received,
});
