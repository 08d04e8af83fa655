import type { Instant } from "../../time.ts";
import type { Netlink } from "../netlink.ts";
import { NetlinkMonitor } from "../netlink-monitor.ts";
import type { Interface } from "../netlink-objects.ts";
import { DevicePort } from "./device-port.ts";
import type { MasterPort } from "./master-port.ts";
import type { EngineEvent } from "./messages.ts";
import { isLink, type Ports } from "./ports.ts";
import { type Port, type Registry, unequalMtu } from "./registry.ts";
import { SlipPort } from "./slip-port.ts";
import type { Tunnels } from "./tunnels.ts";

/** What is done to the interfaces of lines and masters from outside: down, up, another MTU, an address, deleted. */
export class InterfaceWatch {
  readonly #monitor = new NetlinkMonitor();
  readonly #netlink: Netlink;
  readonly #registry: Registry;
  readonly #ports: Ports;
  readonly #tunnels: Tunnels;
  readonly #emit: (event: EngineEvent) => void;
  /** Changes were lost, and what is there now has not been listed yet. */
  #isBehind = false;

  constructor(
    netlink: Netlink,
    registry: Registry,
    ports: Ports,
    tunnels: Tunnels,
    emit: (event: EngineEvent) => void,
  ) {
    this.#netlink = netlink;
    this.#registry = registry;
    this.#ports = ports;
    this.#tunnels = tunnels;
    this.#emit = emit;
  }

  get fd(): number {
    return this.#monitor.fd;
  }

  close(): void {
    this.#monitor.close();
  }

  /**
   * Takes in what the kernel tells.
   * @throws EqlError NETLINK_FAILED: what was lost cannot be listed now; it is tried again the next time
   */
  handleReadable(now: Instant): void {
    this.#monitor.read((event) => {
      if (event.type === "link" && event.removed) this.#handleRemoved(event.interface.index, now);
      else if (event.type === "link") this.#handleInterface(event.interface, now);
      else if (event.type === "overrun") this.#isBehind = true;
      else if (!event.removed) this.#handleAddress(event.address.index);
    });
    if (!this.#isBehind) return;
    const known = this.#netlink.interfaces();
    this.#isBehind = false;
    this.#handleOverrun(known, now);
  }

  /** What happened is not known, only what is. */
  #handleOverrun(known: readonly Interface[], now: Instant): void {
    for (const found of known) this.#handleInterface(found, now);
    const there = new Set(known.map(({ index }) => index));
    const ours = [...this.#registry.masters.values()].map(({ tun }) => tun.index);
    ours.push(...this.#tunnels.indexes, ...[...this.#registry.ports.values()].map((port) => port.index));
    for (const index of ours) {
      if (index > 0 && !there.has(index)) this.#handleRemoved(index, now);
    }
  }

  /** A slave that gets an address gets a route to its peer with it. */
  #handleAddress(index: number): void {
    for (const port of this.#registry.ports.values()) {
      if (port.index === index && port.master !== null) this.#emit({ type: "addressed", line: port.name });
    }
  }

  #handleInterface(changed: Interface, now: Instant): void {
    for (const master of this.#registry.masters.values()) {
      if (master.tun.index === changed.index) this.#handleMasterInterface(master, changed, now);
    }
    for (const port of this.#registry.ports.values()) {
      if (port.index === changed.index) this.#handlePortInterface(port, changed, now);
    }
  }

  /** A deleted interface of ours takes its master or line with it: its descriptor is good for nothing any more. */
  #handleRemoved(index: number, now: Instant): void {
    for (const master of this.#registry.masters.values()) {
      if (master.tun.index !== index) continue;
      this.#ports.removeMaster(master, now);
      this.#emit({ type: "masterGone", master: master.name });
    }
    for (const port of this.#registry.ports.values()) {
      if (port.index !== index) continue;
      try {
        if (port instanceof DevicePort) {
          this.#ports.free(port, false, "its interface is gone", now);
          this.#ports.shut(port, false, now);
        } else this.#ports.remove(port, now);
      } finally {
        this.#emit({ type: "gone", line: port.name });
      }
    }
    this.#tunnels.handleRemoved(index, now);
  }

  #handleMasterInterface(master: MasterPort, changed: Interface, now: Instant): void {
    if (changed.mtu !== master.tun.mtu) {
      const was = master.tun.mtu;
      master.setMtu(changed.mtu);
      for (const slave of master.slaves.slice()) {
        // Links of a numbered bundle carry packets of any length, in parts.
        if (master.ppp === null && slave.mtu !== changed.mtu)
          this.#ports.free(slave as Port, true, unequalMtu(changed.mtu, slave.mtu), now);
      }
      this.#emit({ type: "mtu", name: master.name, was, mtu: changed.mtu });
    }
    if (changed.up === master.tun.up) return;
    master.tun.up = changed.up;
    if (!changed.up) {
      for (const slave of master.slaves.slice())
        this.#ports.free(slave as Port, true, `${master.name} is down`, now);
    }
    this.#emit({ type: "master", master: master.name, up: changed.up });
  }

  #handlePortInterface(port: Port, changed: Interface, now: Instant): void {
    if (changed.mtu !== port.mtu) {
      const was = port.mtu;
      if (port.master !== null && !isLink(port))
        this.#ports.free(port, true, unequalMtu(port.master.tun.mtu, changed.mtu), now);
      port.setMtu(changed.mtu);
      this.#emit({ type: "mtu", name: port.name, was, mtu: changed.mtu });
    }
    if (changed.up === port.up) return;
    // A link of a numbered bundle carries nothing for its own interface.
    if (!changed.up && !isLink(port)) this.#ports.free(port, true, `${port.name} is down`, now);
    if (port instanceof DevicePort) port.up = changed.up;
    else port.tun.up = changed.up;
    if (port.master === null) port.place(null, true, now);
    if (changed.up && port instanceof SlipPort) port.handleInterfaceUp(now);
    this.#emit({
      type: "line",
      line: port.name,
      up: changed.up,
      reason: changed.up ? "" : "its interface is down",
    });
  }
}
