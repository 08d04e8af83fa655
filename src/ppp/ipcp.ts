import { formatIpAddress } from "../wire/ip-address.ts";
import { PPP_IPCP } from "../wire/ppp-packet.ts";
import { ControlProtocol } from "./control-protocol.ts";
import { ACK, type ConfigOption, REJECT, sameOctets, type Verdict } from "./option.ts";
import { isAddressAllowed, suggestedAddress } from "./secrets.ts";
import type { NetworkSettings, PppCrypto, Secret } from "./settings.ts";
import { printable } from "./text.ts";

/** IPCP's options (RFC 1332, section 3; RFC 1877). What is not here is rejected: VJ compression, which wants packets in order, too. */
const IP_ADDRESS = 3;
const PRIMARY_DNS = 129;
const SECONDARY_DNS = 131;

const UNKNOWN: Uint8Array = new Uint8Array(4);

type Ipv4Settings = NonNullable<NetworkSettings["ipv4"]>;

/** What both ends have agreed on. */
export interface Ipv4Agreement {
  readonly type: "up";
  readonly family: 4;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  /** Name servers that the peer told. */
  readonly dns: Uint8Array[];
}

/** IPv4 over PPP (RFC 1332): who has which address. */
export class Ipcp {
  readonly protocol: number = PPP_IPCP;
  readonly family = 4;
  readonly control: ControlProtocol;
  readonly #settings: Ipv4Settings;
  readonly #primitives: PppCrypto;
  /** Whether the peer may have any address. */
  readonly #isTrusted: boolean;
  readonly #address: AddressOption;
  readonly #dns: readonly DnsOption[];

