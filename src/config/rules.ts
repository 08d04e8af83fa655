import { posix } from "node:path";
import type { AnswerTable } from "./answer-keys.ts";
import type { InterfaceConfig, LineConfig, MasterConfig } from "./config.ts";
import type { DialTable } from "./dial-keys.ts";
import { allowedBy, path } from "./keys.ts";
import { familyOf } from "./network.ts";
import { PPP_KEYS } from "./ppp-keys.ts";
import { type KeyPath, type Problems, show } from "./problems.ts";
import type { LineTable } from "./schema.ts";
import type { Checked } from "./tables.ts";

/** The rules that need more than one key. Each is told to `problems` at the key that most likely is to change. */

/** RFC 8200 §5. */
export const IPV6_MIN_MTU = 1280;

/** What a line has to agree with. */
export interface Surroundings {
  readonly masters: readonly MasterConfig[];
  /** The masters that exist: also those that are in error themselves and so not among `masters`. */
  readonly masterNames: readonly string[];
  readonly dialerNames: readonly string[];
  /** The lines that stand before it: of two that are in each other's way, the later one is told. */
  readonly earlier: readonly LineConfig[];
  readonly later: readonly LineConfig[];
}

/** Tells what is wrong with a key; null: with the whole table. */
export type Say = (key: string | null, text: string) => void;

export const sayAt =
  (path: KeyPath, problems: Problems): Say =>
  (key, text) =>
    problems.add(key === null ? path : [...path, key], text);

export function checkDialer({ name, table, raw }: Checked<DialTable>, problems: Problems): void {
  const say = sayAt(["dial", name], problems);
  const whole = table.connect === undefined ? (table.chat === undefined ? null : "chat") : "connect";
  if (table.connect !== undefined && table.chat !== undefined) {
    say("chat", "found connect as well; give one of them, as each dials and logs in by itself");
  }
  for (const key of whole === null ? [] : DIALOGUE_KEYS.filter((each) => each in raw)) {
    say(key, `found ${whole} as well, which does this by itself; give one of them`);
  }
  if (table.script !== undefined && table.user !== undefined) {
    say("user", "found script as well, which logs in by itself; give one of them");
  }
  if (table.password !== undefined && table["password-file"] !== undefined) {
    say("password-file", "found password as well; give one of them");
  }
  for (const key of table.user === undefined ? LOGIN_KEYS.filter((each) => each in raw) : []) {
    say(key, "found no user, so that there is no login; give user as well, or leave it out");
  }
  if (table["longest-redial-pause"] < table["redial-pause"]) {
    say("longest-redial-pause", `found ${table["longest-redial-pause"]}; allowed: at least redial-pause`);
  }
}

/** What only a login has. */
const LOGIN_KEYS = [
  "password",
  "password-file",
  "login-prompt",
  "password-prompt",
  "login-command",
  "login-ready",
];
/** What only our own dialogues have. */
const DIALOGUE_KEYS = [
  "script",
  "modem-init",
  "dial-command",
  "carrier-wait",
  "direct",
  "user",
  ...LOGIN_KEYS,
];

export function checkMaster(master: MasterConfig, problems: Problems): void {
  checkAddresses(master, sayAt(["master", master.name], problems));
}

/**
 * @param line made from `checked`
 * @param path where the line's keys stand in their source
 */
export function checkLine(
  checked: Checked<LineTable>,
  line: LineConfig,
  path: KeyPath,
  around: Surroundings,
  problems: Problems,
): void {
  const say = sayAt(path, problems);
  const { name } = line;
  if (around.masterNames.includes(name)) say(null, `the name is taken by master.${name}; choose another`);
  if (around.earlier.some((other) => other.name === name)) say(null, "a line of this name exists already");
  checkKind(checked, say);
  checkDevice(line, around, say);
  const master = checkMembership(line, around, say);
  // What a line takes from its master is told there, and is unknown when the master is in error or missing.
  if (line.master !== null && master === undefined) return;
  if (["address", "peer", "mtu", "routes"].some((key) => key in checked.raw))
    checkAddresses(line, say, line.kind === "ppp");
  if (line.kind === "ppp") checkPpp(line, say);
  checkDialing(checked, line, around, say);
  if (checked.table["accept-local"] === true && master !== undefined && master.address !== null) {
    say("accept-local", `found true, but master.${master.name} has an address and keeps it; leave one out`);
  }
  if (line.kind !== "ppp" && line.echo !== null && line.peer === null) {
    say("echo-interval", "an echo needs somebody to answer; give peer here or in the master, or no echo");
  }
  if (line.echo === null && "echo-failures" in checked.raw) {
    say("echo-failures", "without echo-interval there is no echo; give both or neither");
  }
}

