import { randomBytes } from "node:crypto";
import { EqlError } from "../../errors.ts";
import { earlier, type Instant, NEVER } from "../../time.ts";
import type { Netlink } from "../netlink.ts";
import type { EngineEvent } from "./messages.ts";
import type { TunnelOperations } from "./tunnel-messages.ts";
import { TunnelPort } from "./tunnel-port.ts";
import type { Watcher } from "./watcher.ts";

type Handlers = {
  readonly [O in keyof TunnelOperations]: (
    request: TunnelOperations[O]["request"],
    now: Instant,
  ) => TunnelOperations[O]["reply"];
};

/** The tunnels of an engine, by name. */
export class Tunnels {
  readonly #watcher: Watcher;
  readonly #netlink: Netlink;
  readonly #emit: (event: EngineEvent) => void;
  readonly #ports = new Map<string, TunnelPort>();

  constructor(watcher: Watcher, netlink: Netlink, emit: (event: EngineEvent) => void) {
    this.#watcher = watcher;
    this.#netlink = netlink;
    this.#emit = emit;
  }

  get dueAt(): Instant {
    let at = NEVER;
    for (const port of this.#ports.values()) at = earlier(at, port.dueAt);
    return at;
  }

  /** @param readUntil what had come by then was read, or is told to be left */
  turn(now: Instant, readUntil: Instant): void {
    for (const port of this.#ports.values()) port.turn(now, readUntil);
  }

  /** Indexes of their interfaces. */
  get indexes(): number[] {
    return [...this.#ports.values()].map(({ index }) => index);
  }

  /** A deleted interface takes its tunnel with it: its descriptor is good for nothing any more. */
  handleRemoved(index: number, now: Instant): void {
    for (const port of this.#ports.values()) {
      if (port.index !== index) continue;
      port.close(now);
      this.#ports.delete(port.name);
      this.#emit({ type: "tunnelGone", tunnel: port.name });
    }
  }

  closeAll(now: Instant): void {
    for (const port of this.#ports.values()) port.close(now);
    this.#ports.clear();
  }

  readonly operations: Handlers = {
    addTunnel: (settings) => {
      const { name } = settings;
      if (this.#ports.has(name)) {
        throw new EqlError("TUNNEL_EXISTS", `There is a tunnel ${name} already`, {
          details: { tunnel: name },
        });
      }
      const port = new TunnelPort(
        settings,
        this.#watcher,
        this.#netlink,
        this.#emit,
        randomBytes(4).readUInt32LE(0),
      );
      this.#ports.set(name, port);
      return { index: port.index };
    },
    removeTunnel: ({ tunnel }, now) => {
      this.#port(tunnel).close(now);
      this.#ports.delete(tunnel);
      return null;
    },
    addTunnelPeer: (settings, now) => {
      this.#port(settings.tunnel).addPeer(settings, now);
      return null;
    },
    removeTunnelPeer: ({ tunnel, peer }, now) => {
      this.#port(tunnel).removePeer(peer, now);
      return null;
    },
    changeTunnelPeer: ({ tunnel, peer, ...change }) => {
      this.#port(tunnel).changePeer(peer, change);
      return null;
    },
    addPath: (settings, now) => {
      this.#port(settings.tunnel).addPath(settings, now);
      return null;
    },
    removePath: ({ tunnel, peer, path }) => {
      this.#port(tunnel).removePath(peer, path);
      return null;
    },
    changePath: (settings) => {
      this.#port(settings.tunnel).changePath(settings);
      return null;
    },
    tunnels: (_request, now) => [...this.#ports.values()].map((port) => port.status(now)),
  };

  /** @throws EqlError TUNNEL_UNKNOWN */
  #port(name: string): TunnelPort {
    const port = this.#ports.get(name);
    if (port !== undefined) return port;
    throw new EqlError(
      "TUNNEL_UNKNOWN",
      `There is no tunnel ${name}: \`eql status\` lists those that are there`,
      {
        details: { tunnel: name },
      },
    );
  }
}
