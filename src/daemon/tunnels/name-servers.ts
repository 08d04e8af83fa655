import { existsSync } from "node:fs";
import { type ProgramEnd, runProgram } from "../../host/run-program.ts";
import { scriptPath } from "../hooks.ts";
import type { TunnelLog } from "./tunnel-tools.ts";

const LIMIT_MS = 10_000;
/** How long what is under way may go on when it is to be undone, and how long undoing may take. */
const PATIENCE_MS = 2000;
const UNDO_LIMIT_MS = 5000;
/** There is resolvconf as Debian has it, which orders interfaces by their names: those of tunnels come early. */
const INTERFACE_ORDER = "/etc/resolvconf/interface-order";

type Words = readonly [string, ...string[]];

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
  /** What takes back what was done, the last first. */
  #undo: Words[] = [];
  /** Of the last begin. */
  #stop = new AbortController();

  constructor(settings: NameServerSettings, log: TunnelLog) {
    this.#settings = settings;
    this.#log = log;
  }

  begin(): void {
    const stop = new AbortController();
    this.#stop = stop;
    this.#work = this.#work.then(() => this.#begin(stop.signal));
  }

  /** Resolves when they are taken back; what does not end for that is killed. */
  end(): Promise<void> {
    const stop = this.#stop;
    const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
    this.#work = this.#work.then(async () => {
      clearTimeout(timer);
      await this.#end();
    });
    return this.#work;
  }

  async #begin(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { interface: name, servers } = this.#settings;
    const resolved = await this.#tellResolved(signal);
    const other = resolved === null || signal.aborted ? null : await this.#tellResolvconf(signal);
    if (signal.aborted) return;
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
  async #tellResolved(signal: AbortSignal): Promise<string | null> {
    const { interface: name, servers, search, isDefault } = this.#settings;
    const fault = await this.#tell(
      ["resolvectl", "dns", name, ...servers],
      ["resolvectl", "revert", name],
      signal,
    );
    if (fault !== null) return fault;
    // "~.": for names of all domains.
    const domains = [...search, ...(isDefault ? ["~."] : [])];
    if (domains.length === 0) return null;
    return faultOf(await run(["resolvectl", "domain", name, ...domains], LIMIT_MS, signal));
  }

  async #tellResolvconf(signal: AbortSignal): Promise<string | null> {
    const { interface: name, servers, search, isDefault } = this.#settings;
    const record = existsSync(INTERFACE_ORDER) ? `tun.${name}` : name;
    const lines = [
      ...servers.map((server) => `nameserver ${server}\n`),
      ...(search.length === 0 ? [] : [`search ${search.join(" ")}\n`]),
    ];
    const only = isDefault ? ["-m", "0", "-x"] : [];
    const words: Words = ["resolvconf", "-a", record, ...only];
    return this.#tell(words, ["resolvconf", "-d", record], signal, lines.join(""));
  }

  async #tell(words: Words, undo: Words, signal: AbortSignal, input = ""): Promise<string | null> {
    const end = await run(words, LIMIT_MS, signal, input);
    // One that was killed may have done it.
    if (end?.code === 0 || end?.code === null) this.#undo.unshift(undo);
    return faultOf(end);
  }

  async #end(): Promise<void> {
    const { interface: name } = this.#settings;
    for (const undo of this.#undo.splice(0)) {
      const fault = faultOf(await run(undo, UNDO_LIMIT_MS));
      // What systemd-resolved knows of an interface goes with it.
      if (fault !== null) this.#log.debug({ interface: name, error: fault }, "name servers not taken back");
      else this.#log.info({ interface: name, by: undo[0] }, "name servers taken back");
    }
  }
}

const run = (
  words: Words,
  limitMs: number,
  signal: AbortSignal = new AbortController().signal,
  input = "",
): Promise<ProgramEnd | null> =>
  runProgram(words, { input, path: process.env["PATH"] ?? scriptPath(), limitMs, signal });

/** @returns what is wrong, in words; null: nothing */
function faultOf(end: ProgramEnd | null): string | null {
  if (end === null) return "it is not installed";
  if (end.code === 0) return null;
  return end.complaint === "" ? `it ended with ${end.code ?? "a signal"}` : end.complaint;
}