/** What a line has that leads to one peer. */
const LINK_KEYS = [
  "interface",
  "protocol",
  "dial",
  "numbers",
  "master",
  "up-command",
  "default-route",
  "routes",
];

/**
 * Of a line on which callers are answered, and of none other.
 * @param address ours, from the line or from its [answer.NAME]; undefined: that is in error itself, or missing
 */
export function checkStation(
  { name, table, raw }: Checked<LineTable>,
  address: string | null | undefined,
  answerNames: readonly string[],
  problems: Problems,
): void {
  const say = sayAt(["line", name], problems);
  if (table.role !== "answer") {
    if ("answer" in raw)
      say("answer", 'callers are answered with role = "answer" only; give it, or leave this out');
    return;
  }
  for (const key of LINK_KEYS.filter((each) => each in raw)) {
    say(key, 'a line with role = "answer" has no such setting: it depends on who calls; leave it out');
  }
  if (table.answer === undefined || !answerNames.includes(table.answer)) {
    const known = answerNames.join(", ");
    const allowed = known === "" ? "an [answer.NAME], and there is none; add one" : known;
    say("answer", `found ${show(table.answer)}; allowed: ${allowed}`);
  } else if (address === null) {
    say("address", `found none, here and in answer.${table.answer}; give our address in one of them`);
  }
}

export function checkAnswer(
  { name, table, raw }: Checked<AnswerTable>,
  radiusNames: readonly string[],
  problems: Problems,
): void {
  const say = sayAt(["answer", name], problems);
  if (!table.login && !table.ppp) say("ppp", "found false, and login as well, so that nobody comes in");
  for (const key of table.direct ? MODEM_KEYS.filter((each) => each in raw) : []) {
    say(key, "a direct line has no modem; leave it out, or direct");
  }
  if (table["auto-answer"] && "answer-command" in raw) {
    say("answer-command", "found auto-answer as well; give one of them");
  }
  if (!table.direct && table["wait-for-caller"]) {
    say("wait-for-caller", "only on a direct line it is not known when somebody comes; leave it out");
  }
  if (table.radius !== undefined && !radiusNames.includes(table.radius)) {
    const known = radiusNames.join(", ");
    say(
      "radius",
      `found ${show(table.radius)}; allowed: ${known === "" ? "a [radius.NAME], and there is none" : known}`,
    );
  }
  if (table.radius !== undefined && "users" in raw) say("users", "found radius as well; give one of them");
  if (table.masquerade && table.pool === undefined) say("masquerade", "found no pool; give pool as well");
  if (table.forward && !table.masquerade) say("forward", "found no masquerade; give masquerade as well");
  for (const [key, text] of [
    ["address", table.address],
    ...table.dns.map((each) => ["dns", each]),
  ] as const) {
    if (text !== undefined && familyOf(text) !== "IPv4")
      say(key ?? null, `found ${text}; allowed: an IPv4 address`);
  }
}

const MODEM_KEYS = ["modem-init", "answer-command", "auto-answer", "rings", "carrier-wait", "modem-check"];

/** A tty or a kernel interface, and only the keys that it has. */
function checkKind({ raw, table }: Checked<LineTable>, say: Say): void {
  if (table.role !== "answer" && (table.interface !== undefined || table.protocol !== "ppp")) {
    for (const key of PPP_KEYS.filter((name) => name in raw)) {
      say(key, 'only PPP has such a setting; give protocol = "ppp" as well, or leave it out');
    }
  }
  if (table.device !== undefined && !table.device.startsWith("/")) {
    say("device", `found ${show(table.device)}; allowed: ${allowedBy(path("/dev/ttyS0"))}`);
  }
  if (table.interface === undefined) {
    if (table.device === undefined) {
      say(null, 'found neither device nor interface; give one of them, such as device = "/dev/ttyS0"');
    }
    return;
  }
  if (table.device !== undefined) {
    say("interface", "found device as well; give one of them");
    return;
  }
  for (const key of ["protocol", "speed", "rtscts", "carrier", "lock", "dial"].filter(
    (name) => name in raw,
  )) {
    say(key, "a kernel interface has no such setting; leave it out, or give device instead of interface");
  }
  if (table.rate === undefined) {
    say("rate", "found nothing; allowed: the bits per second of the line, because an interface has no speed");
  }
}

