import { EqlError } from "../../errors.ts";
import type { Instant } from "../../time.ts";
import type { NativeBuffer } from "../libc.ts";
import { UdpSocket } from "../udp-socket.ts";
import { DatagramIntake } from "./datagram-intake.ts";
import type { Routes } from "./routes.ts";
import type { PathSettings } from "./tunnel-messages.ts";
import type { TunnelSpace } from "./tunnel-space.ts";
import type { Watcher } from "./watcher.ts";

/** Batches read in one go before others get their turn. */
const BATCHES = 4;
/** A slot with less in it is not held for long: what has to wait is copied. */
const CROWDED_OCTETS = 16_384;
const IPV4_HEADERS = 28;
const IPV6_HEADERS = 48;

/** Who takes what comes. */
export interface DatagramSink {
  /** `octets[from, from + length)` of the memory; of the rest the sockets tell. */
  handleDatagram(from: number, length: number, now: Instant): void;
  /** Several were handed over; now others get their turn, or more of them come. */
  endBatch(): void;
}

/** The sockets of a tunnel: those that listen, and those of each path of ours. */
export class TunnelSockets {
  /** More has come than was read, since this was last set to false. */
  isBehind = false;
  /* Of what is being handed over. */
  slot = -1;
  route = -1;
  /** Octets of IP and UDP headers. */
  headers = 0;
  /** Most of the slot is in use. */
  isCrowded = false;
  readonly #tunnel: string;
  readonly #watcher: Watcher;
  readonly #slots: TunnelSpace["slots"];
  readonly #routes: Routes;
  readonly #intake: DatagramIntake;
  readonly #sink: DatagramSink;
  readonly #listening: UdpSocket[] = [];
  readonly #ofPaths = new Map<string, readonly UdpSocket[]>();

  constructor(
    tunnel: string,
    watcher: Watcher,
    space: Pick<TunnelSpace, "memory" | "slots">,
    routes: Routes,
    sink: DatagramSink,
  ) {
    this.#tunnel = tunnel;
    this.#watcher = watcher;
    this.#slots = space.slots;
    this.#routes = routes;
    this.#sink = sink;
    this.#intake = new DatagramIntake(space.memory, space.slots, routes);
  }

  /** Of what the kernel handed over. */
  get drops(): DatagramIntake["drops"] {
    return this.#intake.drops;
  }

  /** Datagrams that the kernel did not hand over, of sockets that listen. */
  get filtered(): number {
    return this.#listening.reduce((sum, socket) => sum + socket.dropped, 0);
  }

  /** @throws EqlError as UdpSocket */
  listen(address: string, filter: NativeBuffer): void {
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    const family = host.includes(":") ? 6 : 4;
    const socket = this.#open(family, null, host, Number(address.slice(colon + 1)));
    this.#listening.push(socket);
    socket.attachFilter(filter);
  }

  /**
   * @param servers at which the peer is called
   * @returns the routes to those that can be reached from the path's address, each held once
   * @throws EqlError PATH_EXISTS, and as UdpSocket
   */
  openPath(settings: PathSettings, servers: readonly string[]): readonly number[] {
    const { peer, path, device, address } = settings;
    const name = nameOf(peer, path);
    if (this.#ofPaths.has(name)) {
      throw new EqlError("PATH_EXISTS", `There is a path ${path} already`, {
        details: { tunnel: this.#tunnel, peer, path },
      });
    }
    const sockets: UdpSocket[] = [];
    // From now on `closePath` closes them, also if this fails.
    this.#ofPaths.set(name, sockets);
    const routes: number[] = [];
    try {
      for (const server of servers) {
        const family = server.startsWith("[") ? 6 : 4;
        if (address !== null && address.includes(":") !== (family === 6)) continue;
        let socket = sockets.find((each) => each.family === family);
        if (socket === undefined) {
          socket = this.#open(family, device, address, 0);
          sockets.push(socket);
        }
        routes.push(this.#routes.routeFor(socket, server, null));
      }
    } catch (error) {
      for (const route of routes) this.#routes.release(route);
      this.closePath(peer, path);
      throw error;
    }
    return routes;
  }

  closePath(peer: string, path: string): void {
    const name = nameOf(peer, path);
    for (const socket of this.#ofPaths.get(name) ?? []) this.#close(socket);
    this.#ofPaths.delete(name);
  }

  /** Those that listen. */
  close(): void {
    for (const socket of this.#listening.splice(0)) this.#close(socket);
  }

  #handleSocket(socket: UdpSocket): void {
    const intake = this.#intake;
    const sink = this.#sink;
    this.headers = socket.family === 6 ? IPV6_HEADERS : IPV4_HEADERS;
    for (let batch = 0; batch < BATCHES; batch++) {
      const count = intake.read(socket);
      // Since the wait the program may not have had the processor: nothing is to be taken for sooner than it can have come.
      const now = this.#watcher.look();
      for (let i = 0; i < count; i++) {
        const from = intake.fromOf(i);
        const length = intake.lengthOf(i);
        this.slot = intake.slotOf(i);
        this.route = intake.routeOf(i);
        this.isCrowded = length >= CROWDED_OCTETS;
        const segment = intake.segmentOf(i) || length;
        for (let at = 0; at < length; at += segment) {
          const size = length - at < segment ? length - at : segment;
          sink.handleDatagram(from + at, size, now);
        }
        this.#slots.release(this.slot);
      }
      sink.endBatch();
      if (!intake.isMore) return;
    }
    this.isBehind = true;
  }

  #open(family: 4 | 6, device: string | null, address: string | null, port: number): UdpSocket {
    const socket = new UdpSocket({ family, device, address, port });
    try {
      this.#watcher.watch(socket.fd, () => this.#handleSocket(socket));
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  #close(socket: UdpSocket): void {
    this.#watcher.unwatch(socket.fd);
    socket.close();
  }
}

const nameOf = (peer: string, path: string): string => `${peer}/${path}`;
