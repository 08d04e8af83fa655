/** What one end of a PPP link wants and allows. Complete and readonly: defaults are filled in by whoever reads configurations. */

export type AuthProtocol = "pap" | "chap-md5" | "mschapv2";

/** Endpoint discriminator (RFC 1990, section 5.1.3): class, and an address of 0 to 20 octets. */
export interface Endpoint {
  readonly class: number;
  readonly address: Uint8Array;
}

/** Of every control protocol (RFC 1661, section 4.6). */
export interface RestartSettings {
  readonly restartMs: number;
  readonly maxConfigure: number;
  readonly maxTerminate: number;
  readonly maxFailure: number;
}

export interface LcpSettings extends RestartSettings {
  /** Largest packet we want to receive, octets. */
  readonly mru: number;
  /** Control octets that the peer has to escape, bit n for octet n; null: not asked for, so all. */
  readonly asyncMap: number | null;
  /** Whether we ask for and grant: Protocol-Field-Compression, Address-and-Control-Field-Compression, magic numbers. */
  readonly protocolCompression: boolean;
  readonly addressCompression: boolean;
  readonly magicNumber: boolean;
  /** Null: multilink (RFC 1990) is neither asked for nor granted. */
  readonly multilink: MultilinkSettings | null;
  /** Null: no Echo-Requests are sent. */
  readonly echo: { readonly intervalMs: number; readonly failures: number } | null;
  /** Said in an Identification packet (RFC 1570) when the link opens; null: nothing is said. */
  readonly identification: string | null;
  /** `passive`: keeps waiting when nobody answers our Configure-Requests; `silent`: sends none before the peer does. */
  readonly start: "active" | "passive" | "silent";
}

export interface MultilinkSettings {
  /** Largest reassembled packet we want to receive, octets. */
  readonly mrru: number;
  readonly shortSequenceNumbers: boolean;
  /** Null: none is sent. */
  readonly endpoint: Endpoint | null;
}

export interface Secret {
  /** Who is authenticated; `*` stands for everybody. */
  readonly client: string;
  /** Who authenticates; `*` stands for everybody. */
  readonly server: string;
  readonly secret: string;
  /** Addresses that the client may use; empty: any is refused but those assigned; `["*"]`: any. */
  readonly addresses: readonly string[];
}

export interface AuthSettings {
  /** What the peer has to prove itself with, any one of them, the first first; empty: nothing. */
  readonly require: readonly AuthProtocol[];
  /** What we never prove ourselves with. */
  readonly refuse: readonly AuthProtocol[];
  /** Our name, to the peer and in the secrets. */
  readonly name: string;
  /** The name by which we prove ourselves, when it is another one. */
  readonly user: string;
  /** The peer's name for choosing a secret, when it tells none (PAP) or it is not to be believed; null: as it says. */
  readonly remoteName: string | null;
  /** Overrides the files: the password by which we prove ourselves; null: from the secrets. */
  readonly password: string | null;
  readonly papSecrets: readonly Secret[];
  readonly chapSecrets: readonly Secret[];
  /**
   * Whether somebody else judges what the peer proves itself with: it is told as a proof, and secrets are not looked at. `require` then has
   * to be what can be judged.
   */
  readonly deferred: boolean;
  /** Time for the whole authentication, milliseconds. That for a verdict is part of it. */
  readonly timeoutMs: number;
}

export interface NetworkSettings extends RestartSettings {
  /** Null: IPv4 is not negotiated. Addresses are of 4 octets. */
  readonly ipv4: {
    /** Ours; null: the peer is asked for one. */
    readonly local: Uint8Array | null;
    /** The peer's: told to one that asks; null: whatever it says. */
    readonly remote: Uint8Array | null;
    /** Whether the peer may have another address for us, or for itself, than we have. */
    readonly acceptLocal: boolean;
    readonly acceptRemote: boolean;
    /** Whether the peer is asked for name servers. */
    readonly askDns: boolean;
    /** Told to a peer that asks; at most two, of 4 octets. */
    readonly dns: readonly Uint8Array[];
  } | null;
  /** Null: IPv6 is not negotiated. Interface identifiers are of 8 octets; null: a random one. */
  readonly ipv6: { readonly local: Uint8Array | null; readonly remote: Uint8Array | null } | null;
}

/** What PPP needs of cryptography and randomness; the host provides it. All return new octets. */
export interface PppCrypto {
  md4(octets: Uint8Array): Uint8Array;
  md5(octets: Uint8Array): Uint8Array;
  sha1(octets: Uint8Array): Uint8Array;
  /** DES of one block. @param key 8 octets, parity ignored @param block 8 octets */
  des(key: Uint8Array, block: Uint8Array): Uint8Array;
  /** In constant time; false at once only for different lengths. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  random(count: number): Uint8Array;
}
