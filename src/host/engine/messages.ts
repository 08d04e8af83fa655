import type {
  LineStatus,
  MasterStatus,
  NetworkAgreement,
  PppEnd,
  PppPhase,
  SchedulerName,
} from "../../control/messages.ts";
import type { EqlErrorCode, EqlErrorDetails } from "../../errors.ts";
import type { Proof, Verdict } from "../../ppp/proof.ts";
import type { AuthSettings, LcpSettings, NetworkSettings } from "../../ppp/settings.ts";
import type { TunnelEvent, TunnelOperations } from "./tunnel-messages.ts";

/** What the control plane (main thread) asks of the data plane (worker). Plain data; packets never cross. */
export interface EngineOperations extends TunnelOperations {
  addMaster: { readonly request: MasterSettings; readonly reply: InterfaceMade };
  removeMaster: { readonly request: { readonly name: string }; readonly reply: null };
  /** A line that is closed. One on a tty has its interface, which waits for the device; the index of any other is 0. */
  addLine: { readonly request: LineSettings; readonly reply: InterfaceMade };
  removeLine: { readonly request: { readonly name: string }; readonly reply: null };
  /** Opens the line's device. The reply is the index of the interface that it has now. */
  openLine: {
    readonly request: {
      readonly name: string;
      /** PPP: whether it may become a link of a numbered bundle. */
      readonly multilink: boolean;
      /** Null: it opens its device itself. */
      readonly talk: TalkTakeover | null;
    };
    readonly reply: InterfaceMade;
  };
  /** Locks and opens a tty to talk on, before a link begins. */
  openTalk: { readonly request: TalkSettings; readonly reply: { readonly fd: number } };
  /** Sends octets, or, for null, a break. A talk that has ended takes them and does nothing. */
  say: {
    readonly request: { readonly talk: string; readonly octets: Uint8Array | null };
    readonly reply: null;
  };
  /** Whether it is left alone, as while another program has its descriptor: what comes is not read. */
  holdTalk: { readonly request: { readonly talk: string; readonly hold: boolean }; readonly reply: null };
  /** Gives the device back, which hangs a modem up. */
  closeTalk: { readonly request: { readonly talk: string }; readonly reply: null };
  /** Closes the line's device at once, if it is open. */
  closeLine: { readonly request: { readonly name: string; readonly reason: string }; readonly reply: null };
  /** Tells the peer of a PPP line that it ends; the line is closed when the peer agrees or does not answer. */
  hangUpLine: {
    readonly request: { readonly name: string; readonly reason: string };
    readonly reply: null;
  };
  /** What was found of a PPP peer's proof; one that is not awaited any more is nothing. */
  verdict: {
    readonly request: { readonly line: string; readonly id: number; readonly verdict: Verdict };
    readonly reply: null;
  };
  enslave: {
    readonly request: { readonly master: string; readonly slave: string; readonly bps: number };
    readonly reply: null;
  };
  emancipate: { readonly request: { readonly master: string; readonly slave: string }; readonly reply: null };
  changeMaster: {
    readonly request: {
      readonly name: string;
      readonly maxSlaves: number | null;
      readonly minSlaves: number | null;
      readonly scheduler: SchedulerName | null;
    };
    readonly reply: null;
  };
  changeSlave: {
    readonly request: { readonly master: string; readonly slave: string; readonly bps: number | null };
    readonly reply: null;
  };
  status: {
    readonly request: Record<string, never>;
    readonly reply: {
      readonly masters: readonly MasterStatus[];
      readonly lines: readonly EngineLineStatus[];
    };
  };
  /** What waits for masters and lines, and what has passed by their interfaces since they were made, both ways; octets. */
  load: {
    readonly request: Record<string, never>;
    readonly reply: Readonly<Record<string, InterfaceLoad>>;
  };
  /** Writes what the link carries to a named pipe. */
  startCapture: { readonly request: { readonly link: string; readonly pipe: string }; readonly reply: null };
  stopCapture: { readonly request: { readonly pipe: string }; readonly reply: null };
  /** Closes everything; the worker ends after it. */
  stop: { readonly request: Record<string, never>; readonly reply: null };
}

export type EngineOperation = keyof EngineOperations;

export interface MasterSettings {
  readonly name: string;
  readonly mtu: number;
  readonly scheduler: SchedulerName;
  readonly maxSlaves: number;
  readonly minSlaves: number;
  readonly queuePackets: number;
}

export interface LineSettings {
  readonly name: string;
  readonly kind: "slip" | "ppp" | "device";
  /** Path of a tty, or name of a kernel interface. */
  readonly device: string;
  readonly speedBps: number;
  readonly rateBps: number;
  readonly rtscts: boolean;
  /** The line has hung up when its carrier is lost. */
  readonly carrier: boolean;
  /** Its interface takes packets while its device is closed, which shows that it is needed. */
  readonly demand: boolean;
  /** Where its UUCP lock goes; null: none. */
  readonly lockDirectory: string | null;
  readonly mtu: number;
  readonly echo: {
    readonly local: string;
    readonly peer: string;
    readonly intervalMs: number;
    readonly failures: number;
  } | null;
  /** Null: it is no PPP line. */
  readonly ppp: PppLineSettings | null;
}