function checkDialing(
  { table, raw }: Checked<LineTable>,
  line: LineConfig,
  around: Surroundings,
  say: Say,
): void {
  if (table.dial === undefined) {
    if ("numbers" in raw)
      say("numbers", "found no dial, so that nothing is dialed; give dial, or leave it out");
    return;
  }
  if (!around.dialerNames.includes(table.dial)) {
    const known = around.dialerNames.join(", ");
    const allowed = known === "" ? `a [dial.NAME], and there is none; add [dial.${table.dial}]` : known;
    say("dial", `found ${show(table.dial)}; allowed: ${allowed}`);
  }
  const { dial, master } = line;
  if (dial !== null && master !== null) {
    const own = dial.demand ? "demand" : dial.idleLimitMs === null ? null : "idle-limit";
    const its = own === "demand" ? "demand" : "idle-time";
    if (own !== null) {
      say(
        "dial",
        `dial.${dial.name} has ${own}, which is for lines without a master; give ${its} in master.${master} instead`,
      );
    }
  }
  if (line.dial !== null && line.dial.modem !== null && line.dial.numbers.length === 0) {
    say("numbers", `found none, here and in dial.${line.dial.name}; give numbers in one of them`);
  }
}

function checkPpp({ address, peer, ppp }: LineConfig, say: Say): void {
  for (const [key, text] of [
    ["address", address],
    ["peer", peer],
  ] as const) {
    if (text !== null && familyOf(text) !== "IPv4") {
      say(key, `found ${text}; allowed: an IPv4 address; PPP agrees on IPv6 by itself (ipv6 = true)`);
    }
  }
  const sixth = ppp?.network.ipv4?.dns.some((octets) => octets.length !== 4);
  if (sixth === true) say("dns", "found an IPv6 address; allowed: IPv4 addresses, as PPP tells no others");
  if (ppp?.network.ipv4 === null && ppp.network.ipv6 === null) {
    say("ipv4", "found false without ipv6 = true; allowed: at least one of them");
  }
}

/** No two lines on one device, and no line on an interface that is made here. */
function checkDevice({ name, kind, device }: LineConfig, around: Surroundings, say: Say): void {
  if (device === "") return;
  const isTty = kind !== "device";
  const twin = around.earlier.find(
    (other) =>
      (other.kind !== "device") === isTty && posix.normalize(other.device) === posix.normalize(device),
  );
  if (twin !== undefined) {
    say(isTty ? "device" : "interface", `found ${show(device)}, which line.${twin.name} has already`);
  }
  if (isTty) return;
  const maker = [...around.earlier, ...around.later].find(
    (other) => other.kind !== "device" && other.name === device && other.name !== name,
  );
  const made = around.masterNames.includes(device) ? `master.${device}` : maker && `line.${maker.name}`;
  if (made !== undefined) {
    say(
      "interface",
      `found ${show(device)}, which is ${made}; allowed: an interface that exists without eql`,
    );
  }
}

function checkMembership(line: LineConfig, around: Surroundings, say: Say): MasterConfig | undefined {
  if (line.master !== null && !around.masterNames.includes(line.master)) {
    const known = around.masterNames.join(", ");
    say(
      "master",
      `found ${show(line.master)}; allowed: ${known === "" ? `a master, and there is none; add [master.${line.master}]` : known}`,
    );
  }
  const master = around.masters.find(({ name }) => name === line.master);
  if (master !== undefined && master.mtu !== line.mtu) {
    say(
      "mtu",
      `master (${master.mtu}) and slave (${line.mtu}) MTU settings do not match; ` +
        `make it equal to master.${master.name}.mtu, or leave it out`,
    );
  }
  return master;
}

/** @param assigned whether the peer may assign the address that is not given */
function checkAddresses({ address, peer, mtu, routes }: InterfaceConfig, say: Say, assigned = false): void {
  if (peer !== null && address === null && !assigned) {
    say("peer", `found ${peer} without an address; give address as well, or neither`);
  } else if (peer !== null && peer === address) {
    say("peer", `found ${peer}, which is the address of this side; give that of the far side`);
  } else if (peer !== null && address !== null && familyOf(peer) !== familyOf(address)) {
    say("peer", `found ${peer}; allowed: an ${familyOf(address)} address, as ${address} is one`);
  }
  const sixth = [address, peer, ...routes].find((text) => text !== null && familyOf(text) === "IPv6");
  if (mtu < IPV6_MIN_MTU && sixth !== undefined) {
    say("mtu", `found ${mtu}; allowed: at least ${IPV6_MIN_MTU}, because ${sixth} is IPv6`);
  }
}
