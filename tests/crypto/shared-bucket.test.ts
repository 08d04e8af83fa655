import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SharedBucket } from "../../src/crypto/shared-bucket.ts";
import { Random } from "../../src/sim/random.ts";
import { instant } from "../../src/time.ts";

const PER_SECOND = 10_240;
const MOST = 5120;
/** Port, for IPv6 the flow, and address. */
const ipv4 = (network: number, port = 0): Uint8Array =>
  Uint8Array.of(port >> 8, port, 10, network >> 16, network >> 8, network);
const ipv6 = (network: number, host: number): Uint8Array => {
  const source = new Uint8Array(22);
  source.set([0, 1, host], 0);
  source.set([32, 1, 0, 0, 0, 0, network >> 8, network], 6);
  source.set([host >> 8, host], 20);
  return source;
};

function bucket(): SharedBucket {
  const random = new Random(1);
  return new SharedBucket([PER_SECOND, MOST], (into) => {
    for (let at = 0; at < into.length; at++) into[at] = random.next() * 256;
  });
}

/** How many of them are taken at a time. */
const taken = (from: SharedBucket, sources: readonly Uint8Array[], now = 0): number =>
  sources.filter((source) => from.take(source, instant(now))).length;
const repeated = (count: number, source: (at: number) => Uint8Array): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => source(at));

describe("a bucket with parts for networks", () => {
  it("gives a single network half of all, and its part", () => {
    const one = bucket();
    assert.equal(
      taken(
        one,
        repeated(10_000, () => ipv4(1)),
      ),
      MOST / 2 + 10,
    );
    assert.equal(
      taken(
        one,
        repeated(10_000, () => ipv4(1)),
        100,
      ),
      (PER_SECOND / 2 + 20) / 10,
    );
  });

  it("takes ports, and what an IPv6 network gives its hosts, for the same network", () => {
    for (const source of [(at: number) => ipv4(1, at), (at: number) => ipv6(1, at)])
      assert.equal(taken(bucket(), repeated(10_000, source)), MOST / 2 + 10);
  });

  it("gives all together no more than it has", () => {
    const one = bucket();
    assert.equal(
      taken(
        one,
        repeated(100_000, (at) => ipv4(at)),
      ),
      MOST,
    );
    assert.equal(
      taken(
        one,
        repeated(100_000, (at) => ipv6(at, 1)),
        100,
      ),
      PER_SECOND / 10,
    );
  });

  it("has something for others when a few take what they can", () => {
    const one = bucket();
    taken(
      one,
      repeated(50_000, (at) => ipv4(at % 10)),
    );
    const others = taken(
      one,
      repeated(200, (at) => ipv4(1000 + at)),
    );
    assert.ok(others >= 180, `${others} of 200`);
  });

  it("puts networks together with others after a while", () => {
    const one = bucket();
    const unlucky = (now: number): Set<number> => {
      taken(
        one,
        repeated(50_000, (at) => ipv4(at % 25)),
        now,
      );
      return new Set([...Array(200).keys()].filter((at) => !one.take(ipv4(1000 + at), instant(now))));
    };
    const [first, later] = [unlucky(0), unlucky(10_000)];
    assert.ok(first.size > 5 && later.size > 5, `${first.size}, ${later.size}`);
    assert.ok([...first].some((at) => !later.has(at)));
  });
});
