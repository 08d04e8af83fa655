import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant } from "../../src/time.ts";
import { ipv6, NetworkEnd, NetworkPair } from "./network-pair.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const A = "020000fffe00000a";
const B = "020000fffe00000b";

/** Events in one line each. */
const told = (end: NetworkEnd): string[] =>
  end.events.map((event) => {
    if (event.type === "failed") return `failed: ${event.reason}`;
    if (event.type === "down") return "down";
    return `up ${Buffer.from(event.local).toString("hex")} ${Buffer.from(event.remote).toString("hex")}`;
  });

/** What an end asks for first. */
function wishOf(end: NetworkEnd): string {
  end.layer.lowerUp(instant(0));
  const [request = ""] = end.drain();
  assert.equal(request.slice(0, 16), "80570101000e010a");
  return request.slice(16);
}

describe("IPV6CP (RFC 5072)", () => {
  it("agrees on random identifiers that do not claim to be universal", () => {
    const pair = new NetworkPair(new NetworkEnd(ipv6({})), new NetworkEnd(ipv6({}))).up();
    const [a, b] = [told(pair.a), told(pair.b)];
    assert.match(a.join(), /^up [0-9a-f]{16} [0-9a-f]{16}$/);
    const [, local = "", remote = ""] = (a[0] ?? "").split(" ");
    assert.deepEqual(b, [`up ${remote} ${local}`]);
    assert.notEqual(local, remote);
    for (const id of [local, remote]) assert.equal(Number.parseInt(id.slice(0, 2), 16) & 2, 0);
    assert.ok(pair.a.layer.ip6Open && !pair.a.layer.ip4Open);
  });

  it("has configured identifiers, and asks the peer to take its own", () => {
    const a = new NetworkEnd(ipv6({ local: octets(A), remote: octets(B) }));
    const pair = new NetworkPair(a, new NetworkEnd(ipv6({}))).up();
    assert.deepEqual(told(pair.a), [`up ${A} ${B}`]);
    assert.deepEqual(told(pair.b), [`up ${B} ${A}`]);
  });

  it("comes to two identifiers when both begin with one", () => {
    const pair = new NetworkPair(new NetworkEnd(ipv6({ local: octets(A) })), new NetworkEnd(ipv6({})));
    pair.b.layer.lowerUp(instant(0));
    pair.b.drain();
    // The other's first wish is lost and replaced by a collision.
    pair.line = (packet) => (packet.startsWith("80570101") ? [`80570101000e010a${A}`] : [packet]);
    pair.a.layer.lowerUp(instant(0));
    pair.drain();
    pair.runUntil(60_000);
    const [event] = pair.b.events;
    assert.ok(event?.type === "up");
    assert.deepEqual(told(pair.a), [`up ${A} ${Buffer.from(event.local).toString("hex")}`]);
    assert.notEqual(Buffer.from(event.local).toString("hex"), A);
  });

  it("Naks zeros and its own identifier by another", () => {
    const end = new NetworkEnd(ipv6({}));
    const ours = wishOf(end);
    for (const wish of ["0000000000000000", ours]) {
      end.take(`80570102000e010a${wish}`);
      const [nak = ""] = end.drain();
      assert.equal(nak.slice(0, 16), "80570302000e010a");
      assert.notEqual(nak.slice(16), ours);
      assert.notEqual(nak.slice(16), "0000000000000000");
    }
  });

  it("takes the identifier of a Nak, but not the one that it has just told", () => {
    const end = new NetworkEnd(ipv6({}));
    const ours = wishOf(end);
    end.take(`80570301000e010a${A}`);
    assert.deepEqual(end.drain(), [`80570102000e010a${A}`]);
    end.take(`80570109000e010a${A}`);
    const told = (end.drain()[0] ?? "").slice(16);
    end.take(`80570302000e010a${told}`);
    const [again = ""] = end.drain();
    assert.equal(again.slice(0, 16), "80570103000e010a");
    assert.ok(![told, ours, A].includes(again.slice(16)));
  });

  it("fails in words when both ends insist on one identifier, or on another for the peer", () => {
    const both = new NetworkPair(
      new NetworkEnd(ipv6({ local: octets(A) })),
      new NetworkEnd(ipv6({ local: octets(A) })),
    ).up();
    for (const end of [both.a, both.b]) {
      assert.deepEqual(told(end), ["failed: both ends have the interface identifier 0200:00ff:fe00:000a"]);
    }
    const other = new NetworkPair(
      new NetworkEnd(ipv6({ remote: octets(B) })),
      new NetworkEnd(ipv6({ local: octets(A) })),
    ).up();
    assert.deepEqual(told(other.a), [
      "failed: the peer insists on the interface identifier 0200:00ff:fe00:000a instead of 0200:00ff:fe00:000b",
    ]);
  });

  it("rejects compression, and asks once for an identifier that is missing", () => {
    const end = new NetworkEnd(ipv6({ remote: octets(B) }));
    wishOf(end);
    end.take(`8057 01010012 0204004f 010a${A}`);
    assert.deepEqual(end.drain(), ["8057040100080204004f"]);
    end.take("8057 01020004");
    assert.deepEqual(end.drain(), [`80570302000e010a${B}`]);
    end.take("8057 01030004");
    assert.deepEqual(end.drain(), ["805702030004"]);
  });
});
