import type { SchedulerName } from "../control/messages.ts";
import type { DialScript } from "../dial/dial-script.ts";
import type { AuthSettings, LcpSettings, NetworkSettings, Secret } from "../ppp/settings.ts";
import type { AnswerConfig } from "./answer-keys.ts";
import type { DialTable } from "./dial-keys.ts";
import type { RadiusConfig } from "./radius-keys.ts";
import type { Checked, RawTable } from "./tables.ts";
import type { TunnelConfig } from "./tunnel-config.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** The whole configuration, checked and complete: every default is filled in, and what is absent is null. */
export interface Config {
  readonly daemon: DaemonConfig;
  /** In the order of the file, as are the lines. */
  readonly masters: readonly MasterConfig[];
  readonly lines: readonly LineConfig[];
  /** Servers for UDP links, and masters that call one, with their lines. */
  readonly tunnels: readonly TunnelConfig[];
  /** Tables [dial.NAME], for lines that are added later. */
  readonly dialers: readonly Checked<DialTable>[];
  /** Lines on which callers are answered. */
  readonly stations: readonly StationConfig[];
  /** Tables [radius.NAME], by name. */
  readonly radius: ReadonlyMap<string, RadiusConfig>;
  /** All of it as its source has it. */
  readonly source: RawTable;
}

export interface DaemonConfig {
  /** Path of the control socket. */
  readonly socket: string;
  /** Permission bits, such as 0o600. */
  readonly socketMode: number;
  readonly socketGroup: string | null;
  /** Where UUCP lock files are kept. */
  readonly lockDirectory: string;
  readonly logLevel: LogLevel;
}

/** What an interface gets when it is brought up; a master and a line have it alike. */
export interface InterfaceConfig {
  /** Name of the interface, as `ip link` shows it. */
  readonly name: string;
  /** IPv4 or IPv6; null: waits to be addressed from outside. */
  readonly address: string | null;
  readonly peer: string | null;
  /** Octets of the largest IP packet. */
  readonly mtu: number;
  readonly defaultRoute: boolean;
  /** Networks in CIDR notation. */
  readonly routes: readonly string[];
}

/** Which of a master's lines are up. */
export interface GroupConfig {
  /** How many are kept up; null: all. */
  readonly wanted: number | null;
  /** Not before there are packets. */
  readonly demand: boolean;
  /** Queued octets above which, after `highWaterMs`, one more is wanted; null: never. */
  readonly highWaterOctets: number | null;
  readonly highWaterMs: number;
  /** After so long without need, those beyond `wanted` go, or with `demand` all; null: never. */
  readonly idleMs: number | null;
}

export interface MasterConfig extends InterfaceConfig {
  readonly group: GroupConfig;
  readonly scheduler: SchedulerName;
  /** Never less than the slaves that the configuration gives it. */
  readonly maxSlaves: number;
  readonly minSlaves: number;
  readonly queuePackets: number;
}

export interface LineConfig extends InterfaceConfig {
  /** `slip` or `ppp` on a tty, `device`: an existing kernel interface. */
  readonly kind: "slip" | "ppp" | "device";
  /** Path of the tty, or name of the kernel interface. */
  readonly device: string;
  /** Speed of the port in bits per second; that of a kernel interface is its rate. */
  readonly speedBps: number;
  /** What the line is estimated to carry, in bits per second. */
  readonly rateBps: number;
  readonly rtscts: boolean;
  /** The line has hung up when its carrier is lost. */
  readonly carrier: boolean;
  readonly lock: boolean;
  /** Name of the master that it joins; null: it stays alone. */
  readonly master: string | null;
  /** Name of the master that calls a server by a path over it; null: none does. */
  readonly tunnel: string | null;
  /** Null: the peer is not asked whether it is there. */
  readonly echo: EchoConfig | null;
  /** Null: it is no PPP line. */
  readonly ppp: PppConfig | null;
  /** Null: it is there as soon as its device is. */
  readonly dial: DialConfig | null;
  /** For the shell, each time it is up; `$interface` stands for the name of its interface. Null: none. */
  readonly upCommand: string | null;
}

/** A line on which callers are answered. */
export interface StationConfig {
  /** How the line is; a PPP line, as most of what it says is of PPP. */
  readonly line: LineConfig;
  readonly answer: AnswerConfig;
}

/** How a line's far side is called. */
export interface DialConfig {
  /** That of the table. */
  readonly name: string;
  readonly numbers: readonly string[];
  /** A command that does it all, or a file with a script of chat(8). */
  readonly connect: string | null;
  readonly chatFile: string | null;
  /** Null: there is none between the line and the far side. */
  readonly modem: {
    readonly init: readonly string[];
    readonly dial: string;
    readonly carrierWaitMs: number;
  } | null;
  readonly login: LoginConfig | null;
  /** Instead of the login. */
  readonly script: DialScript | null;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** How many may fail in a row; null: any number. */
  readonly attempts: number | null;
  readonly loginWaitMs: number;
  readonly linkWaitMs: number;
  readonly sessionLimitMs: number | null;
  /** Of a line alone. */
  readonly demand: boolean;
  readonly idleLimitMs: number | null;
}

export interface LoginConfig {
  readonly user: string;
  /** Null: it is in the file. */
  readonly password: string | null;
  readonly passwordFile: string | null;
  readonly loginPrompt: string;
  readonly passwordPrompt: string;
  /** What is said once logged in, and what is waited for then; null: nothing. */
  readonly command: string | null;
  readonly ready: string | null;
}

export interface PppConfig {
  readonly lcp: LcpSettings;
  /** Without secrets: they are read when the line is brought up. */
  readonly auth: Omit<AuthSettings, "papSecrets" | "chapSecrets">;
  /** Of the configuration itself, for all protocols. */
  readonly secrets: readonly Secret[];
  readonly papSecretsFile: string;
  readonly chapSecretsFile: string;
  readonly network: NetworkSettings;
  /** Each control packet is logged. */
  readonly debug: boolean;
  /** Directory of scripts to run as pppd does; null: none are run. */
  readonly scripts: string | null;
  readonly ipparam: string | null;
  readonly linkName: string | null;
  /** Tells apart bundles to the same peer; null: there is one. */
  readonly bundle: string | null;
}

export interface EchoConfig {
  readonly intervalMs: number;
  /** Echoes unanswered in a row after which the line counts as silent. */
  readonly failures: number;
}
