import { existsSync } from "node:fs";
import { type ProgramEnd, runProgram } from "../../host/run-program.ts";
import { scriptPath } from "../hooks.ts";
import type { TunnelLog } from "./tunnel-tools.ts";

const LIMIT_MS = 10_000;
/** There is resolvconf as Debian has it, which orders interfaces by their names: those of tunnels come early. */
const INTERFACE_ORDER = "/etc/resolvconf/interface-order";

export interface NameServerSettings {
  /** Name of the interface by which they are reached. */
  readonly interface: string;
  /** Addresses, at least one. */
  readonly servers: readonly string[];
  /** Domains in which names without a dot are looked for. */
  readonly search: readonly string[];
  /** They are asked for all names, and no others are. */
  readonly isDefault: boolean;
}

/**
 * Name servers that this host asks while an interface leads to them: systemd-resolved is told of them if it runs, else resolvconf if it is there.
 * Each call is done after those before it.
 */
export class NameServers {
  readonly #settings: NameServerSettings;
  readonly #log: TunnelLog;
  #work: Promise<void> = Promise.resolve();
  #undo: readonly [string, ...string[]] | null = null;

  constructor(settings: NameServerSettings, log: TunnelLog) {
    this.#settings = settings;
    this.#log = log;
  }

  begin(): void {
    this.#work = this.#work.then(() => this.#begin());
  }

  /** Resolves when they are taken back. */
  end(): Promise<void> {
    this.#work = this.#work.then(() => this.#end());
    return this.#work;
  }

  async #begin(): Promise<void> {
    const { interface: name, servers } = this.#settings;
    const resolved = await this.#tellResolved();
    const other = resolved === null ? null : await this.#tellResolvconf();
    const by = resolved === null ? "resolvectl" : "resolvconf";
    if (resolved === null || other === null) {
      this.#log.info({ interface: name, servers, by }, "name servers set");
      return;
    }
    const hint = `put into /etc/resolv.conf: ${servers.map((server) => `nameserver ${server}`).join(", ")}`;
    const reason = `resolvectl: ${resolved}; resolvconf: ${other}`;
    this.#log.warn({ interface: name, servers, reason, hint }, "name servers not set");
  }

  /** @returns why it did not work; null: it did */
  async #tellResolved(): Promise<string | null> {
    const { interface: name, servers, search, isDefault } = this.#settings;
    const fault = faultOf(await run(["resolvectl", "dns", name, ...servers]));
    if (fault !== null) return fault;
    this.#undo = ["resolvectl", "revert", name];
    // "~.": for names of all domains.
    const domains = [...search, ...(isDefault ? ["~."] : [])];
    return domains.length === 0 ? null : faultOf(await run(["resolvectl", "domain", name, ...domains]));
  }

  async #tellResolvconf(): Promise<string | null> {
    const { interface: name, servers, search, isDefault } = this.#settings;
    const record = existsSync(INTERFACE_ORDER) ? `tun.${name}` : name;
    const lines = [
      ...servers.map((server) => `nameserver ${server}\n`),
      ...(search.length === 0 ? [] : [`search ${search.join(" ")}\n`]),
    ];
    const only = isDefault ? ["-m", "0", "-x"] : [];
    const fault = faultOf(await run(["resolvconf", "-a", record, ...only], lines.join("")));
    if (fault === null) this.#undo = ["resolvconf", "-d", record];
    return fault;
  }

  async #end(): Promise<void> {
    const undo = this.#undo;
    this.#undo = null;
    if (undo === null) return;
    const { interface: name } = this.#settings;
    const fault = faultOf(await run(undo));
    // What systemd-resolved knows of an interface goes with it.
    if (fault !== null) this.#log.debug({ interface: name, error: fault }, "name servers not taken back");
    else this.#log.info({ interface: name, by: undo[0] }, "name servers taken back");
  }
}

const run = (words: readonly [string, ...string[]], input = ""): Promise<ProgramEnd | null> =>
  runProgram(words, { input, path: process.env["PATH"] ?? scriptPath(), limitMs: LIMIT_MS });

/** @returns what is wrong, in words; null: nothing */
function faultOf(end: ProgramEnd | null): string | null {
  if (end === null) return "it is not installed";
  if (end.code === 0) return null;
  return end.complaint === "" ? `it ended with ${end.code ?? "a signal"}` : end.complaint;
}
