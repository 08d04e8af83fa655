import type { SchedulerName } from "../control/messages.ts";

/** Addresses and names without an octet that SLIP escapes. */
export const NEAR_ADDRESS = "10.77.0.1";
export const FAR_ADDRESS = "10.77.0.2";
const MASTER = "eql";

/** What the lines speak: SLIP, or PPP with whole packets in the classic master, or PPP as one multilink bundle. */
export type BondProtocol = "slip" | "ppp" | "mlppp";

export const BOND_PROTOCOLS: readonly BondProtocol[] = ["slip", "ppp", "mlppp"];

export interface BondOptions {
  /** What each virtual line really moves, in bits per second. */
  readonly speeds: readonly number[];
  readonly mtu: number;
  readonly scheduler: SchedulerName;
  /** SLIP without it. */
  readonly protocol?: BondProtocol;
  /** Of multilink: numbers of 12 bits instead of 24. */
  readonly shortNumbers?: boolean;
  /** Per cent by which the rates given to the daemons are wrong; below 0 is too low. */
  readonly rateErrorPercent?: number;
  /** The only line whose rate is given wrong; all of them without it. */
  readonly rateErrorLine?: number;
  /** Seconds between echoes on each line, for lines whose silence must be noticed. */
  readonly echoSeconds?: number;
}

/** What the daemons are told that a line moves. */
function givenRate(options: BondOptions, line: number): number {
  const { speeds, rateErrorPercent = 0, rateErrorLine = line } = options;
  const error = rateErrorLine === line ? rateErrorPercent : 0;
  return Math.round((speeds[line] as number) * (1 + error / 100));
}

/** Secrets files that are not there, in place of this machine's, which an ordinary user may not read. */
export const noSecrets = ({ lockDirectory }: SideFiles): Readonly<Record<string, string>> => ({
  "pap-secrets": `${lockDirectory}/no-pap-secrets`,
  "chap-secrets": `${lockDirectory}/no-chap-secrets`,
});

/** The name of a line, and the keys that its protocol needs. */
function linkKeys(
  { protocol = "slip", shortNumbers = false }: BondOptions,
  files: SideFiles,
  line: number,
): readonly string[] {
  if (protocol === "slip") return [`[line.sl${line}]`];
  const numbers = shortNumbers ? ["short-sequence-numbers = true"] : [];
  const secrets = Object.entries(noSecrets(files)).map(([key, path]) => `${key} = ${JSON.stringify(path)}`);
  const multilink = `multilink = ${protocol === "mlppp"}`;
  return [`[line.ppp${line}]`, 'protocol = "ppp"', multilink, ...numbers, ...secrets];
}

export interface SideFiles {
  readonly socket: string;
  readonly lockDirectory: string;
  /** Path of the tty of each line. */
  readonly devices: readonly string[];
}

/** The configuration file of one side; the other side's has the addresses swapped. */
export function bondConfig(
  options: BondOptions,
  { address, peer }: { address: string; peer: string },
  files: SideFiles,
): string {
  const { socket, lockDirectory, devices } = files;
  const echo = options.echoSeconds === undefined ? [] : [`echo-interval = ${options.echoSeconds}`];
  const lines = options.speeds.map((_, line) =>
    [
      ...linkKeys(options, files, line),
      `device = ${JSON.stringify(devices[line])}`,
      `speed = ${givenRate(options, line)}`,
      `master = "${MASTER}"`,
      ...echo,
    ].join("\n"),
  );
  return [
    `[daemon]\nsocket = ${JSON.stringify(socket)}\nlock-directory = ${JSON.stringify(lockDirectory)}`,
    [
      `[master.${MASTER}]`,
      `address = "${address}"`,
      `peer = "${peer}"`,
      `mtu = ${options.mtu}`,
      `scheduler = "${options.scheduler}"`,
    ].join("\n"),
    ...lines,
    "",
  ].join("\n\n");
}
