import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** What scrypt (RFC 7914) is told of how much work it is to make. */
interface Cost {
  /** The logarithm of N. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** About a tenth of a second, and 32 MB. */
const COST: Cost = { ln: 15, r: 8, p: 1 };
/** A file with more than that would be a way to stop the daemon. */
const MOST_MEMORY = 256 * 1024 * 1024;
const MOST_P = 16;
const SALT_OCTETS = 16;
const HASH_OCTETS = 32;
const FORMAT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** @returns `$scrypt$ln=15,r=8,p=1$SALT$HASH`, both in base64 without padding */
export async function hashPassword(password: Uint8Array): Promise<string> {
  const salt = randomBytes(SALT_OCTETS);
  const hash = await derive(password, salt, COST, HASH_OCTETS);
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/**
 * Whether a password has this hash. With null (there is no such user) the answer is no, and takes as long.
 * @param hash one that cannot be read is no password's
 */
export async function verifyPassword(password: Uint8Array, hash: string | null): Promise<boolean> {
  const stored = hash === null ? null : parse(hash);
  const { salt, expected, cost } = stored ?? NOBODY;
  const found = await derive(password, salt, cost, expected.length);
  return timingSafeEqual(found, expected) && stored !== null;
}

interface Stored {
  readonly cost: Cost;
  readonly salt: Buffer;
  readonly expected: Buffer;
}

const NOBODY: Stored = { cost: COST, salt: Buffer.alloc(SALT_OCTETS), expected: Buffer.alloc(HASH_OCTETS) };

function parse(text: string): Stored | null {
  const [, ln, r, p, salt, hash] = FORMAT.exec(text) ?? [];
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  // RFC 7914, section 6, has N below 2^(16 r); OpenSSL fails otherwise.
  const isScrypt = cost.ln >= 1 && cost.r >= 1 && cost.p >= 1 && cost.ln < 16 * cost.r;
  const fits = isScrypt && cost.p <= MOST_P && memoryOf(cost) <= MOST_MEMORY;
  if (salt === undefined || hash === undefined || !fits) return null;
  const expected = Buffer.from(hash, "base64");
  return expected.length < SALT_OCTETS ? null : { cost, salt: Buffer.from(salt, "base64"), expected };
}

const memoryOf = ({ ln, r }: Cost): number => 128 * r * 2 ** ln;

function derive(password: Uint8Array, salt: Buffer, cost: Cost, length: number): Promise<Buffer> {
  const { ln, r, p } = cost;
  // OpenSSL wants a little more than the algorithm's own memory.
  const options = { N: 2 ** ln, r, p, maxmem: memoryOf(cost) + 128 * r * (p + 2) + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, hash) => {
      if (error === null) resolve(hash);
      else reject(error);
    });
  });
}

const unpadded = (octets: Buffer): string => octets.toString("base64").replace(/=+$/, "");
