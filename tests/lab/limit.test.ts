import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { countEscapes, datagramLimitPerSecond, transferLimit } from "../../src/lab/limit.ts";
import { median, percentile } from "../../src/lab/statistics.ts";
import { transferHash } from "../../src/lab/transfer.ts";
import { forEachPiece, TransferData } from "../../src/lab/transfer-data.ts";

const take = (seed: number, length: number): Uint8Array => {
  const octets = new Uint8Array(length);
  new TransferData(seed).fill(octets);
  return octets;
};

describe("TransferData", () => {
  it("is the same for the same seed, however it is split", () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.nat(40), { maxLength: 10 }), (seed, lengths) => {
        const whole = take(
          seed,
          lengths.reduce((sum, n) => sum + n, 0),
        );
        const data = new TransferData(seed);
        const parts = lengths.map((length) => {
          const part = new Uint8Array(length);
          data.fill(part);
          return part;
        });
        assert.deepEqual(Buffer.concat(parts), Buffer.from(whole));
      }),
    );
  });

  it("is the documented generator: sfc32 seeded 0, seed, 0, 1 and stepped twelve times", () => {
    let [a, b, c, counter] = [0, 1995, 0, 1];
    const next = (): number => {
      const result = (a + b + counter++) | 0;
      [a, b, c] = [b ^ (b >>> 9), (c + c * 8) | 0, (((c << 21) | (c >>> 11)) + result) | 0];
      return result;
    };
    for (let i = 0; i < 12; i++) next();
    const expected = Buffer.alloc(400);
    for (let i = 0; i < 400; i += 4) expected.writeInt32LE(next(), i);
    assert.deepEqual(Buffer.from(take(1995, 400)), expected);
  });

  it("holds each octet about equally often", () => {
    const counts = new Uint32Array(256);
    for (const octet of take(1, 256_000)) counts[octet] = (counts[octet] ?? 0) + 1;
    for (const count of counts) assert.ok(count > 800 && count < 1200, `${count} of 1000`);
  });

  it("differs from seed to seed", () => {
    const hashes = new Set(
      Array.from({ length: 100 }, (_, seed) => createHash("sha256").update(take(seed, 64)).digest("hex")),
    );
    assert.equal(hashes.size, 100);
  });

  it("is handed out in pieces that make up the whole", () => {
    const pieces: Buffer[] = [];
    forEachPiece(40_000, 3, (piece) => pieces.push(Buffer.from(piece)));
    assert.deepEqual(Buffer.concat(pieces), Buffer.from(take(3, 40_000)));
    assert.equal(transferHash(40_000, 3), createHash("sha256").update(take(3, 40_000)).digest("hex"));
  });
});

describe("transferLimit", () => {
  it("is the sum of the issue, worked out here by hand", () => {
    const bytes = 289_284;
    const escapes = take(5, bytes).filter((octet) => octet === 0xc0 || octet === 0xdb).length;
    assert.equal(countEscapes(bytes, 5), escapes);
    const limit = transferLimit({ bytes, mtu: 576, speeds: [57_600, 14_400], seed: 5 });
    // 540 segments of 536 octets: 289,440
    assert.equal(limit.lineOctets, bytes + 40 * 540 + escapes + 540);
    assert.equal(limit.seconds, limit.lineOctets / 7200);
    assert.ok(Math.abs(limit.octetsPerSecond - bytes / limit.seconds) < 1e-9);
  });

  it("counts what HDLC escapes for an ACCM of 0, and a frame of PPP or of multilink for each packet", () => {
    const bytes = 289_284;
    const escapes = take(5, bytes).filter((octet) => octet === 0x7d || octet === 0x7e).length;
    assert.equal(countEscapes(bytes, 5, "ppp"), escapes);
    assert.equal(countEscapes(bytes, 5, "mlppp"), escapes);
    const input = { bytes, mtu: 1500, speeds: [28_800, 28_800], seed: 5 };
    const octetsOf = (options: object): number => transferLimit({ ...input, ...options }).lineOctets;
    // 199 segments of 1460 octets: 290,540
    const headers = 40 * 199;
    // 21, check, flag; 3d, number of 4 or 2 octets, 21, check, flag
    assert.equal(octetsOf({ protocol: "ppp" }), bytes + headers + escapes + 199 * 4);
    assert.equal(octetsOf({ protocol: "mlppp" }), bytes + headers + escapes + 199 * 9);
    assert.equal(octetsOf({ protocol: "mlppp", shortNumbers: true }), bytes + headers + escapes + 199 * 7);
  });

  it("leaves about 90, 93 and 95 per cent of the raw rate at the MTUs of 1995, before escapes", () => {
    for (const [mtu, percent] of [
      [400, 90],
      [600, 93],
      [900, 95],
    ] as const) {
      const input = { bytes: 289_284, mtu, speeds: [57_600, 57_600], seed: 1 };
      const { lineOctets } = transferLimit(input);
      const share = (100 * 289_284) / (lineOctets - countEscapes(289_284, 1));
      assert.ok(Math.abs(share - percent) < 1, `MTU ${mtu}: ${share}`);
    }
  });

  it("scales with the sum of the speeds only", () => {
    const base = { bytes: 10_000, mtu: 576, seed: 1 };
    const together = transferLimit({ ...base, speeds: [57_600, 14_400] });
    const one = transferLimit({ ...base, speeds: [72_000] });
    assert.deepEqual(together, one);
  });
});

describe("datagramLimitPerSecond", () => {
  it("fills the lines with packets of the MTU, an END and the mean escapes", () => {
    assert.equal(datagramLimitPerSecond(576, [57_600, 14_400]), 7200 / (577 + 548 / 128));
  });
});

describe("statistics", () => {
  it("takes percentiles by nearest rank", () => {
    const values = [15, 20, 35, 40, 50];
    assert.equal(percentile(values, 5), 15);
    assert.equal(percentile(values, 30), 20);
    assert.equal(percentile(values, 50), 35);
    assert.equal(percentile(values, 95), 50);
    assert.equal(percentile([], 50), Number.NaN);
  });

  it("takes the median of odd and even counts", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([7]), 7);
    assert.equal(median([]), Number.NaN);
  });
});
