import { type AnswerTable, completeAnswer } from "./answer-keys.ts";
import { completePpp } from "./complete-ppp.ts";
import type {
  Config,
  DaemonConfig,
  DialConfig,
  EchoConfig,
  LineConfig,
  LoginConfig,
  MasterConfig,
  StationConfig,
} from "./config.ts";
import type { DialTable } from "./dial-keys.ts";
import { canonicalAddress, canonicalNetwork } from "./network.ts";
import type { DaemonTable, LineTable, MasterTable } from "./schema.ts";
import type { Checked } from "./tables.ts";

/** From tables with the keys of the file to complete values: what one key takes from another is filled in here. */

const DEFAULT_MTU = 1500;

const orNull = (address: string | undefined): string | null =>
  address === undefined ? null : canonicalAddress(address);

export function completeDaemon(table: DaemonTable): DaemonConfig {
  return {
    socket: table.socket,
    socketMode: Number.parseInt(table["socket-mode"], 8),
    socketGroup: table["socket-group"] ?? null,
    lockDirectory: table["lock-directory"],
    logLevel: table["log-level"],
  };
}

const seconds = (value: number | undefined): number | null => (value === undefined ? null : value * 1000);

function completeDial(
  { name, table }: Checked<DialTable>,
  numbers: readonly string[] | undefined,
): DialConfig {
  const isWhole = table.connect !== undefined || table.chat !== undefined;
  return {
    name,
    numbers: numbers ?? table.numbers ?? [],
    connect: table.connect ?? null,
    chatFile: table.chat ?? null,
    modem:
      isWhole || table.direct
        ? null
        : {
            init: table["modem-init"],
            dial: table["dial-command"],
            carrierWaitMs: table["carrier-wait"] * 1000,
          },
    login: isWhole ? null : completeLogin(table),
    script: table.script ?? null,
    firstPauseMs: table["redial-pause"] * 1000,
    longestPauseMs: table["longest-redial-pause"] * 1000,
    attempts: table.attempts ?? null,
    loginWaitMs: table["login-wait"] * 1000,
    linkWaitMs: table["link-wait"] * 1000,
    sessionLimitMs: seconds(table["session-limit"]),
    demand: table.demand,
    idleLimitMs: seconds(table["idle-limit"]),
  };
}

function completeLogin(table: DialTable): LoginConfig | null {
  if (table.user === undefined) return null;
  return {
    user: table.user,
    password: table.password ?? null,
    passwordFile: table["password-file"] ?? null,
    loginPrompt: table["login-prompt"],
    passwordPrompt: table["password-prompt"],
    command: table["login-command"] ?? null,
    ready: table["login-ready"] ?? null,
  };
}

/** @param slaves how many lines of the configuration join it */
export function completeMaster({ name, table }: Checked<MasterTable>, slaves: number): MasterConfig {
  return {
    name,
    address: orNull([table.address ?? []].flat()[0]),
    peer: orNull(table.peer),
    mtu: table.mtu ?? DEFAULT_MTU,
    scheduler: table.scheduler,
    maxSlaves: Math.max(table["max-slaves"], slaves),
    minSlaves: table["min-slaves"],
    queuePackets: table["queue-packets"],
    group: {
      wanted: table["lines-wanted"] ?? (table.demand ? 1 : null),
      demand: table.demand,
      highWaterOctets: table["high-water"] ?? null,
      highWaterMs: table["high-water-time"] * 1000,
      idleMs: seconds(table["idle-time"]),
    },
    defaultRoute: table["default-route"],
    routes: table.routes.map(canonicalNetwork),
  };
}

/** @param callers names of masters that call a server: a line does not join those, but has a path of theirs */
export function completeLine(
  { name, table }: Checked<LineTable>,
  masters: Config["masters"],
  dialers: readonly Checked<DialTable>[],
  callers: readonly string[],
): LineConfig {
  const dialer = dialers.find((candidate) => candidate.name === table.dial);
  const master = masters.find((candidate) => candidate.name === table.master);
  const { master: joins = null } = table;
  const tunnel = joins !== null && callers.includes(joins) ? joins : null;
  const masterName = tunnel === null ? joins : null;
  const rateBps = table.rate ?? table.speed;
  const line: Omit<LineConfig, "ppp"> = {
    name,
    kind: table.interface !== undefined ? "device" : table.protocol === "ppp" ? "ppp" : "slip",
    device: table.interface ?? table.device ?? "",
    speedBps: table.interface === undefined ? table.speed : rateBps,
    rateBps,
    rtscts: table.rtscts,
    carrier: table.carrier ?? (table.dial !== undefined || table.role === "answer"),
    lock: table.interface === undefined && table.lock,
    mtu: table.mtu ?? master?.mtu ?? DEFAULT_MTU,
    master: masterName,
    tunnel,
    address: orNull(table.address) ?? master?.address ?? null,
    peer: orNull(table.peer) ?? master?.peer ?? null,
    routes: table.routes.map(canonicalNetwork),
    defaultRoute: table["default-route"],
    echo: completeEcho(table, masterName),
    dial: dialer === undefined ? null : completeDial(dialer, table.numbers),
    upCommand: table["up-command"] ?? null,
  };
  return { ...line, ppp: line.kind === "ppp" ? completePpp(table, line) : null };
}

/**
 * A line on which callers are answered, as one of PPP that has our address; SLIP needs less.
 * @returns null: its [answer.NAME] is missing
 */
export function completeStation(
  { name, table, raw }: Checked<LineTable>,
  answers: readonly Checked<AnswerTable>[],
): StationConfig | null {
  const found = answers.find((candidate) => candidate.name === table.answer);
  if (found === undefined) return null;
  const answer = completeAnswer(found.name, found.table);
  const keys: LineTable = {
    ...table,
    protocol: "ppp",
    address: table.address ?? answer.address ?? undefined,
    dns: table.dns.length > 0 ? table.dns : [...answer.dns],
    multilink: table.multilink ?? true,
    carrier: table.carrier ?? answer.modem !== null,
  };
  const line = completeLine({ name, raw, table: keys }, [], [], []);
  // SLIP has no echo but ping, which callers have to want.
  return { answer, line: table["echo-interval"] === undefined ? { ...line, echo: null } : line };
}

/** Packets are cut over all links of a bundle: one that is dead unnoticed spoils nearly all of them. */
const MULTILINK_ECHO_SECONDS = 5;

function completeEcho(table: LineTable, master: string | null): EchoConfig | null {
  const isLink = table.protocol === "ppp" && (table.multilink ?? master !== null);
  const seconds = table["echo-interval"] ?? (isLink ? MULTILINK_ECHO_SECONDS : undefined);
  return seconds === undefined ? null : { intervalMs: seconds * 1000, failures: table["echo-failures"] };
}
