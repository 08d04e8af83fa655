/**
 * What the daemon and its clients (the commands, later the web page) say to each other: JSON over HTTP on a
 * unix socket. Types only. Units: rates in bits per second on the line (an asynchronous 8N1 line moves bps/10 octets
 * a second), sizes in octets, times in milliseconds, `at` in milliseconds since 1970.
 *
 *   GET    /status                                 → Status
 *   POST   /enslave            EnslaveRequest      → {}
 *   POST   /emancipate         EmancipateRequest   → {}
 *   PATCH  /masters/:master    MasterChange        → MasterStatus
 *   PATCH  /tunnels/:tunnel    TunnelChange        → TunnelStatus
 *   PATCH  /tunnels/:tunnel/paths/:path PathChange → TunnelStatus
 *   PATCH  /masters/:master/slaves/:slave SlaveChange → LineStatus
 *   POST   /lines              LineRequest         → LineStatus; of a UDP line: TunnelStatus
 *   DELETE /lines/:line                            → {}
 *   POST   /lines/:line/ask    AskRequest          → {}
 *   POST   /lines/:line/watch                      → LifeEvent, one a line, held open: see there
 *   POST   /ppp                PppRequest          → PppEvent, one a line, held open: see there
 *   POST   /capture            CaptureRequest      → CaptureReply, held open: see there
 *   POST   /reload                                 → ReloadReply
 *   POST   /down                                   → {} when everything is down
 *
 * A failure is answered with a 4xx or 5xx status and an {@link ErrorReply}.
 */

export type SchedulerName = "earliest-arrival" | "eql-1995" | "round-robin" | "weighted" | "active-backup";

export const SCHEDULER_NAMES: readonly SchedulerName[] = [
  "earliest-arrival",
  "eql-1995",
  "round-robin",
  "weighted",
  "active-backup",
];

/**
 * The life of a line, as its owner sees it.
 * - `closed`: its device is missing, in use or hung up; it is tried again at `retryAt`
 * - `idle`: nobody wants it up now
 * - `dialing`, `login`: before and after the modems are connected
 * - `given-up`: too many attempts failed; `eql dial` tries again
 * - `negotiating`: PPP has not agreed with the peer yet
 * - `down`: its interface is administratively down
 * - `alone`: up, a plain point-to-point interface of its own
 * - `enslaved`: up, carries packets of its master
 * - `silent`: up, but the peer does not answer its echo, so it is out of its master until it does
 */
export type LineState =
  | "closed"
  | "idle"
  | "dialing"
  | "login"
  | "negotiating"
  | "down"
  | "alone"
  | "enslaved"
  | "silent"
  | "given-up";

/** Packets and octets, counted at the IP level. */
export interface TrafficCount {
  readonly packets: number;
  readonly octets: number;
}

export interface LineStatus {
  readonly name: string;
  /** `slip` or `ppp` on a tty, `device`: an existing kernel interface. */
  readonly kind: "slip" | "ppp" | "device";
  /** Path of the tty, or name of the kernel interface. */
  readonly device: string;
  /** Name of its interface: another one than the line's when that was named after its port before there was an interface. */
  readonly interface: string;
  readonly state: LineState;
  readonly since: number;
  /** Why it is in this state, in words; empty when there is nothing to say. */
  readonly reason: string;
  readonly retryAt: number | null;
  readonly master: string | null;
  readonly mtu: number;
  readonly rateGivenBps: number;
  readonly rateEstimatedBps: number;
  readonly sent: TrafficCount;
  readonly received: TrafficCount;
  /** Octets on the line itself, framing included. */
  readonly lineOctets: { readonly sent: number; readonly received: number };
  /** Received frames and packets given up, by reason; only reasons that occurred. */
  readonly drops: Readonly<Record<string, number>>;
  /** What to do about a drop reason that has a cure, in words. */
  readonly hints: readonly string[];
  /** Octets handed to the line and, by estimate, not yet sent. */
  readonly backlogOctets: number;
  /** Round trip of the last echo that was answered; null without echo. */
  readonly echoMs: number | null;
  /** Null: it is no PPP line. */
  readonly ppp: PppStatus | null;
  /** Null: it is not kept up by the daemon, but a client's, or only passing. */
  readonly life: LifeStatus | null;
}

