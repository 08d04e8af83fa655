import type {
  TunnelStatus as ControlStatus,
  PathStatus,
  PathTier,
  Redundant,
} from "../../control/messages.ts";

/** An interface whose packets go by UDP paths to peers. Addresses are resolved: "192.0.2.1:7411" or "[2001:db8::1]:7411". */
export interface TunnelSettings {
  /** Of its interface. */
  readonly name: string;
  readonly mtu: number;
  readonly privateKey: Uint8Array;
  /** Where peers reach it; empty: it only calls. "0.0.0.0:7411" and "[::]:7411" stand for all addresses. */
  readonly listen: readonly string[];
}

export interface TunnelPeerSettings {
  readonly tunnel: string;
  /** What the operator calls it. */
  readonly peer: string;
  readonly publicKey: Uint8Array;
  readonly presharedKey: Uint8Array | null;
  /** Where it is called, the first one first; empty: it calls. */
  readonly servers: readonly string[];
  /** Networks that are reached through it, and the only ones that its packets may come from: "10.98.0.2/32". */
  readonly networks: readonly string[];
  /** Most octets are sent to it, and taken from it, in bits per second; null: no limit. */
  readonly sendBps: number | null;
  readonly receiveBps: number | null;
  /** Which packets go by two paths. */
  readonly redundant: Redundant;
}

/** What of a peer can be changed while it is there; what is left out stays. */
export type TunnelPeerChange = Partial<
  Pick<TunnelPeerSettings, "networks" | "receiveBps" | "redundant" | "sendBps">
>;

/** One path of a peer that is called. */
export interface PathSettings {
  readonly tunnel: string;
  readonly peer: string;
  readonly path: string;
  /** The interface by which it leaves; null: as the routes say. */
  readonly device: string | null;
  /** Its own address; null: as the routes say. */
  readonly address: string | null;
  /** Where the peer is called by it, the first one first; empty: where the peer is called. */
  readonly servers: readonly string[];
  readonly tier: PathTier;
  /** Most that is sent and received by it, in bits per second; null: what it carries. */
  readonly sendBps: number | null;
  readonly receiveBps: number | null;
}

/** A tunnel's status without what only the control plane knows. */
export type TunnelStatus = Omit<ControlStatus, "waiting">;

/** A tunnel's status without what only the control plane knows. */
export type EngineTunnelStatus = Omit<TunnelStatus, "waiting">;

/** What the control plane asks about tunnels. */
export interface TunnelOperations {
  addTunnel: { readonly request: TunnelSettings; readonly reply: { readonly index: number } };
  removeTunnel: { readonly request: { readonly tunnel: string }; readonly reply: null };
  addTunnelPeer: { readonly request: TunnelPeerSettings; readonly reply: null };
  removeTunnelPeer: {
    readonly request: { readonly tunnel: string; readonly peer: string };
    readonly reply: null;
  };
  /** Its session and its paths go on. */
  changeTunnelPeer: {
    readonly request: { readonly tunnel: string; readonly peer: string } & TunnelPeerChange;
    readonly reply: null;
  };
  /** Refused when its device is not there (DEVICE_MISSING), or its address is not (ADDRESS_MISSING). */
  addPath: { readonly request: PathSettings; readonly reply: null };
  removePath: {
    readonly request: { readonly tunnel: string; readonly peer: string; readonly path: string };
    readonly reply: null;
  };
  changePath: { readonly request: PathSettings; readonly reply: null };
  tunnels: { readonly request: Record<string, never>; readonly reply: readonly EngineTunnelStatus[] };
}

/** What happens in tunnels. */
export type TunnelEvent =
  | {
      readonly type: "tunnelPeer";
      readonly tunnel: string;
      readonly peer: string;
      /** `refused`: it answers, and its preshared key differs. */
      readonly change: "established" | "expired" | "refused";
    }
  | {
      readonly type: "path";
      readonly tunnel: string;
      readonly peer: string;
      readonly path: string;
      readonly state: PathStatus["state"];
      readonly remote: string | null;
    }
  /** The device of a path is gone or refuses: the path is removed. */
  | {
      readonly type: "pathGone";
      readonly tunnel: string;
      readonly peer: string;
      readonly path: string;
      readonly reason: string;
    }
  /** Its interface was deleted from outside, and the tunnel is removed. */
  | { readonly type: "tunnelGone"; readonly tunnel: string }
  /** Somebody who is no peer knows our public key. */
  | { readonly type: "stranger"; readonly tunnel: string; readonly publicKey: string };

const TYPES: Readonly<Record<TunnelEvent["type"], true>> = {
  tunnelPeer: true,
  path: true,
  pathGone: true,
  tunnelGone: true,
  stranger: true,
};

export const isTunnelEvent = <Other extends { readonly type: string }>(
  event: Other | TunnelEvent,
): event is TunnelEvent => Object.hasOwn(TYPES, event.type);