  /** @param peerEntry the secret that the peer proved itself with: it says which addresses it may use; null: any */
  constructor(
    settings: NetworkSettings,
    ipv4: Ipv4Settings,
    peerEntry: Secret | null,
    primitives: PppCrypto,
  ) {
    const [primary = null, secondary = primary] = ipv4.dns;
    this.#settings = ipv4;
    this.#primitives = primitives;
    this.#isTrusted = peerEntry === null || peerEntry.addresses.includes("*");
    this.#address = new AddressOption(ipv4, peerEntry);
    this.#dns = [
      new DnsOption(PRIMARY_DNS, "dns1", ipv4.askDns, primary),
      new DnsOption(SECONDARY_DNS, "dns2", ipv4.askDns, secondary),
    ];
    this.control = new ControlProtocol(settings, [this.#address, ...this.#dns]);
  }

  /** Once opened: what was agreed on, or why it is of no use. */
  result(): Ipv4Agreement | string {
    const address = this.#address;
    const ours = this.control.ours(address);
    const local = ours ?? (address.localRefusal === "" ? this.#settings.local : null);
    if (local === null || isUnknown(local)) return address.localRefusal || "the peer gives us no address";
    const theirs = this.control.theirs(address);
    if (theirs === undefined && address.remoteRefusal !== "") return address.remoteRefusal;
    const remote = theirs ?? address.assigned ?? (this.#isTrusted ? this.#madeUp() : null);
    if (remote === null) return "there is no address for the peer";
    const told = this.#dns.map((option) => this.control.ours(option) ?? UNKNOWN);
    const dns = told.filter(
      (server, at) => !isUnknown(server) && !told.slice(0, at).some((other) => sameOctets(other, server)),
    );
    return { type: "up", family: 4, local, remote, dns };
  }

  /** For a peer that tells no address, as mobile modems do: nobody talks to it, but routes want one. pppd takes 10.64.64.64 and up. */
  #madeUp(): Uint8Array {
    return Uint8Array.of(10, 64, 64, 64 + ((this.#primitives.random(1)[0] as number) & 0x3f));
  }
}

/** One address for each direction: each end says its own (RFC 1332, section 3.3); 0.0.0.0 asks to be told. */
class AddressOption implements ConfigOption<Uint8Array> {
  readonly type: number = IP_ADDRESS;
  readonly name: string = "address";
  /** What the peer is to have; null: as it says. */
  readonly assigned: Uint8Array | null;
  /** Why the peer cannot have the address that it wants; "": it can. */
  remoteRefusal = "";
  /** Why we cannot have ours. */
  localRefusal = "";
  readonly #settings: Ipv4Settings;
  readonly #peerEntry: Secret | null;
  #hasAsked = false;

  constructor(settings: Ipv4Settings, peerEntry: Secret | null) {
    this.#settings = settings;
    this.#peerEntry = peerEntry;
    this.assigned = this.#assign();
  }

  begin(): Uint8Array {
    this.remoteRefusal = "";
    this.localRefusal = "";
    this.#hasAsked = false;
    return this.#settings.local ?? UNKNOWN;
  }

  judge(wish: Uint8Array): Verdict<Uint8Array> {
    const { assigned } = this;
    if (isUnknown(wish)) {
      if (assigned !== null) return { say: "nak", instead: assigned };
      return REJECT;
    }
    this.remoteRefusal = this.#whyNot(wish);
    if (this.remoteRefusal === "") return ACK;
    return assigned === null ? REJECT : { say: "nak", instead: assigned };
  }

  /** Asks the peer once to say its address; it may have none to say. */
  missing(): Uint8Array | undefined {
    if (this.#hasAsked || this.remoteRefusal !== "") return undefined;
    this.#hasAsked = true;
    return this.assigned ?? UNKNOWN;
  }

  revise(current: Uint8Array | undefined, instead: Uint8Array | null): Uint8Array | undefined {
    if (current === undefined || instead === null) return undefined;
    if (!isHost(instead)) return current;
    const { local, acceptLocal } = this.#settings;
    if (local === null || acceptLocal) return instead;
    this.localRefusal = `the peer insists that we have ${formatIpAddress(instead)}, not ${formatIpAddress(local)}`;
    return current;
  }

  read(data: Uint8Array): Uint8Array | undefined {
    return readAddress(data);
  }

  write(value: Uint8Array): Uint8Array {
    return value;
  }

  show(value: Uint8Array): string {
    return formatIpAddress(value);
  }

  /** The configured address, unless the peer's secret forbids it; else one that the secret names. */
  #assign(): Uint8Array | null {
    const { remote } = this.#settings;
    const addresses = this.#peerEntry?.addresses ?? [];
    if (addresses.length === 0 || (remote !== null && isAddressAllowed(addresses, remote))) return remote;
    return suggestedAddress(addresses);
  }

  #whyNot(wish: Uint8Array): string {
    const { remote, acceptRemote } = this.#settings;
    const entry = this.#peerEntry;
    const { assigned } = this;
    if (assigned !== null && sameOctets(assigned, wish)) return "";
    const text = formatIpAddress(wish);
    if (!isHost(wish)) return `the peer wants ${text}, which no host can have`;
    if (entry !== null && !isAddressAllowed(entry.addresses, wish)) {
      return `the peer wants ${text}, which the secret of "${printable(entry.client)}" does not allow`;
    }
    // An address out of the secret is a proposal: whatever else the secret allows will do.
    const isFixed = assigned !== null && assigned === remote && !acceptRemote;
    return isFixed ? `the peer insists on ${text} instead of ${formatIpAddress(assigned)}` : "";
  }
}

/** A name server: asked for by 0.0.0.0 and told by a Nak (RFC 1877, section 1). */
class DnsOption implements ConfigOption<Uint8Array> {
  readonly type: number;
  readonly name: string;
  readonly #asks: boolean;
  readonly #told: Uint8Array | null;

  /** @param told for a peer that asks; null: it is rejected */
  constructor(type: number, name: string, asks: boolean, told: Uint8Array | null) {
    this.type = type;
    this.name = name;
    this.#asks = asks;
    this.#told = told;
  }

  begin(): Uint8Array | undefined {
    return this.#asks ? UNKNOWN : undefined;
  }

  judge(wish: Uint8Array): Verdict<Uint8Array> {
    const told = this.#told;
    if (told === null) return REJECT;
    return sameOctets(told, wish) ? ACK : { say: "nak", instead: told };
  }

  revise(current: Uint8Array | undefined, instead: Uint8Array | null): Uint8Array | undefined {
    return current === undefined || instead === null || isUnknown(instead) ? undefined : instead;
  }

  read(data: Uint8Array): Uint8Array | undefined {
    return readAddress(data);
  }

  write(value: Uint8Array): Uint8Array {
    return value;
  }

  show(value: Uint8Array): string {
    return formatIpAddress(value);
  }
}

const readAddress = (data: Uint8Array): Uint8Array | undefined =>
  data.length === 4 ? data.slice() : undefined;

const isUnknown = (address: Uint8Array): boolean => address.every((octet) => octet === 0);

/** Whether one host can have it: not this net, loopback, multicast, or reserved (RFC 1122, section 3.2.1.3). */
function isHost(address: Uint8Array): boolean {
  const first = address[0] as number;
  return first !== 0 && first !== 127 && first < 224;
}
