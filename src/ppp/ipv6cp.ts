import { PPP_IPV6CP } from "../wire/ppp-packet.ts";
import { ControlProtocol } from "./control-protocol.ts";
import { ACK, type ConfigOption, REJECT, sameOctets, type Verdict } from "./option.ts";
import type { NetworkSettings, PppCrypto } from "./settings.ts";

/** The only option that is taken (RFC 5072, section 4.1); compression, the other one, is rejected. */
const INTERFACE_IDENTIFIER = 1;
const LENGTH = 8;
/** Of the first octet: set in identifiers that are unique everywhere, which random ones are not. */
const UNIVERSAL = 0x02;

type Ipv6Settings = NonNullable<NetworkSettings["ipv6"]>;

/** What both ends have agreed on. */
export interface Ipv6Agreement {
  readonly type: "up";
  readonly family: 6;
  /** Interface identifiers, 8 octets. */
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
}

/** IPv6 over PPP (RFC 5072): each end has an interface identifier, and not the same one. */
export class Ipv6cp {
  readonly protocol: number = PPP_IPV6CP;
  readonly family = 6;
  readonly control: ControlProtocol;
  readonly #identifier: IdentifierOption;

  constructor(settings: NetworkSettings, ipv6: Ipv6Settings, primitives: PppCrypto) {
    this.#identifier = new IdentifierOption(ipv6, primitives);
    this.control = new ControlProtocol(settings, [this.#identifier]);
  }

  /** Once opened: what was agreed on, or why it is of no use. */
  result(): Ipv6Agreement | string {
    const { refusal } = this.#identifier;
    const local = this.control.ours(this.#identifier);
    if (local === undefined) return refusal || "the peer rejects our interface identifier";
    const remote = this.control.theirs(this.#identifier);
    if (remote === undefined) return refusal || "the peer has no interface identifier";
    return { type: "up", family: 6, local, remote };
  }
}

class IdentifierOption implements ConfigOption<Uint8Array> {
  readonly type: number = INTERFACE_IDENTIFIER;
  readonly name: string = "interface-identifier";
  /** Why there is no agreement; "": nothing stands against it. */
  refusal = "";
  readonly #settings: Ipv6Settings;
  readonly #primitives: PppCrypto;
  /** What we have last told the peer to take. */
  #told: Uint8Array | null = null;
  #hasAsked = false;

  constructor(settings: Ipv6Settings, primitives: PppCrypto) {
    this.#settings = settings;
    this.#primitives = primitives;
  }

  begin(): Uint8Array {
    this.refusal = "";
    this.#told = null;
    this.#hasAsked = false;
    return this.#settings.local ?? this.#random();
  }

  /** The table of RFC 5072, section 4.1. */
  judge(wish: Uint8Array, ours: Uint8Array | undefined): Verdict<Uint8Array> {
    const { remote } = this.#settings;
    const isZero = isZeros(wish);
    if (isZero && (ours === undefined || isZeros(ours))) return REJECT;
    if (!isZero && (ours === undefined || !sameOctets(wish, ours))) {
      if (remote === null || sameOctets(wish, remote)) return ACK;
      this.refusal = `the peer insists on the interface identifier ${show(wish)} instead of ${show(remote)}`;
    } else if (!isZero) {
      this.refusal = `both ends have the interface identifier ${show(wish)}`;
    }
    return { say: "nak", instead: this.#tell(ours) };
  }

  /** Asks the peer once to say its identifier. */
  missing(): Uint8Array | undefined {
    if (this.#hasAsked) return undefined;
    this.#hasAsked = true;
    return this.#tell(undefined);
  }

  revise(current: Uint8Array | undefined, instead: Uint8Array | null): Uint8Array | undefined {
    if (current === undefined || instead === null) return undefined;
    const { local } = this.#settings;
    if (local !== null) {
      this.refusal ||= `the peer insists that we have the interface identifier ${show(instead)}, not ${show(local)}`;
      return local;
    }
    // Both made the same proposal: it would be a collision again.
    const isOfUse = !isZeros(instead) && (this.#told === null || !sameOctets(instead, this.#told));
    return isOfUse ? instead : this.#random();
  }

  read(data: Uint8Array): Uint8Array | undefined {
    return data.length === LENGTH ? data.slice() : undefined;
  }

  write(value: Uint8Array): Uint8Array {
    return value;
  }

  show(value: Uint8Array): string {
    return show(value);
  }

  #tell(ours: Uint8Array | undefined): Uint8Array {
    const { remote } = this.#settings;
    const isFree = remote !== null && (ours === undefined || !sameOctets(remote, ours));
    this.#told = isFree ? remote : this.#random();
    return this.#told;
  }

  #random(): Uint8Array {
    const identifier = this.#primitives.random(LENGTH);
    identifier[0] = (identifier[0] as number) & ~UNIVERSAL;
    if (isZeros(identifier)) identifier[LENGTH - 1] = 1;
    return identifier;
  }
}

const isZeros = (octets: Uint8Array): boolean => octets.every((octet) => octet === 0);

/** As pppd writes it: four groups, as in an address. */
function show(identifier: Uint8Array): string {
  const group = (at: number): string =>
    (((identifier[at] as number) << 8) | (identifier[at + 1] as number)).toString(16).padStart(4, "0");
  return `${group(0)}:${group(2)}:${group(4)}:${group(6)}`;
}
