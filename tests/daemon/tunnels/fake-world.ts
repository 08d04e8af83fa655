import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";
import { keyText } from "../../../src/crypto/key-text.ts";
import { Tunnels } from "../../../src/daemon/tunnels/tunnels.ts";
import { EqlError } from "../../../src/errors.ts";
import type { TunnelOperations, TunnelStatus } from "../../../src/host/engine/tunnel-messages.ts";
import type { NetlinkEvent } from "../../../src/host/netlink-monitor.ts";
import type { Interface, InterfaceAddress } from "../../../src/host/netlink-objects.ts";
import type { Route, RouteRequest } from "../../../src/host/netlink-route.ts";
import { type Instant, instant } from "../../../src/time.ts";

export const PRIVATE_KEY = new Uint8Array(32).fill(7);
export const PUBLIC_KEY = keyText(new Uint8Array(32).fill(8));

/** An engine, a kernel, name servers and a clock that do as they are told; what is asked of them is noted. */
export class FakeWorld {
  readonly directory: string;
  readonly keyFile: string;
  /** What was asked of the engine: operation and the names in it. */
  readonly asked: string[] = [];
  /** Called before the answer. */
  onAsked: (text: string) => void = () => {};
  readonly requests: { readonly operation: string; readonly request: unknown }[] = [];
  readonly logged: string[] = [];
  readonly names = new Map<string, readonly string[]>();
  readonly lookedUp: string[] = [];
  interfaces: Interface[] = [];
  addresses: InterfaceAddress[] = [];
  routes: Route[] = [];
  readonly own: { index: number; text: string }[] = [];
  /** What the engine refuses, by what it is noted as. */
  readonly refusals = new Map<string, EqlError>();
  statuses: readonly TunnelStatus[] = [];
  changed = false;
  /** What the kernel tells of interfaces at the next look. */
  readonly events: NetlinkEvent[] = [];
  /** How often interfaces were listed. */
  listings = 0;
  now: Instant = instant(1_000_000);
  #nextIndex = 100;

  constructor(t: TestContext) {
    this.directory = mkdtempSync(join(tmpdir(), "eql-tunnels-"));
    t.after(() => rmSync(this.directory, { recursive: true, maxRetries: 5 }));
    this.keyFile = join(this.directory, "key");
    writeFileSync(this.keyFile, `${keyText(PRIVATE_KEY)}\n`, { mode: 0o600 });
  }

