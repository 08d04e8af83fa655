/**
 * What the processes of a transfer are told (one role each, as JSON) and what they report (lines of JSON). Times are
 * milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. Addresses are IPv4, dotted.
 */

export interface TcpReceiveRole {
  readonly role: "tcp-receive";
  readonly port: number;
  /** The transfer is over when so many octets are there, or at the end of the stream. */
  readonly bytes: number;
  /** Gives up when nothing arrives for so long. */
  readonly stallSeconds: number;
}

export interface TcpSendRole {
  readonly role: "tcp-send";
  readonly address: string;
  readonly port: number;
  /** The sender's own port, so that no header holds an octet that SLIP has to escape. */
  readonly sourcePort: number;
  readonly bytes: number;
  readonly seed: number;
  readonly stallSeconds: number;
}

/** Takes one stream for so long and checks each octet of it. */
export interface StreamReceiveRole {
  readonly role: "stream-receive";
  readonly port: number;
  readonly seconds: number;
}

/** Sends all it can until the receiver closes. */
export interface StreamSendRole {
  readonly role: "stream-send";
  readonly address: string;
  readonly port: number;
}

export interface UdpReceiveRole {
  readonly role: "udp-receive";
  readonly port: number;
  /** Ends when so many are there, or when nothing has come for `idleSeconds` after the first. */
  readonly datagrams: number;
  readonly idleSeconds: number;
}

export interface UdpSendRole {
  readonly role: "udp-send";
  readonly address: string;
  readonly port: number;
  readonly sourcePort: number;
  readonly datagrams: number;
  /** Octets of payload. */
  readonly length: number;
  readonly perSecond: number;
  readonly seed: number;
}

export interface PingRole {
  readonly role: "ping";
  readonly address: string;
  /** Octets of ICMP data. */
  readonly length: number;
  readonly intervalMs: number;
  /** null: until stopped. */
  readonly count: number | null;
  /** How long the last one waits for its answer; 10 s without it. */
  readonly lastWaitMs?: number;
}

export type LabRole =
  | TcpReceiveRole
  | TcpSendRole
  | StreamReceiveRole
  | StreamSendRole
  | UdpReceiveRole
  | UdpSendRole
  | PingRole;

/** A ping was answered. */
export interface EchoEvent {
  readonly event: "echo";
  /** Counted from 0, modulo 65,536. */
  readonly sequence: number;
  readonly at: number;
  readonly rttMs: number;
}

export type LabEvent =
  | { readonly event: "listening" }
  | { readonly event: "connecting"; readonly at: number; readonly congestion: string }
  | { readonly event: "progress"; readonly at: number; readonly octets: number }
  | {
      readonly event: "received";
      /** When the last octet was there. */
      readonly at: number;
      readonly octets: number;
      readonly sha256: string;
    }
  /** The stream is written and the far end has closed. */
  | {
      readonly event: "sent";
      readonly at: number;
      readonly octets: number;
      readonly sha256: string;
    }
  | {
      readonly event: "streamed";
      /** When the stream was accepted. */
      readonly at: number;
      readonly seconds: number;
      readonly octets: number;
      /** Each octet was the one that was sent. */
      readonly intact: boolean;
      /** Octets by tenths of a second. */
      readonly tenths: readonly number[];
      /** The longest time without any octet that ended in each of these tenths, in milliseconds. */
      readonly stalls: readonly number[];
      /** The longest of them, and when it began, both in milliseconds; of `at` on. */
      readonly longestStallMs: number;
      readonly longestStallAt: number;
    }
  | { readonly event: "datagrams-sent"; readonly datagrams: number; readonly seconds: number }
  | {
      readonly event: "datagrams-received";
      readonly datagrams: number;
      /** Arrived after one that was sent later. */
      readonly reordered: number;
      readonly duplicates: number;
    }
  | EchoEvent
  | { readonly event: "pinged"; readonly sent: number; readonly answered: number };

export type LabEventOf<Kind extends LabEvent["event"]> = Extract<LabEvent, { event: Kind }>;
