import type { PathTier, Redundant } from "../control/messages.ts";

/** An interface whose packets go by UDP paths: a server with its clients, or a master that calls one. */
export interface TunnelConfig {
  /** Name of the interface. */
  readonly name: string;
  readonly mtu: number;
  /** With prefix lengths: "10.98.0.1/24"; empty: it waits to be addressed from outside. */
  readonly addresses: readonly string[];
  /** Of the only address; null: none. */
  readonly peer: string | null;
  readonly defaultRoute: boolean;
  /** Networks that are reached by routes through the interface, besides those of its addresses. */
  readonly routes: readonly string[];
  readonly keyFile: string;
  /** ADDRESS:PORT each; empty: it only calls. */
  readonly listen: readonly string[];
  /** Whether clients reach what is behind this host, and whether the kernel is made to forward. */
  readonly masquerade: boolean;
  readonly forward: boolean;
  /** Name servers that this host asks while the server answers, and domains in which names are looked for; of a server none. */
  readonly dns: readonly string[];
  readonly search: readonly string[];
  /** Directory of scripts to run as pppd does while the server answers; null: none are run. */
  readonly scripts: string | null;
  readonly peers: readonly TunnelPeerConfig[];
}

export interface TunnelPeerConfig {
  /** A client's name; "server" of one that is called. */
  readonly name: string;
  readonly publicKey: string;
  readonly presharedKeyFile: string | null;
  /** HOST:PORT each, in the order in which they are called; empty: it calls. */
  readonly servers: readonly string[];
  /** Networks that are reached through it, and the only ones that its packets may come from. */
  readonly networks: readonly string[];
  /** What a client is to have of these, for the command that is shown. */
  readonly dns: readonly string[];
  readonly search: readonly string[];
  /** Bits per second; null: no limit. */
  readonly sendBps: number | null;
  readonly receiveBps: number | null;
  /** Which packets go to it by two paths. */
  readonly redundant: Redundant;
  /** Of a peer that calls, none: it brings them. */
  readonly paths: readonly PathConfig[];
}

/** A line that is a UDP path, or the path over a serial line that joins the master. */
export interface PathConfig {
  readonly name: string;
  /** The interface by which it leaves; null: as the routes say. */
  readonly device: string | null;
  /** Its own address; null: as the routes say. */
  readonly address: string | null;
  /** HOST:PORT each, where the peer is reached by it; empty: where it is by the others. */
  readonly servers: readonly string[];
  /** It leads to this port of the far end of its device, whatever address that has; null: to servers. */
  readonly farPort: number | null;
  /** Its device is a line that dials: as a backup it is dialed when no other path is there. */
  readonly dials: boolean;
  readonly tier: PathTier;
  /** Bits per second; null: what it carries. */
  readonly sendBps: number | null;
  readonly receiveBps: number | null;
}

/** Of a master that has no line: one way, as the routes say. */
export const ANY_PATH: PathConfig = {
  name: "any",
  device: null,
  address: null,
  servers: [],
  farPort: null,
  dials: false,
  tier: "primary",
  sendBps: null,
  receiveBps: null,
};