/** A tty on which the control plane talks, by dialogues or other programs. */
export interface TalkSettings {
  readonly talk: string;
  /** Path. */
  readonly device: string;
  readonly speedBps: number;
  readonly rtscts: boolean;
  /** Where its UUCP lock goes; null: none. */
  readonly lockDirectory: string | null;
}

/** A line begins on a tty that was talked on. */
interface TalkTakeover {
  readonly talk: string;
  /** Octets that came already and are the link's. */
  readonly early: Uint8Array;
  /** What the line carries, bits per second; null: as it was given before. */
  readonly rateBps: number | null;
}

export interface PppLineSettings {
  readonly lcp: LcpSettings;
  readonly auth: AuthSettings;
  readonly network: NetworkSettings;
  /** Each control packet is told, decoded. */
  readonly debug: boolean;
  /** Tells apart bundles to the same peer; null: there is one. */
  readonly bundle: string | null;
}

/** What happens on a PPP link. */
export type PppLineEvent =
  | { readonly kind: "phase"; readonly phase: PppPhase }
  /** `multilink`: it can join a numbered bundle; otherwise it negotiates network protocols of its own. */
  | {
      readonly kind: "established";
      readonly multilink: boolean;
      readonly peerName: string;
      /** The same for all links that may be in one bundle. */
      readonly bundleKey: string;
    }
  /** To be answered by a `verdict`. It may hold a password. */
  | { readonly kind: "proof"; readonly proof: Proof }
  /** A control packet, decoded, or a remark. */
  | { readonly kind: "log"; readonly level: "debug" | "info" | "warn"; readonly text: string }
  | {
      readonly kind: "ended";
      readonly end: PppEnd;
      readonly reason: string;
      readonly traffic: TrafficOctets;
    };

/** Octets of packets since something was up. */
export interface TrafficOctets {
  readonly sent: number;
  readonly received: number;
}

/** A network protocol of a PPP line or of a numbered bundle. */
export type NetworkLineEvent =
  | {
      readonly kind: "up";
      readonly family: 4 | 6;
      readonly agreement: NetworkAgreement;
      /** Largest packet that the peer takes. */
      readonly mtu: number;
    }
  | { readonly kind: "down"; readonly family: 4 | 6; readonly traffic: TrafficOctets }
  | { readonly kind: "failed"; readonly family: 4 | 6; readonly reason: string };

export interface InterfaceLoad {
  readonly queuedOctets: number;
  readonly passedOctets: number;
}

interface InterfaceMade {
  readonly index: number;
}

/** A line's status without what only the control plane knows. */
export type EngineLineStatus = Omit<LineStatus, "interface" | "since" | "reason" | "retryAt" | "life">;

/** What the data plane tells unasked. */
export type EngineEvent =
  | TunnelEvent
  /** What came on a tty that is talked on. */
  | { readonly type: "heard"; readonly talk: string; readonly octets: Uint8Array }
  /** A tty that was talked on hung up or failed, and is closed. */
  | { readonly type: "talkEnded"; readonly talk: string; readonly reason: string }
  /** The device hung up or failed: the line is closed, and out of its master. */
  | { readonly type: "closed"; readonly line: string; readonly reason: string }
  | { readonly type: "joined"; readonly line: string; readonly master: string }
  /** `silent`: freed because its peer does not answer, and to come back when it does. */
  | {
      readonly type: "left";
      readonly line: string;
      readonly master: string;
      readonly reason: string;
      readonly silent: boolean;
    }
  | { readonly type: "line"; readonly line: string; readonly up: boolean; readonly reason: string }
  | { readonly type: "master"; readonly master: string; readonly up: boolean }
  /** The MTU of a line's or a master's interface was changed from outside. */
  | { readonly type: "mtu"; readonly name: string; readonly was: number; readonly mtu: number }
  /** A line that is enslaved was given an address from outside. */
  | { readonly type: "addressed"; readonly line: string }
  | { readonly type: "ppp"; readonly line: string; readonly event: PppLineEvent }
  | { readonly type: "network"; readonly line: string; readonly event: NetworkLineEvent }
  | { readonly type: "masterNetwork"; readonly master: string; readonly event: NetworkLineEvent }
  /** Something was refused outside any request; all else goes on. */
  | { readonly type: "trouble"; readonly code: EqlErrorCode; readonly message: string }
  /** The peer stopped or began again to answer this line's echo. */
  | { readonly type: "silent"; readonly line: string; readonly silent: boolean }
  /** The interface of a line is gone. One that was ours was deleted from outside, and the line is removed. */
  | { readonly type: "gone"; readonly line: string }
  /** A master's interface was deleted from outside, and the master is removed. */
  | { readonly type: "masterGone"; readonly master: string };

export interface EngineRequest {
  readonly id: number;
  readonly operation: EngineOperation;
  readonly request: unknown;
}

export type EngineReply =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly error: {
        readonly code: EqlErrorCode;
        readonly message: string;
        readonly details: EqlErrorDetails;
      };
    }
  | { readonly event: EngineEvent };

export interface EngineWorkerData {
  /** The eventfd that is rung when a request was posted. */
  readonly wakeupFd: number;
}