/**
 * Where a line stands on the way from nobody wanting it to carrying packets.
 * - `idle`: nobody wants it, or it was told to stay down
 * - `waiting`: a pause before the next attempt
 * - `locking`: its device is being locked and opened
 * - `dialing`, `login`: before and after there is a carrier
 * - `negotiating`: the link is being brought up
 * - `up`: it carries packets alone; `enslaved`: those of its master
 * - `hangingUp`: the link is being ended, and the device closed
 * - `givenUp`: too many attempts failed; until told
 */
export type LifeState =
  | "idle"
  | "waiting"
  | "locking"
  | "dialing"
  | "login"
  | "negotiating"
  | "up"
  | "enslaved"
  | "hangingUp"
  | "givenUp";

export interface LifeStatus {
  readonly state: LifeState;
  readonly since: number;
  /** Why it is in this state, in words. */
  readonly reason: string;
  /** Of this call or the last one; null: none was dialed. */
  readonly number: string | null;
  /** Which attempt since the last success this is; 0: none. */
  readonly attempt: number;
  /** Of the modems; null: not known. */
  readonly carrierBps: number | null;
  /** What happened to it, oldest first; of long lives the latest part. */
  readonly history: readonly LifeTransition[];
  /** What was said on the line in this call or the last one, secrets masked. */
  readonly transcript: readonly string[];
}

export interface LifeTransition {
  readonly at: number;
  readonly from: LifeState;
  readonly to: LifeState;
  readonly reason: string;
}

/** A person's word on a line, which stands above what its master wants. */
export interface AskRequest {
  /** `up`: now, whatever it waits for; `down`: until told; `auto`: as its master wants again. */
  readonly ask: "up" | "down" | "auto";
}

/**
 * What happens to a line that somebody watches, in order: first where it stands and what has been said, then all that follows, as
 * long as the client keeps the request open.
 */
export type LifeEvent =
  | { readonly event: "state"; readonly at: number; readonly state: LifeState; readonly reason: string }
  /** A line of what is said on it. */
  | { readonly event: "text"; readonly text: string };

/**
 * A line on which callers are answered. While there is a call it is also a line, of the same name.
 * - `closed`: its device is missing or in use, or rests between two calls
 * - `waiting`: for a caller
 * - `login`: somebody is there, and not let in yet
 * - `session`: packets are carried, or PPP is negotiating
 */
export interface StationStatus {
  readonly name: string;
  readonly device: string;
  readonly state: "closed" | "waiting" | "login" | "session";
  readonly since: number;
  /** Why it is closed, or how the last call ended, in words. */
  readonly reason: string;
  /** Of who was let in; null: nobody. */
  readonly user: string | null;
  readonly address: string | null;
  /** Null: there is no session. */
  readonly protocol: "slip" | "ppp" | null;
  /** Bits per second of the modems; null: not known. */
  readonly carrierBps: number | null;
  /** The number of who calls; null: the modem does not tell. */
  readonly callerId: string | null;
  /** What was said in this call or the last one, without passwords. */
  readonly transcript: readonly string[];
}

/** The phases of a PPP link (RFC 1661, section 3.2). */
export type PppPhase = "dead" | "establish" | "authenticate" | "network" | "terminate";

/** What a network protocol of PPP agreed on: IPv4 addresses, or link-local IPv6 ones. */
export interface NetworkAgreement {
  readonly local: string;
  readonly remote: string;
  /** Name servers that the peer told. */
  readonly dns: readonly string[];
}

