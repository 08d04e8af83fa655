import { EqlError } from "../../errors.ts";
import type { DevicePort } from "./device-port.ts";
import type { MasterPort } from "./master-port.ts";
import { PppPort } from "./ppp-port.ts";
import type { SlipPort } from "./slip-port.ts";
import { TtyPort } from "./tty-port.ts";

export type Port = SlipPort | PppPort | DevicePort;

/** In the words of the driver of 1995. */
export const unequalMtu = (master: number, slave: number): string =>
  `master (${master}) and slave (${slave}) MTU settings do not match`;

/** Why a link that agreed on multilink cannot join; null: it can. */
function obstacleTo(master: MasterPort, port: PppPort): string | null {
  if (master.ppp !== null) return master.ppp.obstacle(port);
  return master.slaves.some((slave) => slave !== port) ? "it has slaves without multilink" : null;
}

/** Masters and lines by name, and what the driver of 1995 answered with ENODEV, EINVAL and ENOSPC, in words. */
export class Registry {
  readonly masters = new Map<string, MasterPort>();
  readonly ports = new Map<string, Port>();

  /** @throws EqlError MASTER_UNKNOWN */
  master(name: string): MasterPort {
    const master = this.masters.get(name);
    if (master !== undefined) return master;
    throw new EqlError(
      "MASTER_UNKNOWN",
      `There is no master ${name}: \`eql status\` lists those that are there`,
      { details: { master: name } },
    );
  }

  /** @throws EqlError LINE_UNKNOWN */
  port(name: string): Port {
    const port = this.ports.get(name);
    if (port !== undefined) return port;
    throw new EqlError(
      "LINE_UNKNOWN",
      `There is no line ${name}: \`eql status\` lists those that are there`,
      {
        details: { line: name },
      },
    );
  }

  /** @throws EqlError SLAVE_UNKNOWN */
  slaveOf(master: MasterPort, name: string): Port {
    const port = this.ports.get(name);
    if (port?.master === master) return port;
    throw new EqlError("SLAVE_UNKNOWN", `${name} is not a slave of ${master.name}`, {
      details: { master: master.name, slave: name },
    });
  }

  /** @throws EqlError LINE_EXISTS */
  checkNew(name: string): void {
    if (!this.masters.has(name) && !this.ports.has(name)) return;
    const kind = this.ports.has(name) ? "line" : "master";
    throw new EqlError("LINE_EXISTS", `There is a ${kind} ${name} already`, { details: { line: name } });
  }

  /** @throws EqlError SLAVE_UNSUITABLE: the kernel interface is one that we made */
  checkForeign(name: string): void {
    if (!this.masters.has(name) && !(this.ports.get(name) instanceof TtyPort)) return;
    throw new EqlError("SLAVE_UNSUITABLE", `${name} is one of EQL's own interfaces`, {
      details: { interface: name },
    });
  }

  /**
   * The rules for becoming a slave. A slave that it is already may be enslaved again.
   * @throws EqlError SLAVE_UNSUITABLE, LINE_UNKNOWN, MASTER_DOWN, MTU_MISMATCH, SLAVES_FULL
   */
  candidate(master: MasterPort, name: string): Port {
    const details = { master: master.name, slave: name };
    if (this.masters.has(name)) {
      throw new EqlError("SLAVE_UNSUITABLE", `${name} is a master itself and cannot be a slave`, { details });
    }
    const port = this.port(name);
    if (!master.tun.up) {
      const cure = `bring it up first (\`ip link set ${master.name} up\`)`;
      throw new EqlError("MASTER_DOWN", `${master.name} is down: ${cure}`, { details });
    }
    if (port.master !== null && port.master !== master) {
      const cure = `free it first (\`eql emancipate ${port.master.name} ${name}\`)`;
      const message = `${name} is a slave of ${port.master.name} already: ${cure}`;
      throw new EqlError("SLAVE_UNSUITABLE", message, { details });
    }
    const isLink = port instanceof PppPort && port.agreement?.multilink != null;
    const obstacle = isLink ? obstacleTo(master, port) : master.ppp && "it did not agree on multilink";
    if (obstacle !== null) {
      const message = `${name} cannot join ${master.name}: ${obstacle}`;
      throw new EqlError("SLAVE_UNSUITABLE", message, { details });
    }
    if (!port.isOpen || !(port.up || isLink)) {
      const cure = port.isOpen ? `bring it up first (\`ip link set ${name} up\`)` : "its device is not open";
      throw new EqlError("SLAVE_UNSUITABLE", `${name} is down: ${cure}`, { details });
    }
    if (port.mtu !== master.tun.mtu && !isLink) {
      throw new EqlError("MTU_MISMATCH", unequalMtu(master.tun.mtu, port.mtu), { details });
    }
    const count = master.slaves.length;
    if (port.master === null && count >= master.maxSlaves) {
      const cure = `raise that with \`eql master ${master.name} --max ${count + 1}\``;
      const message = `${master.name} has ${count} slaves, as many as it may: ${cure}`;
      throw new EqlError("SLAVES_FULL", message, { details });
    }
    return port;
  }
}
