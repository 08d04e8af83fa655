/** What a peer proves itself with, for somebody else to judge. */
export type Proof = PapProof | ChapProof | MsChapV2Proof;

interface AnyProof {
  /** A random one, by which the verdict names it. */
  readonly id: number;
  /** As the peer says; it has no control characters. */
  readonly name: string;
}

interface PapProof extends AnyProof {
  readonly method: "pap";
  /** Never for a log. */
  readonly password: Uint8Array;
}

interface ChapProof extends AnyProof {
  readonly method: "chap-md5";
  readonly identifier: number;
  readonly challenge: Uint8Array;
  /** 16 octets: MD5 over Identifier, secret and challenge (RFC 1994, section 4.1). */
  readonly response: Uint8Array;
}

interface MsChapV2Proof extends AnyProof {
  readonly method: "mschapv2";
  readonly identifier: number;
  readonly challenge: Uint8Array;
  /** 49 octets (RFC 2759, section 4). */
  readonly response: Uint8Array;
}

/** What was found of a proof. */
export type Verdict =
  | {
      readonly ok: true;
      /** The account's name; left out: as the peer said. */
      readonly name?: string;
      /** Addresses that the peer may use, as in {@link Secret}. */
      readonly addresses: readonly string[];
      /** By MS-CHAPv2: `S=` and 40 digits, which tell the peer that the password is known. */
      readonly success?: string;
    }
  | {
      readonly ok: false;
      /** For our own log. */
      readonly message: string;
    };
