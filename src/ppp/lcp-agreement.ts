import type { ControlProtocol } from "./control-protocol.ts";
import {
  AuthOption,
  acfcOption,
  asyncMapOption,
  DEFAULT_MRU,
  endpointOption,
  MagicOption,
  mrruOption,
  mruOption,
  pfcOption,
  shortOption,
} from "./lcp-options.ts";
import type { AuthProtocol, Endpoint, LcpSettings } from "./settings.ts";

const EVERY_MAP = 0xffffffff;

/** How the line is framed, as both sides agreed. */
export interface Framing {
  /** Control octets to escape, bit n for octet n. */
  readonly sendAsyncMap: number;
  readonly receiveAsyncMap: number;
  readonly sendProtocolCompression: boolean;
  readonly sendAddressCompression: boolean;
  /** Octets. Whatever ours is, packets of 1500 are to be taken (RFC 1661, section 6.1). */
  readonly peerMru: number;
  readonly ourMru: number;
}

/** Until LCP opens, and after it (RFC 1661, section 5; RFC 1662, section 7.1). */
export const DEFAULT_FRAMING: Framing = {
  sendAsyncMap: EVERY_MAP,
  receiveAsyncMap: EVERY_MAP,
  sendProtocolCompression: false,
  sendAddressCompression: false,
  peerMru: DEFAULT_MRU,
  ourMru: DEFAULT_MRU,
};

export interface MultilinkAgreement {
  /** Octets of a reassembled packet. */
  readonly ourMrru: number;
  readonly peerMrru: number;
  readonly sendShort: boolean;
  readonly receiveShort: boolean;
  /** Null: it told none, which is class 0. */
  readonly peerEndpoint: Endpoint | null;
}

/** LCP's options, in the order in which pppd asks for them. */
export interface LcpOptions {
  readonly mru: ReturnType<typeof mruOption>;
  readonly asyncMap: ReturnType<typeof asyncMapOption>;
  readonly auth: AuthOption;
  readonly magic: MagicOption;
  readonly pfc: ReturnType<typeof pfcOption>;
  readonly acfc: ReturnType<typeof acfcOption>;
  readonly mrru: ReturnType<typeof mrruOption>;
  readonly short: ReturnType<typeof shortOption>;
  readonly endpoint: ReturnType<typeof endpointOption>;
}

/**
 * @param demanded how the peer has to prove itself, any one of them; empty: not at all
 * @param isOffered how we can prove ourselves
 */
export const lcpOptions = (
  settings: LcpSettings,
  demanded: readonly AuthProtocol[],
  isOffered: (protocol: AuthProtocol) => boolean,
  random: (count: number) => Uint8Array,
): LcpOptions => ({
  mru: mruOption(settings.mru),
  asyncMap: asyncMapOption(settings.asyncMap),
  auth: new AuthOption(demanded, isOffered),
  magic: new MagicOption(settings.magicNumber, random),
  pfc: pfcOption(settings),
  acfc: acfcOption(settings),
  mrru: mrruOption(settings.multilink),
  short: shortOption(settings.multilink),
  endpoint: endpointOption(settings.multilink),
});

/** @param knownMap what we know ourselves to be dangerous on the line, which is escaped whether it was asked for or not */
export function agreedFraming(options: LcpOptions, protocol: ControlProtocol, knownMap: number): Framing {
  const { mru, asyncMap, pfc, acfc } = options;
  return {
    sendAsyncMap: ((protocol.theirs(asyncMap) ?? EVERY_MAP) | knownMap) >>> 0,
    receiveAsyncMap: protocol.ours(asyncMap) ?? EVERY_MAP,
    // Who asks for compression says what it can receive.
    sendProtocolCompression: protocol.theirs(pfc) ?? false,
    sendAddressCompression: protocol.theirs(acfc) ?? false,
    peerMru: protocol.theirs(mru) ?? DEFAULT_MRU,
    ourMru: protocol.ours(mru) ?? DEFAULT_MRU,
  };
}

/** @returns null: not both sides have agreed to multilink */
export function agreedMultilink(options: LcpOptions, protocol: ControlProtocol): MultilinkAgreement | null {
  const { mrru, short, endpoint } = options;
  const ourMrru = protocol.ours(mrru);
  const peerMrru = protocol.theirs(mrru);
  if (ourMrru === undefined || peerMrru === undefined) return null;
  return {
    ourMrru,
    peerMrru,
    // Who asks for short numbers says what it wants to receive (RFC 1990, section 5.1.2).
    sendShort: protocol.theirs(short) ?? false,
    receiveShort: protocol.ours(short) ?? false,
    peerEndpoint: protocol.theirs(endpoint) ?? null,
  };
}