export interface PppStatus {
  readonly phase: PppPhase;
  /** What we were granted and what the peer was, by the names of the options; empty before LCP opens. */
  readonly ours: PppOptionValues;
  readonly theirs: PppOptionValues;
  /** As it proved itself; null: it did not have to. */
  readonly peerName: string | null;
  /** Whether both ends want the link to carry numbered parts of packets, as one of a bundle. */
  readonly multilink: boolean;
  /** Null: not up on this link; in a bundle, they are up on the master. */
  readonly ipv4: NetworkAgreement | null;
  readonly ipv6: NetworkAgreement | null;
  /** Numbered parts of packets on this link; null: it is in no bundle. */
  readonly fragments: { readonly sent: number; readonly received: number } | null;
}

export type PppOptionValues = Readonly<Record<string, string | number | boolean>>;

/** A master whose links carry numbered parts of packets (RFC 1990). */
export interface MultilinkStatus {
  readonly peerName: string | null;
  /** The peer's endpoint discriminator, such as "local:01.23"; empty: it has none. */
  readonly peerEndpoint: string;
  readonly ipv4: NetworkAgreement | null;
  readonly ipv6: NetworkAgreement | null;
  readonly fragments: { readonly sent: number; readonly received: number; readonly lost: number };
}

export interface MasterStatus {
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly scheduler: SchedulerName;
  readonly maxSlaves: number;
  readonly minSlaves: number;
  /** Names, in the order in which they joined. */
  readonly slaves: readonly string[];
  readonly queue: { readonly packets: number; readonly octets: number; readonly limitPackets: number };
  readonly sent: TrafficCount;
  readonly received: TrafficCount;
  readonly drops: Readonly<Record<string, number>>;
  /** Null: whole packets without numbers. */
  readonly multilink: MultilinkStatus | null;
}

/** When a path carries packets: always, when those are full, or when none of them is there. */
export type PathTier = "primary" | "overflow" | "backup";

export interface PathStatus {
  /** As configured; of a peer that calls, "link 0" and so on. */
  readonly name: string;
  readonly device: string | null;
  readonly tier: PathTier;
  /** `proving`: it has not answered yet. `dead`: it answers no more, and is tried. */
  readonly state: "proving" | "alive" | "dead";
  /** Both ends' addresses now; null: not known. */
  readonly local: string | null;
  readonly remote: string | null;
  /** What it carries, bits per second at the level of IP: found, not given. */
  readonly rateBps: number;
  readonly roundTripMs: number | null;
  /** How much longer than the least a datagram takes now, one way. */
  readonly queueMs: number;
  /** Of what was sent lately, from 0 to 1. */
  readonly loss: number;
  /** Longest IP packet that the path carries. */
  readonly mtu: number;
  readonly sent: { readonly datagrams: number; readonly octets: number; readonly lost: number };
  readonly received: { readonly datagrams: number; readonly octets: number };
}

/** Which packets go by two paths: all, none, or those of flows with little traffic ("sparse") and of these code points (DSCP, 0 to 63). */
export type Redundant = boolean | readonly ("sparse" | number)[];

/** The other end of a tunnel. */
export interface TunnelPeerStatus {
  readonly name: string;
  readonly publicKey: string;
  /** `none`: there are no keys. */
  readonly session: "none" | "established";
  /** Null: there is no session. */
  readonly cipher: "aes-256-gcm" | "chacha20-poly1305" | null;
  readonly redundant: Redundant;
  readonly paths: readonly PathStatus[];
  readonly queue: { readonly packets: number; readonly octets: number };
  readonly sent: { readonly packets: number; readonly octets: number; readonly repeated: number };
  readonly received: TrafficCount;
  readonly drops: Readonly<Record<string, number>>;
}

/** An interface whose packets go by UDP paths: a server, or a master that calls one. */
export interface TunnelStatus {
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly publicKey: string;
  readonly listen: readonly string[];
  readonly peers: readonly TunnelPeerStatus[];
  /** Configured paths that are not there, and why, in words. */
  readonly waiting: readonly { readonly path: string; readonly reason: string }[];
  readonly drops: Readonly<Record<string, number>>;
}

