import { Member } from "../../bundle/member.ts";
import { EqlError } from "../../errors.ts";
import { DeviceLink } from "../../link/device-link.ts";
import type { LinkId } from "../../link/link.ts";
import { Pacer } from "../../link/pacer.ts";
import type { Instant } from "../../time.ts";
import { ipTotalLength } from "../../wire/ip-packet.ts";
import {
  check,
  close,
  describeErrno,
  EAGAIN,
  ENOBUFS,
  nativeBuffer,
  O_CLOEXEC,
  O_NONBLOCK,
  sendto,
  socket,
} from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import type { Interface, InterfaceCounters } from "../netlink-objects.ts";
import type { EngineLineStatus, LineSettings } from "./messages.ts";
import { LONGEST_PACKET, type PortEvents, SlavePort } from "./slave-port.ts";

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCKADDR_LL = 20;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;

/** Hardware types (ARPHRD_*) of interfaces that carry IP packets and nothing before them. */
const BARE_IP_TYPES: ReadonlySet<number> = new Set([
  256,
  257,
  258,
  259, // SLIP and its kin
  512, // PPP
  519, // raw IP, as of LTE modems
  768,
  769,
  776,
  778, // tunnels
  0xfffe, // none: TUN
]);

/**
 * An existing kernel interface (`ppp0` of the system's pppd, `wwan0`) as a line. Packets leave by a packet socket, which gives no
 * back-pressure; what arrives the kernel takes itself, as it did in 1995.
 */
export class DevicePort extends SlavePort {
  readonly name: string;
  readonly kind = "device";
  readonly device: string;
  readonly link: DeviceLink;
  readonly member: Member;
  /** Of the interface; 0 while it is not there. */
  index = 0;
  mtu: number;
  up = false;
  readonly #netlink: Netlink;
  readonly #events: PortEvents;
  readonly #linkAddress: number;
  readonly #to = nativeBuffer(SOCKADDR_LL);
  #fd = -1;
  /** Packets that the interface's own queue did not take. */
  #refused = 0;
  /** What the interface had counted when it was looked at last. */
  #counted: InterfaceCounters | null = null;
  #dropped = 0;

  constructor(settings: LineSettings, id: LinkId, netlink: Netlink, events: PortEvents, seed: number) {
    super(settings.mtu, seed);
    this.name = settings.name;
    this.device = settings.device;
    this.mtu = settings.mtu;
    this.#netlink = netlink;
    this.#events = events;
    const memory = nativeBuffer(4 * LONGEST_PACKET);
    this.link = new DeviceLink(settings.mtu, memory.octets);
    this.#linkAddress = memory.address;
    this.member = new Member(id, this.name, this.link, new Pacer(settings.rateBps));
  }

  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  /** @throws EqlError INTERFACE_MISSING, INTERFACE_UNSUITABLE, CAPABILITY_MISSING */
  open(now: Instant): void {
    const found = requireBareIp(this.device, this.#netlink);
    this.#fd = check(
      socket(AF_PACKET, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0),
      `A packet socket for ${this.device}; run as root or with CAP_NET_RAW`,
      "CAPABILITY_MISSING",
    );
    this.index = found.index;
    this.up = found.up;
    this.setMtu(found.mtu);
    this.#counted = this.#netlink.counters(found.index);
    this.#to.view.setUint16(0, AF_PACKET, true);
    this.#to.view.setInt32(4, found.index, true);
    this.link.reset();
    this.member.pacer.reset(now);
  }

  override setMtu(mtu: number): void {
    super.setMtu(mtu);
    this.mtu = mtu;
    this.link.mtu = mtu;
  }

  /** The port must have been placed nowhere before. */
  close(): void {
    this.#readCounters();
    close(this.#fd);
    this.#fd = -1;
    this.index = 0;
    this.up = false;
  }

  override status(now: Instant): EngineLineStatus {
    this.#readCounters();
    return super.status(now);
  }

  override flush(_now: Instant): void {
    const { outbox } = this.link;
    while (outbox.length > 0) {
      const length = ipTotalLength(outbox.octets, outbox.from, outbox.length);
      const isV6 = (outbox.octets[outbox.from] as number) >> 4 === 6;
      this.#to.view.setUint16(2, isV6 ? ETH_P_IPV6 : ETH_P_IP, false);
      const result = sendto(
        this.#fd,
        this.#linkAddress + outbox.from,
        length,
        0,
        this.#to.address,
        SOCKADDR_LL,
      );
      outbox.consume(length);
      if (result >= 0) this.lineSent += length;
      else if (result === -EAGAIN || result === -ENOBUFS) this.#refused++;
      else {
        outbox.clear();
        this.#events.failed(this, `sending failed: ${describeErrno(result)}`);
      }
    }
  }

  protected override drops(): Record<string, number> {
    return { ...super.drops(), refused: this.#refused, interfaceDropped: this.#dropped };
  }

  /** The kernel takes what arrives and drops what does not fit: only the interface itself tells. */
  #readCounters(): void {
    const before = this.#counted;
    const counted = this.isOpen ? this.#netlink.counters(this.index) : null;
    if (before === null || counted === null) return;
    const octets = counted.receivedOctets - before.receivedOctets;
    this.receivedPackets += counted.receivedPackets - before.receivedPackets;
    this.receivedOctets += octets;
    this.lineReceived += octets;
    this.#dropped += counted.sendingDropped - before.sendingDropped;
    this.#counted = counted;
  }
}

function requireBareIp(name: string, netlink: Netlink): Interface {
  const found = netlink.interface(name);
  if (found === null) {
    throw new EqlError(
      "INTERFACE_MISSING",
      `There is no interface ${name}: \`ip link\` lists those that are there`,
      {
        details: { interface: name },
      },
    );
  }
  if (BARE_IP_TYPES.has(found.type)) return found;
  throw new EqlError(
    "INTERFACE_UNSUITABLE",
    `${name} cannot be a slave: packets on it need a link-layer header (hardware type ${found.type}); interfaces that carry bare IP can, such as ppp0, sl0, wwan0 in raw-ip mode, or a TUN device`,
    { details: { interface: name, type: found.type } },
  );
}
