import { readFileSync, statSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { type DialScript, scriptSecrets } from "../dial/dial-script.ts";
import { EqlError } from "../errors.ts";
import { completeDaemon, completeLine, completeMaster, completeStation } from "./complete.ts";
import { completeCaller, completePath, completeServer } from "./complete-tunnels.ts";
import type { Config, LineConfig } from "./config.ts";
import { Problems, show } from "./problems.ts";
import { completeRadius } from "./radius-keys.ts";
import { checkAnswer, checkDialer, checkLine, checkMaster, checkStation, sayAt } from "./rules.ts";
import { parseRunslip } from "./runslip-conf.ts";
import { runslipToToml } from "./runslip-toml.ts";
import type { LineTable, MasterTable } from "./schema.ts";
import { type Checked, type RawTable, readLine, readTables, type Tables } from "./tables.ts";
import type { PathConfig, TunnelConfig } from "./tunnel-config.ts";
import {
  checkCaller,
  checkPath,
  checkPathCount,
  checkSerialLine,
  checkSerialMaster,
  checkServer,
} from "./tunnel-rules.ts";

/**
 * The configuration, from text to values.
 *
 * 1. tables.ts: each key by itself, against schema.ts
 * 2. complete.ts: keys that take their value from others, and the names of the code
 * 3. rules.ts: what has to agree
 *
 * All errors of a source are gathered on the way and told at once.
 */

/**
 * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID
 */
export function loadConfig(path: string): Config {
  const text = readSource(path);
  const config = parseConfig(text, path);
  if (
    config.dialers.some(({ table }) => table.password !== undefined || hasSecrets(table.script)) ||
    config.lines.some(({ ppp }) => ppp !== null && (ppp.auth.password !== null || ppp.secrets.length > 0))
  ) {
    refuseExposed(path);
  }
  return config;
}

/** @throws EqlError CONFIG_UNREADABLE */
function readSource(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const why = UNREADABLE[code] ?? message;
    throw new EqlError("CONFIG_UNREADABLE", `cannot read the configuration ${path}: ${why}`, {
      details: { file: path },
      cause: error,
    });
  }
}

const hasSecrets = (script: DialScript | undefined): boolean =>
  script !== undefined && scriptSecrets(script).length > 0;

/** @throws EqlError CONFIG_UNREADABLE: others than its owner may read the file, and there are secrets in it */
function refuseExposed(path: string): void {
  if ((statSync(path).mode & 0o077) === 0) return;
  throw new EqlError(
    "CONFIG_UNREADABLE",
    `${path} has secrets in it and may be read by others than its owner: run \`chmod 600 ${path}\``,
    { details: { file: path } },
  );
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; give its path with -c, or start without one",
  EACCES: "permission denied; let the user that runs eql read it, or run eql as root",
  EISDIR: "it is a directory; give the path of a file",
};

/**
 * @param path what error messages call the file
 * @throws EqlError CONFIG_INVALID, listing everything that is wrong
 */
export const parseConfig = (text: string, path: string): Config => configFrom(parseToml(text, path), path);

/** @throws EqlError as {@link parseConfig} */
export function configFrom(source: RawTable, path: string): Config {
  const problems = new Problems(path);
  const tables = readTables(source, problems);
  const callers = tables.masters.filter(isCaller);
  const serial = tables.masters.filter((master) => !isCaller(master));
  const ownLines = tables.lines.filter((line) => !isPath(line));
  for (const master of serial) checkSerialMaster(master, problems);
  const masters = serial.map((master) =>
    completeMaster(master, ownLines.filter(({ table }) => table.master === master.name).length),
  );
  for (const master of masters) checkMaster(master, problems);
  const stations = new Map(
    ownLines.flatMap((checked) => {
      const station = isStation(checked) ? completeStation(checked, tables.answers) : null;
      return station === null ? [] : [[checked.name, station] as const];
    }),
  );
  const callerNames = callers.map(({ name }) => name);
  const lines = ownLines.map(
    (line) => stations.get(line.name)?.line ?? completeLine(line, masters, tables.dialers, callerNames),
  );
  for (const [at, line] of lines.entries()) {
    const around = {
      masters,
      masterNames: tables.masterNames,
      dialerNames: tables.dialerNames,
      earlier: lines.slice(0, at),
      later: lines.slice(at + 1),
    };
    const checked = ownLines[at] as Checked<LineTable>;
    const path = ["line", line.name];
    checkSerialLine(checked, line, path, problems);
    checkLine(checked, line, path, around, problems);
    checkStation(checked, stations.get(line.name)?.line.address, tables.answerNames, problems);
  }
  for (const answer of tables.answers) checkAnswer(answer, tables.radiusNames, problems);
  for (const dialer of tables.dialers) checkDialer(dialer, problems);
  const tunnels = readTunnels(tables, callers, lines, problems);
  problems.throwIfAny("CONFIG_INVALID");
  return {
    daemon: completeDaemon(tables.daemon as NonNullable<typeof tables.daemon>),
    masters,
    lines: lines.filter(({ name }) => !stations.has(name)),
    tunnels,
    dialers: tables.dialers,
    stations: [...stations.values()],
    radius: new Map(tables.radius.map(({ name, table }) => [name, completeRadius(table)])),
    source,
  };
}

/**
 * A runslip.conf of DSLIP as a configuration, and the text of that.
 * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID
 */
export function loadRunslip(path: string): { readonly config: Config; readonly toml: string } {
  const toml = runslipToToml(parseRunslip(readSource(path), path), path);
  return { config: parseConfig(toml, path), toml };
}

