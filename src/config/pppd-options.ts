import { readFileSync, statSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import { EqlError } from "../errors.ts";
import type { AuthProtocol } from "../ppp/settings.ts";
import { PppdDraft, type PppdProcess } from "./pppd-draft.ts";
import { PPPD_RULES } from "./pppd-option-table.ts";
import type { PppdRule } from "./pppd-rules.ts";
import { parseInteger } from "./pppd-values.ts";
import { splitWords } from "./pppd-words.ts";

/**
 * The options of pppd(8), from its command line and its files to one value.
 *
 * 1. /etc/ppp/options, ~/.ppprc and the command line are read for the name of the device
 * 2. all are read again in pppd's order: /etc/ppp/options, ~/.ppprc, /etc/ppp/options.DEVICE, command line; what is
 *    said later counts
 * 3. what depends on more than one option is completed
 */

/** Where this pppd runs. */
export interface PppdPlace {
  /** Usually /etc/ppp. */
  readonly directory: string;
  /** The user's home directory; null: there is none. */
  readonly home: string | null;
  readonly hostName: string;
}

export interface PppdOptions {
  /** Keys of `[line.NAME]` in the configuration file; `address` and `peer` may be names of hosts still. */
  readonly line: Readonly<Record<string, unknown>>;
  readonly process: PppdProcess;
  /** What was accepted and does not apply, or is better done in another way; each says where it stood. */
  readonly warnings: readonly string[];
}

/** What is asked for when the peer must prove itself and it is not said by what; the first first. */
const ALL_PROTOCOLS: readonly AuthProtocol[] = ["chap-md5", "mschapv2", "pap"];
const MOST_NESTED = 16;
/** Nothing is asked for: every control character is escaped. */
const ALL_CONTROLS = 0xffff_ffff;
/** A line with echoes ends some time; pppd without lcp-echo-failure never looks at the answers. */
const MOST_FAILURES = 100;
const COMMAND_LINE = "command line";

/**
 * @param args the command line, without the program's name
 * @throws EqlError CONFIG_INVALID: an option is unknown, refused or has a value that is not allowed; the message names it and where it stood. CONFIG_UNREADABLE
 */
export function parsePppdOptions(args: readonly string[], place: PppdPlace): PppdOptions {
  const first = new Scan(place);
  first.readAll(args, null);
  const { device, pty, notty } = first.draft.process;
  const ofDevice = device === null || pty !== null || notty ? null : device;
  const scan = new Scan(place);
  scan.readAll(args, ofDevice);
  const { draft, warnings } = scan;
  // The file of a device has no say in which device it is.
  draft.process.device = device;
  return { ...complete(draft, place), warnings };
}

interface Place {
  readonly source: string;
  /** 0: it has none. */
  readonly line: number;
}

class Scan {
  readonly draft = new PppdDraft();
  readonly warnings: string[] = [];
  readonly #place: PppdPlace;
  #nested = 0;

  constructor(place: PppdPlace) {
    this.#place = place;
  }

  readAll(args: readonly string[], device: string | null): void {
    const { directory, home } = this.#place;
    this.#readFile(join(directory, "options"), null);
    if (home !== null) this.#readFile(join(home, ".ppprc"), null);
    if (device !== null) {
      const name = device.replace(/^\/dev\//, "").replaceAll("/", ".");
      this.#readFile(join(directory, `options.${name}`), null);
    }
    this.#readWords(
      args.map((text) => ({ text, line: 0 })),
      COMMAND_LINE,
    );
  }

  /** @param asked where it was asked for; null: it may be missing */
  #readFile(file: string, asked: Place | null): void {
    let source: string;
    try {
      source = readFileSync(file, "utf8");
    } catch (cause) {
      const { code = "", message } = cause as NodeJS.ErrnoException;
      if (asked === null && (code === "ENOENT" || code === "ENOTDIR")) return;
      const from = asked === null ? "" : `${show(asked)}: `;
      throw new EqlError("CONFIG_UNREADABLE", `${from}cannot read the option file ${file}: ${message}`, {
        details: { file },
        cause,
      });
    }
    this.#nested += 1;
    if (this.#nested > MOST_NESTED)
      throw invalid({ source: file, line: 0 }, "option files include each other without end");
    this.#readWords(splitWords(source), file);
    this.#nested -= 1;
  }

  #readWords(words: readonly { text: string; line: number }[], source: string): void {
    for (let at = 0; at < words.length; at += 1) {
      const { text: name, line } = words[at] as { text: string; line: number };
      const place = { source, line };
      const isFile = name === "file" || name === "call";
      const rule = PPPD_RULES.get(name);
      const takes = isFile ? 1 : (rule?.takes ?? 0);
      const value = takes === 1 ? words[at + 1]?.text : "";
      if (value === undefined) throw invalid(place, `option ${quote(name)} lacks its value`);
      if (isFile) this.#include(name, value, place);
      else if (rule !== undefined) this.#apply(name, rule, value, place);
      else if (name !== "") this.#applyBare(name, place);
      at += takes;
    }
  }

  #include(name: string, value: string, place: Place): void {
    if (name === "file") {
      this.#readFile(value, place);
      return;
    }
    if (value.startsWith("/") || value.split("/").includes("..") || value === "") {
      throw invalid(
        place,
        `option "call" has ${quote(value)}; allowed: a name without .. and without a slash at its beginning`,
      );
    }
    this.#readFile(join(this.#place.directory, "peers", value), place);
  }

  #apply(name: string, rule: PppdRule, value: string, place: Place): void {
    if (rule.kind === "refused") throw invalid(place, `option ${quote(name)} is not supported: ${rule.why}`);
    if (rule.kind === "ignored") {
      this.#warn(place, name, rule.why);
      return;
    }
    const allowed = rule.set(this.draft, value);
    if (allowed !== undefined)
      throw invalid(place, `option ${quote(name)} has ${quote(value)}; allowed: ${allowed}`);
    for (const why of this.draft.warnings.splice(0)) this.#warn(place, name, why);
    if (name === "password" && place.source === COMMAND_LINE) {
      this.#warn(
        place,
        name,
        "every user can see it in the list of processes; write it into a file, or into the secrets files",
      );
    }
  }

  /** A word that is no name of an option: a device, a speed, or addresses. */
  #applyBare(word: string, place: Place): void {
    const { draft } = this;
    const device = deviceOf(word);
    const speed = parseInteger(word);
    if (device !== null) draft.process.device = device;
    else if (speed !== undefined && speed > 0) draft.process.speedBps = speed;
    else if (word.includes(":")) this.#setAddresses(word, place);
    else throw invalid(place, `unknown option ${quote(word)}`);
  }

  #setAddresses(word: string, place: Place): void {
    const [local = "", remote = "", ...more] = word.split(":");
    const fault = [local, remote].find((one) => !isAddressOrName(one));
    if (more.length > 0 || fault !== undefined) {
      throw invalid(place, `unknown option ${quote(word)}; addresses are written LOCAL:REMOTE, in IPv4`);
    }
    if (local !== "" && local !== "0.0.0.0") this.draft.line["address"] = local;
    if (remote !== "" && remote !== "0.0.0.0") this.draft.line["peer"] = remote;
  }

  #warn(place: Place, name: string, why: string): void {
    if (why !== "") this.warnings.push(`${show(place)}: option ${quote(name)}: ${why}`);
  }
}

