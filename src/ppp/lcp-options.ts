import { hexNumber, longAt, wordAt } from "./describe-text.ts";
import { endpointText } from "./endpoint.ts";
import { ACK, type ConfigOption, REJECT, sameOctets, type Verdict } from "./option.ts";
import type { AuthProtocol, Endpoint, LcpSettings, MultilinkSettings } from "./settings.ts";

/** What every peer has to be able to receive, and what holds when nobody says otherwise (RFC 1661, section 6.1). */
export const DEFAULT_MRU = 1500;
/** Below this a packet is mostly headers, and a control packet may not fit. */
const LEAST_MRU = 128;
/** Endpoint addresses are no longer (RFC 1990, section 5.1.3). */
const LONGEST_ENDPOINT = 20;

const readLong = (data: Uint8Array): number | undefined => (data.length === 4 ? longAt(data, 0) : undefined);

export const writeLong = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);

/** How an option of 16 bits is written. */
const WORD = {
  read: (data: Uint8Array): number | undefined => (data.length === 2 ? wordAt(data, 0) : undefined),
  write: (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff),
  show: (value: number): number => value,
};

const atLeastMru = (mru: number): Verdict<number> =>
  mru >= LEAST_MRU ? ACK : { say: "nak", instead: LEAST_MRU };

/** Maximum-Receive-Unit (RFC 1661, section 6.1), octets. @param wanted the default is not asked for */
export const mruOption = (wanted: number): ConfigOption<number> => ({
  type: 1,
  name: "mru",
  begin: () => (wanted === DEFAULT_MRU ? undefined : wanted),
  judge: atLeastMru,
  revise: (_, instead) =>
    instead !== null && instead >= LEAST_MRU && instead <= Math.max(wanted, DEFAULT_MRU)
      ? instead
      : undefined,
  ...WORD,
});

/** Async-Control-Character-Map (RFC 1662, section 7.1). @param wanted null: not asked for */
export const asyncMapOption = (wanted: number | null): ConfigOption<number> => ({
  type: 2,
  name: "asyncmap",
  begin: () => wanted ?? undefined,
  judge: () => ACK,
  // Whoever would have more of them escaped has its reasons.
  revise: (current, instead) => (instead === null ? undefined : ((current ?? 0) | instead) >>> 0),
  read: readLong,
  write: writeLong,
  show: hexNumber,
});

/** What the Authentication-Protocol option says; `unknown` is any that we do not speak. */
export type AuthDemand = AuthProtocol | "unknown";

/** Their values (RFC 1334, RFC 1994, RFC 2759), best first: that is also the order in which we offer to prove ourselves. */
const AUTH_VALUES: Readonly<Record<AuthProtocol, readonly number[]>> = {
  "chap-md5": [0xc2, 0x23, 5],
  mschapv2: [0xc2, 0x23, 0x81],
  pap: [0xc0, 0x23],
};
const AUTH_PROTOCOLS = Object.keys(AUTH_VALUES) as readonly AuthProtocol[];

/** Authentication-Protocol (RFC 1661, section 6.2). */
export class AuthOption implements ConfigOption<AuthDemand> {
  readonly type = 3;
  readonly name = "auth";
  readonly vital = true;
  /** The peer demands what we cannot give it, and has not yet agreed to anything else. */
  isUnmet = false;
  readonly #demanded: readonly AuthProtocol[];
  readonly #offered: readonly AuthProtocol[];
  #left: readonly AuthProtocol[] = [];

  /**
   * @param demanded of the peer, any one of them, the first first
   * @param isOffered what we can prove ourselves by
   */
  constructor(demanded: readonly AuthProtocol[], isOffered: (protocol: AuthProtocol) => boolean) {
    this.#demanded = demanded;
    this.#offered = AUTH_PROTOCOLS.filter(isOffered);
  }

  begin(): AuthDemand | undefined {
    this.isUnmet = false;
    this.#left = this.#demanded;
    return this.#left[0];
  }

  judge(wish: AuthDemand): Verdict<AuthDemand> {
    this.isUnmet = !this.#offered.some((protocol) => protocol === wish);
    if (!this.isUnmet) return ACK;
    const best = this.#offered[0];
    return best === undefined ? REJECT : { say: "nak", instead: best };
  }

  /** Down the list, or to that of what is left which the peer proposes. */
  revise(current: AuthDemand | undefined, instead: AuthDemand | null): AuthDemand | undefined {
    if (current === undefined) return undefined;
    this.#left = this.#left.filter((protocol) => protocol !== current);
    return this.#left.find((protocol) => protocol === instead) ?? this.#left[0];
  }

