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
import type { Interface } from "../netlink-objects.ts";
import type { LineSettings } from "./messages.ts";
import { type PortEvents, SlavePort } from "./slave-port.ts";

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCKADDR_LL = 20;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
/** Longest packet of any configuration: room for it is there when the MTU is raised. */
const LONGEST_PACKET = 16_384;

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
  readonly index: number;
  readonly link: DeviceLink;
  readonly member: Member;
  mtu: number;
  up: boolean;
  isOpen = true;
  readonly #events: PortEvents;
  readonly #fd: number;
  readonly #linkAddress: number;
  readonly #to = nativeBuffer(SOCKADDR_LL);
  /** Packets that the interface's own queue did not take. */
  #refused = 0;

  /** @throws EqlError INTERFACE_MISSING, INTERFACE_UNSUITABLE, CAPABILITY_MISSING */
  constructor(settings: LineSettings, id: LinkId, netlink: Netlink, events: PortEvents, seed: number) {
    const found = requireBareIp(settings.device, netlink);
    super(found.mtu, seed);
    this.name = settings.name;
    this.device = settings.device;
    this.index = found.index;
    this.mtu = found.mtu;
    this.up = found.up;
    this.#events = events;
    const memory = nativeBuffer(4 * Math.max(found.mtu, LONGEST_PACKET));
    this.link = new DeviceLink(found.mtu, memory.octets);
    this.#linkAddress = memory.address;
    this.member = new Member(id, this.name, this.link, new Pacer(settings.rateBps));
    const fd = socket(AF_PACKET, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0);
    this.#fd = check(
      fd,
      `A packet socket for ${this.device}; run as root or with CAP_NET_RAW`,
      "CAPABILITY_MISSING",
    );
    this.#to.view.setUint16(0, AF_PACKET, true);
    this.#to.view.setInt32(4, this.index, true);
  }

  override setMtu(mtu: number): void {
    super.setMtu(mtu);
    this.mtu = mtu;
    this.link.mtu = mtu;
  }

  close(): void {
    this.isOpen = false;
    close(this.#fd);
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
    return { ...super.drops(), refused: this.#refused };
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