export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly at: number;
  readonly masters: readonly MasterStatus[];
  readonly lines: readonly LineStatus[];
  readonly tunnels: readonly TunnelStatus[];
  /** Where callers are answered, in the order of the file. */
  readonly stations: readonly StationStatus[];
}

export interface EnslaveRequest {
  readonly master: string;
  readonly slave: string;
  /** Estimated bits per second; at least 1. */
  readonly bps: number;
}

export interface EmancipateRequest {
  readonly master: string;
  readonly slave: string;
}

export interface MasterChange {
  readonly maxSlaves?: number | undefined;
  readonly minSlaves?: number | undefined;
  readonly scheduler?: SchedulerName | undefined;
}

/** Of a tunnel that calls: of its server. Of a server: of all its clients. */
export interface TunnelChange {
  readonly redundant: Redundant;
}

export interface PathChange {
  readonly tier?: PathTier | undefined;
  /** Bits per second; null: what the path carries. */
  readonly sendBps?: number | null | undefined;
  readonly receiveBps?: number | null | undefined;
}

export interface SlaveChange {
  readonly bps?: number | undefined;
}

/** A line to add while the daemon runs: the same keys, defaults and checks as `[line.NAME]` in the file. */
export interface LineRequest {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * A PPP line that belongs to its client (`eql pppd`): it lasts as long as the client keeps the request open. It is opened by the
 * path of its device, which the client holds locked, and it is not opened again when it ends.
 */
export interface PppRequest {
  /** Name of the line, such as "ttyS1"; null: that of its interface. */
  readonly name: string | null;
  /** The interface is called `ppp<unit>`; null: the first one that is free. */
  readonly unit: number | null;
  /** As `[line.NAME]` in the file, with `protocol = "ppp"`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * How a PPP line ended.
 * - `asked`: by us, `peer`: by a Terminate-Request, `hangup`: the device hung up or failed
 * - `negotiation`: no agreement, or nobody answered; `no-network`: no network protocol came up
 * - `peer-unauthenticated`: the peer did not prove itself, `unauthenticated`: we could not
 * - `echo`: the peer did not answer echoes, `loopback`: the line leads back to us
 */
export type PppEnd =
  | "asked"
  | "peer"
  | "hangup"
  | "negotiation"
  | "no-network"
  | "peer-unauthenticated"
  | "unauthenticated"
  | "echo"
  | "loopback";

/** What happens on a client's PPP line, in order. */
export type PppEvent =
  /** The line is there: `DELETE /lines/:line` ends it properly. */
  | { readonly event: "line"; readonly line: string }
  /** A line for the client's log, as pppd's: control packets decoded (with debug), and what happened. */
  | { readonly event: "log"; readonly level: "debug" | "info" | "warn" | "error"; readonly text: string }
  /** A network protocol is up on an interface; of a bundle, by the first line only. */
  | {
      readonly event: "up";
      readonly interface: string;
      readonly local: string;
      readonly remote: string;
    }
  /** The link joined a bundle that is up already. */
  | { readonly event: "joined"; readonly interface: string }
  | { readonly event: "down"; readonly interface: string }
  /** The last one. */
  | { readonly event: "ended"; readonly end: PppEnd; readonly reason: string };

export interface CaptureRequest {
  readonly link: string;
}

/**
 * The first line of the answer to /capture. The pcap (LINKTYPE_LINUX_SLL) is then written to the named pipe, which
 * only its owner can open. The capture lasts as long as the client keeps the request open.
 */
export interface CaptureReply {
  readonly pipe: string;
}

/** What came of reading the configuration again, in words such as "server.vpn.client.joe: added" and "line.ttyS0: speed". */
export interface ReloadReply {
  readonly applied: readonly string[];
  /** What differs, and needs a restart. */
  readonly restart: readonly string[];
}

export interface ErrorReply {
  readonly code: string;
  readonly message: string;
}