/** Paths are devices even when there is nothing, so that the complaint is about the device; other words only when there is one in /dev. */
function deviceOf(word: string): string | null {
  if (word.startsWith("/")) return word;
  const path = `/dev/${word}`;
  return statSync(path, { throwIfNoEntry: false })?.isCharacterDevice() === true ||
    /^(tty|cua)\w+$/.test(word)
    ? path
    : null;
}

/** 127.0.0.0/8 and what is no host are no addresses of a line; names are looked up by whoever runs the line. */
function isAddressOrName(text: string): boolean {
  if (isIPv4(text)) return !/^(127|22[4-9]|23\d|24\d|25[0-5])\./.test(text);
  return text === "" || (/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(text) && !/^[\d.]+$/.test(text));
}

/** `/etc/ppp/options:3` */
const show = ({ source, line }: Place): string => (line === 0 ? source : `${source}:${line}`);
const quote = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 76)}…` : text);

function invalid(place: Place, what: string): EqlError {
  const { source, line } = place;
  return new EqlError("CONFIG_INVALID", `${show(place)}: ${what}`, { details: { source, line } });
}

function complete(draft: PppdDraft, { directory, hostName }: PppdPlace): Omit<PppdOptions, "warnings"> {
  const { line, process } = draft;
  if (process.pty !== null && process.notty) throw conflict("pty and notty exclude each other");
  if (process.device !== null && (process.pty !== null || process.notty)) {
    throw conflict(
      `${process.pty === null ? "notty" : "pty"} and a device, ${process.device}, exclude each other`,
    );
  }
  const ownTerminal = process.device === null && process.pty === null;
  const fullName = draft.domain === "" ? hostName : `${hostName}.${draft.domain}`;
  const name = draft.useHostName || draft.name === null ? fullName : draft.name;
  const peer = line["peer"];
  return {
    line: {
      protocol: "ppp",
      lock: false,
      multilink: false,
      ipv6: false,
      ...(process.speedBps !== null && { speed: process.speedBps }),
      ...(process.rtscts !== null && { rtscts: process.rtscts }),
      carrier: process.modem && !process.notty && process.pty === null,
      asyncmap: draft.defaultAsyncMap ? ALL_CONTROLS : (draft.asyncMap ?? 0),
      ...(draft.echoIntervalSeconds > 0 && {
        "echo-interval": draft.echoIntervalSeconds,
        "echo-failures": draft.echoFailures || MOST_FAILURES,
      }),
      "require-auth": requiredOf(draft),
      "refuse-auth": [...draft.refuse],
      name,
      user: name,
      ...(typeof peer === "string" && !isIPv4(peer) && { "remote-name": peer }),
      ...(draft.dns.length > 0 && { dns: draft.dns.slice(-2) }),
      "pap-secrets": join(directory, "pap-secrets"),
      "chap-secrets": join(directory, "chap-secrets"),
      scripts: directory,
      debug: process.debug,
      ...line,
    },
    process: {
      ...process,
      detach: ownTerminal ? "never" : process.detach,
      modem: process.modem && !process.notty && process.pty === null,
      lock: process.lock && process.device !== null,
    },
  };
}

function requiredOf({ authRequired, require }: PppdDraft): readonly AuthProtocol[] {
  if (!authRequired) return [];
  return require.size === 0 ? ALL_PROTOCOLS : ALL_PROTOCOLS.filter((protocol) => require.has(protocol));
}

const conflict = (what: string): EqlError => new EqlError("CONFIG_INVALID", `options ${what}`);
