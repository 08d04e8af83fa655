import { type Instant, instant, NEVER } from "../time.ts";
import type { ControlProtocol } from "./control-protocol.ts";
import { Ipcp, type Ipv4Agreement } from "./ipcp.ts";
import { type Ipv6Agreement, Ipv6cp } from "./ipv6cp.ts";
import { RateLimit } from "./rate-limit.ts";
import type { NetworkSettings, PppCrypto, Secret } from "./settings.ts";

export type NetworkEvent =
  | Ipv4Agreement
  | Ipv6Agreement
  | { readonly type: "down"; readonly family: 4 | 6 }
  | { readonly type: "failed"; readonly family: 4 | 6; readonly reason: string };

/** A peer may negotiate a protocol so often at once, and once more each time that so long has passed, milliseconds: each time runs scripts. */
const MOST_NEGOTIATIONS = 10;
const NEGOTIATION_EACH_MS = 20_000;

/** What IPCP and IPV6CP are alike in. */
interface NetworkProtocol {
  readonly protocol: number;
  readonly family: 4 | 6;
  readonly control: ControlProtocol;
  result(): Ipv4Agreement | Ipv6Agreement | string;
}

/** One network protocol, and whether it is of use. */
interface Family {
  readonly machine: NetworkProtocol;
  readonly negotiations: RateLimit;
  isUp: boolean;
  /** Its end has been told, or was asked for. */
  isEnded: boolean;
}

/**
 * The network protocols of a link, or of a bundle of links: IPv4 and IPv6, each of which comes and goes by itself.
 *
 * After each call, empty `pollPacket` and `pollEvent`.
 */
export class NetworkLayer {
  readonly #families: readonly Family[];
  readonly #events: NetworkEvent[] = [];

  /** @param peerEntry the secret that the peer proved itself with; null: it did not have to */
  constructor(settings: NetworkSettings, peerEntry: Secret | null, primitives: PppCrypto) {
    const machines: NetworkProtocol[] = [];
    if (settings.ipv4 !== null) machines.push(new Ipcp(settings, settings.ipv4, peerEntry, primitives));
    if (settings.ipv6 !== null) machines.push(new Ipv6cp(settings, settings.ipv6, primitives));
    this.#families = machines.map((machine) => ({
      machine,
      negotiations: new RateLimit(MOST_NEGOTIATIONS, NEGOTIATION_EACH_MS),
      isUp: false,
      isEnded: false,
    }));
  }

  /** Whether IPv4 packets may pass. */
  get ip4Open(): boolean {
    return this.#isOpen(4);
  }

  get ip6Open(): boolean {
    return this.#isOpen(6);
  }

  /** The link is authenticated, or the bundle has its first one. */
  lowerUp(now: Instant): void {
    for (const family of this.#families) {
      const { control } = family.machine;
      family.isEnded = false;
      if (control.state === "initial") control.open(now);
      if (control.state === "starting") control.lowerUp(now);
      this.#take(family, now);
    }
  }

  lowerDown(now: Instant): void {
    for (const family of this.#families) {
      const { control } = family.machine;
      if (control.state !== "initial" && control.state !== "starting") control.lowerDown(now);
      this.#take(family, now);
    }
  }

  /** Ends all of it, which is no failure. @param reason told to the peer */
  close(reason: string, now: Instant): void {
    for (const family of this.#families) this.#close(family, reason, now);
  }

  /** @param octets from the code on, `[from, to)`. Hostile. @returns false: none of ours, for a Protocol-Reject */
  handlePacket(protocol: number, octets: Uint8Array, from: number, to: number, now: Instant): boolean {
    const family = this.#find(protocol);
    if (family === undefined) return false;
    family.machine.control.handlePacket(octets, from, to, now);
    this.#take(family, now);
    return true;
  }

  /** The peer does not know a protocol. What is not ours, is not our business. */
  handleProtocolReject(protocol: number, now: Instant): void {
    const family = this.#find(protocol);
    if (family === undefined) return;
    family.machine.control.handleProtocolReject(now);
    this.#take(family, now);
  }

  handleTimeout(now: Instant): void {
    for (const family of this.#families) {
      if (now < family.machine.control.pollTimeout()) continue;
      family.machine.control.handleTimeout(now);
      this.#take(family, now);
    }
  }

  pollTimeout(): Instant {
    let earliest: number = NEVER;
    for (const { machine } of this.#families) earliest = Math.min(earliest, machine.control.pollTimeout());
    return instant(earliest);
  }

  /** The next packet for the peer, from the code on; undefined: none. */
  pollPacket(): { readonly protocol: number; readonly octets: Uint8Array } | undefined {
    for (const { machine } of this.#families) {
      const octets = machine.control.pollPacket();
      if (octets !== undefined) return { protocol: machine.protocol, octets };
    }
    return undefined;
  }

  pollEvent(): NetworkEvent | undefined {
    return this.#events.shift();
  }

  #find(protocol: number): Family | undefined {
    return this.#families.find(({ machine }) => machine.protocol === protocol);
  }

  #isOpen(version: 4 | 6): boolean {
    for (const { machine, isUp } of this.#families) if (machine.family === version) return isUp;
    return false;
  }

  #close(family: Family, reason: string, now: Instant): void {
    family.isEnded = true;
    family.machine.control.close(reason, now);
    this.#take(family, now);
  }

  /** Takes what the automaton says. */
  #take(family: Family, now: Instant): void {
    const { machine } = family;
    for (let event = machine.control.pollEvent(); event !== undefined; event = machine.control.pollEvent()) {
      if (event === "up") this.#open(family, now);
      else if (event === "down") this.#setDown(family);
      else if (event === "finished") this.#fail(family, machine.control.reason || "it was ended");
    }
  }

  #open(family: Family, now: Instant): void {
    const result = family.negotiations.take(now)
      ? family.machine.result()
      : "the peer negotiates again and again";
    if (typeof result === "string") {
      this.#fail(family, result);
      this.#close(family, result, now);
      return;
    }
    family.isUp = true;
    family.isEnded = false;
    this.#events.push(result);
  }

  #setDown(family: Family): void {
    if (family.isUp) this.#events.push({ type: "down", family: family.machine.family });
    family.isUp = false;
  }

  #fail(family: Family, reason: string): void {
    if (!family.isEnded) this.#events.push({ type: "failed", family: family.machine.family, reason });
    family.isEnded = true;
  }
}