  /** Reads the configuration and starts with it; it ends with the test. KEY stands for the file of the private key. */
  async start(t: TestContext, toml: string): Promise<Tunnels> {
    const { tunnels } = parseConfig(toml.replaceAll("KEY", this.keyFile), "eql.toml");
    const made = new Tunnels(tunnels, {
      engine: { request: (operation, request) => this.#answer(operation, request) as never },
      netlink: this.#netlink,
      log: { debug: () => {}, info: this.#note("info"), warn: this.#note("warn") },
      resolve: async (host) => {
        this.lookedUp.push(host);
        const found = this.names.get(host);
        if (found === undefined)
          throw Object.assign(new Error(`nobody knows ${host}`), { code: "ENOTFOUND" });
        return found;
      },
      now: () => this.now,
      monitor: () => ({
        read: (on) => {
          for (const event of this.events.splice(0)) on(event);
          if (this.changed) on({ type: "overrun" });
          this.changed = false;
        },
        close: () => {},
      }),
      socket: join(this.directory, "eql.sock"),
    });
    t.after(() => made.stop());
    await made.start();
    return made;
  }

  /** An interface with these addresses, instead of the one of its name. @param peer their other end */
  plug(
    name: string,
    addresses: readonly string[],
    change: Partial<Interface> = {},
    peer: string | null = null,
  ): void {
    const index = this.interfaces.find((found) => found.name === name)?.index ?? this.#nextIndex++;
    this.unplug(name);
    const fixed = { index, name, type: 1, up: true, running: true, mtu: 1500, flags: 1, txQueueLength: 1000 };
    this.interfaces.push({ ...fixed, ...change });
    for (const local of addresses) {
      this.addresses.push({ index, family: local.includes(":") ? 6 : 4, local, peer, prefix: 24 });
    }
    this.changed = true;
  }

  unplug(name: string): void {
    const index = this.interfaces.find((found) => found.name === name)?.index;
    this.interfaces = this.interfaces.filter((found) => found.name !== name);
    this.addresses = this.addresses.filter((found) => found.index !== index);
    this.changed = true;
  }

  route(destination: string, change: Partial<Route> = {}): void {
    const family = destination.includes(":") ? 6 : 4;
    const fixed = {
      family,
      destination,
      index: 0,
      gateway: null,
      source: null,
      metric: 0,
      protocol: 3,
    } as const;
    this.routes.push({ ...fixed, scope: 0, table: 254, rest: new Uint8Array(0), ...change });
  }

  /** An interface is set down and up between two looks: the kernel takes away what goes with that, and tells of both. */
  flap(name: string): void {
    const found = this.interfaces.find((each) => each.name === name) as Interface;
    const { index } = found;
    this.routes = this.routes.filter((route) => route.index !== index);
    const fourth = this.own.filter((each) => each.index !== index || !each.text.includes(":"));
    this.own.splice(0, this.own.length, ...fourth);
    for (const up of [false, true])
      this.events.push({ type: "link", interface: { ...found, up }, removed: false });
  }

  /** What was asked since the last time. */
  take(): string[] {
    return this.asked.splice(0);
  }

  /** All routes as text. */
  get routeTexts(): string[] {
    return this.routes.map(({ destination, gateway, index }) => `${destination} ${gateway ?? "-"} ${index}`);
  }

  #note =
    (level: string) =>
    (fields: object, message: string): void => {
      this.logged.push(`${level}: ${message} ${JSON.stringify(fields)}`);
    };

  async #answer<O extends keyof TunnelOperations>(
    operation: O,
    request: TunnelOperations[O]["request"],
  ): Promise<unknown> {
    const { tunnel, peer, path, name } = request as Record<string, string>;
    const text = [operation, name ?? tunnel, peer, path].filter((part) => part !== undefined).join(" ");
    this.asked.push(text);
    this.onAsked(text);
    this.requests.push({ operation, request });
    const refusal = this.refusals.get(text);
    if (refusal !== undefined) throw refusal;
    if (operation === "tunnels") return this.statuses;
    if (operation !== "addTunnel") return null;
    this.plug(name ?? "", [], { type: 65_534, up: false });
    return { index: this.interfaces.at(-1)?.index };
  }

  readonly #netlink = {
    interfaces: () => {
      this.listings++;
      return this.interfaces;
    },
    addresses: () => this.addresses,
    routes: () => this.routes,
    addRoute: ({ destination, index = 0, gateway, metric, protocol }: RouteRequest) => {
      if (this.routes.some((each) => each.destination === destination && each.index === index)) return;
      this.route(destination, {
        index,
        gateway: gateway ?? null,
        metric: metric ?? 0,
        protocol: protocol ?? 4,
      });
    },
    removeRoute: ({ destination, index }: RouteRequest) => {
      this.routes = this.routes.filter((each) => each.destination !== destination || each.index !== index);
    },
    addAddress: (index: number, local: string, peer: string | null, prefix: number) => {
      const text = `${local}${peer === null ? "" : ` peer ${peer}`}/${prefix}`;
      if (!this.own.some((each) => each.index === index && each.text === text))
        this.own.push({ index, text });
    },
    setUp: (index: number, up: boolean) => {
      this.interfaces = this.interfaces.map((each) => (each.index === index ? { ...each, up } : each));
      this.changed = true;
    },
    disableGeneratedAddresses: () => {},
  };
}

export const refused = (message: string): EqlError => new EqlError("DEVICE_MISSING", message);