  read(data: Uint8Array): AuthDemand | undefined {
    if (data.length < 2) return undefined;
    const same = (protocol: AuthProtocol): boolean =>
      sameOctets(Uint8Array.from(AUTH_VALUES[protocol]), data);
    return AUTH_PROTOCOLS.find(same) ?? "unknown";
  }

  write(demand: AuthDemand): Uint8Array {
    return Uint8Array.from(demand === "unknown" ? [] : AUTH_VALUES[demand]);
  }

  show(demand: AuthDemand): string {
    return demand;
  }
}

/** Magic-Number (RFC 1661, section 6.4): tells a peer from an echo of ourselves. */
export class MagicOption implements ConfigOption<number> {
  readonly type = 5;
  readonly name = "magic";
  /** How many times in a row the peer's number was ours. */
  loops = 0;
  readonly #isWanted: boolean;
  readonly #random: (count: number) => Uint8Array;

  constructor(isWanted: boolean, random: (count: number) => Uint8Array) {
    this.#isWanted = isWanted;
    this.#random = random;
  }

  begin(): number | undefined {
    return this.#isWanted ? this.#next() : undefined;
  }

  judge(wish: number, ours: number | undefined): Verdict<number> {
    if (!this.#isWanted) return REJECT;
    if (wish !== 0 && wish !== ours) {
      this.loops = 0;
      return ACK;
    }
    if (wish !== 0) this.loops++;
    return { say: "nak", instead: this.#next() };
  }

  /** Not what the peer proposes: on a looped line that would be our own proposal. */
  revise(_: number | undefined, instead: number | null): number | undefined {
    return instead === null || !this.#isWanted ? undefined : this.#next();
  }

  read(data: Uint8Array): number | undefined {
    return readLong(data);
  }

  write(value: number): Uint8Array {
    return writeLong(value);
  }

  show(value: number): string {
    return hexNumber(value);
  }

  #next(): number {
    for (;;) {
      const number = readLong(this.#random(4)) ?? 0;
      if (number !== 0) return number;
    }
  }
}

/** An option that says yes by being there: it is rejected, never Nak'd, by who does not want it. */
const flagOption = (type: number, name: string, isWanted: boolean): ConfigOption<true> => ({
  type,
  name,
  begin: () => (isWanted ? true : undefined),
  judge: () => (isWanted ? ACK : REJECT),
  revise: (current, instead) => (instead === null ? undefined : current),
  read: (data) => (data.length === 0 ? true : undefined),
  write: () => new Uint8Array(0),
  show: (value) => value,
});

/** Protocol-Field-Compression and Address-and-Control-Field-Compression (RFC 1661, sections 6.5 and 6.6). */
export const pfcOption = (settings: LcpSettings): ConfigOption<true> =>
  flagOption(7, "pcomp", settings.protocolCompression);
export const acfcOption = (settings: LcpSettings): ConfigOption<true> =>
  flagOption(8, "accomp", settings.addressCompression);

/** Multilink-Maximum-Received-Reconstructed-Unit (RFC 1990, section 5.1.1), octets: asking for it is asking for multilink. */
export const mrruOption = (multilink: MultilinkSettings | null): ConfigOption<number> => ({
  type: 17,
  name: "mrru",
  begin: () => multilink?.mrru,
  judge: (mrru) => (multilink === null ? REJECT : atLeastMru(mrru)),
  // Ours is the bundle's, and every link has to have the same.
  revise: (current, instead) => (instead === null ? undefined : current),
  ...WORD,
});

/** Short-Sequence-Number-Header-Format (RFC 1990, section 5.1.2). */
export const shortOption = (multilink: MultilinkSettings | null): ConfigOption<true> =>
  flagOption(18, "mpshortseq", multilink?.shortSequenceNumbers ?? false);

/** Endpoint-Discriminator (RFC 1990, section 5.1.3): never Nak'd, by neither side. */
export const endpointOption = (multilink: MultilinkSettings | null): ConfigOption<Endpoint> => ({
  type: 19,
  name: "endpoint",
  begin: () => multilink?.endpoint ?? undefined,
  judge: () => (multilink === null ? REJECT : ACK),
  revise: (current, instead) => (instead === null ? undefined : current),
  read: (data) =>
    data.length === 0 || data.length > 1 + LONGEST_ENDPOINT
      ? undefined
      : { class: data[0] as number, address: data.slice(1) },
  write: (endpoint) => Uint8Array.of(endpoint.class, ...endpoint.address),
  show: endpointText,
});