const isCaller = ({ table }: Checked<MasterTable>): boolean => table.server !== undefined;
const isPath = ({ table }: Checked<LineTable>): boolean => table.protocol === "udp";

/**
 * Masters that call a server, with their lines, and servers with their clients.
 * @param lines all that are no UDP lines
 */
function readTunnels(
  tables: Tables,
  callers: readonly Checked<MasterTable>[],
  lines: readonly LineConfig[],
  problems: Problems,
): readonly TunnelConfig[] {
  const { masterNames, serverNames, masters } = tables;
  const callerNames = callers.map(({ name }) => name);
  const serial = masters.map(({ name }) => name).filter((name) => !callerNames.includes(name));
  const called = callers.map((caller) =>
    completeCaller(
      caller,
      tables.lines.filter(({ table }) => table.master === caller.name),
    ),
  );
  for (const checked of tables.lines.filter(isPath)) {
    const { name, table } = checked;
    const path = completePath(checked, []);
    const all = called.find((tunnel) => tunnel.name === table.master)?.peers[0]?.paths ?? [];
    const earlier = all.slice(
      0,
      all.findIndex((each) => each.name === name),
    );
    const around = { callers: callerNames, masterNames, serverNames, lines, earlier, serial };
    checkPath(checked, path, ["line", name], around, problems);
  }
  for (const [at, tunnel] of called.entries()) {
    checkCaller(callers[at] as Checked<MasterTable>, tunnel, problems);
  }
  const taken = new Map([
    ...masterNames.map((name) => [name, `master.${name}`] as const),
    ...lines.map(({ name }) => [name, `line.${name}`] as const),
  ]);
  const servers = tables.servers.map(completeServer);
  for (const [at, server] of servers.entries()) {
    const checked = tables.servers[at] as Tables["servers"][number];
    checkServer(checked, server, taken, servers.slice(0, at), problems);
  }
  return [...called, ...servers];
}

const isStation = ({ table }: Checked<LineTable>): boolean => table.role === "answer";

/** What runs without a file: a master `eql` that waits to be addressed and given slaves, as the driver of 1995 did. */
export const defaultConfig = (): Config => parseConfig("[master.eql]", "built-in configuration");

/** What a table of a line makes. */
export interface NewLine {
  /** Null: it is only a path. */
  readonly line: LineConfig | null;
  /** What its master gets that calls a server; null: it has no such master. */
  readonly path: { readonly tunnel: string; readonly config: PathConfig } | null;
}

/**
 * A line to add to what runs: the same keys, defaults and checks as `[line.NAME]` in the file.
 * @param config the masters, tunnels and lines that there are now
 * @throws EqlError REQUEST_INVALID, listing everything that is wrong
 */
export function parseNewLine(name: string, settings: RawTable, config: Config): NewLine {
  const problems = new Problems(`line ${name}`);
  const table = readLine(name, settings, [], problems);
  problems.throwIfAny("REQUEST_INVALID");
  const checked = { name, raw: settings, table: table as NonNullable<typeof table> };
  const callers = config.tunnels.filter(({ listen }) => listen.length === 0);
  const callerNames = callers.map((each) => each.name);
  const line = isPath(checked) ? null : checkedLine(checked, config, callerNames, problems);
  const tunnel = callers.find((each) => each.name === checked.table.master);
  const { servers = [], paths = [] } = tunnel?.peers.find((peer) => peer.servers.length > 0) ?? {};
  const path = completePath(checked, servers);
  if (line === null) {
    const serial = config.masters.map((master) => master.name);
    const around = {
      callers: callerNames,
      masterNames: [...serial, ...callerNames],
      serverNames: config.tunnels.map((each) => each.name).filter((each) => !callerNames.includes(each)),
      lines: config.lines,
      earlier: paths,
      serial,
    };
    checkPath(checked, path, [], around, problems);
  }
  if (tunnel !== undefined) checkPathCount(paths.length + 1, sayAt([], problems));
  problems.throwIfAny("REQUEST_INVALID");
  return { line, path: tunnel === undefined ? null : { tunnel: tunnel.name, config: path } };
}

/**
 * One that no path leads over.
 * @throws EqlError as {@link parseNewLine}
 */
export function parseLine(name: string, settings: RawTable, config: Config): LineConfig {
  const { line, path } = parseNewLine(name, settings, config);
  const problems = new Problems(`line ${name}`);
  if (path !== null)
    problems.add(["master"], `found ${show(path.tunnel)}, which calls a server; allowed: any other`);
  problems.throwIfAny("REQUEST_INVALID");
  return line as LineConfig; // a UDP line has a path
}

function checkedLine(
  checked: Checked<LineTable>,
  config: Config,
  callers: readonly string[],
  problems: Problems,
): LineConfig {
  const line = completeLine(checked, config.masters, config.dialers, callers);
  const around = {
    masters: config.masters,
    masterNames: [...config.masters.map((master) => master.name), ...callers],
    dialerNames: config.dialers.map((dialer) => dialer.name),
    earlier: config.lines,
    later: [],
  };
  checkSerialLine(checked, line, [], problems);
  checkLine(checked, line, [], around, problems);
  if (isStation(checked)) {
    problems.add(
      ["role"],
      'found "answer"; allowed: "link", as callers are answered on lines of the file only',
    );
  }
  return line;
}

function parseToml(text: string, path: string): RawTable {
  try {
    return parse(text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column, message } = error;
    const why = (message.split("\n")[0] ?? "").replace("Invalid TOML document: ", "");
    throw new EqlError("CONFIG_INVALID", `${path}:${line}:${column}: not TOML: ${why}`, {
      details: { source: path, line, column },
      cause: error,
    });
  }
}
