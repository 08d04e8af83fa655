import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  fitsPacket,
  hidePassword,
  readReply,
  vendorAttribute,
  vendorValues,
  writeAccessRequest,
  writeAccountingRequest,
} from "../../../src/daemon/answering/radius-packet.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const SECRET = Buffer.from("xyzzy5461");

/** RFC 2865, section 7.1: user nemo with password arctangent. */
const NEMO = {
  code: 1,
  octets: hex(`01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d
    93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03`),
};
const NEMO_REPLY =
  hex(`02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00
  00 00 0e 06 c0 a8 01 03`);

/** RFC 2865, section 7.2: user flopsy by CHAP. */
const FLOPSY = {
  code: 1,
  octets: hex(`01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9
    75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75 04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00 02 07 06 00
    00 00 01`),
};
const FLOPSY_REPLY =
  hex(`02 01 00 38 15 ef bc 7d ab 26 cf a3 dc 34 d9 c0 3c 86 01 a4 06 06 00 00 00 02 07 06 00 00
  00 01 08 06 ff ff ff fe 0a 06 00 00 00 02 0d 06 00 00 00 01 0c 06 00 00 05 dc`);

const authenticator = (octets: Uint8Array): Buffer => Buffer.from(octets.subarray(4, 20));
const md5 = (...parts: Uint8Array[]): Buffer => createHash("md5").update(Buffer.concat(parts)).digest();

/** A reply as a server makes it; signed, unless it is not to be. */
function reply(request: Buffer, code: number, attributes: Buffer, signed = true, secret = SECRET): Buffer {
  const signature = signed ? Buffer.concat([Buffer.of(80, 18), Buffer.alloc(16)]) : Buffer.alloc(0);
  const octets = Buffer.concat([
    Buffer.of(code, request[1] as number, 0, 0),
    authenticator(request),
    signature,
    attributes,
  ]);
  octets.writeUInt16BE(octets.length, 2);
  if (signed) octets.set(createHmac("md5", secret).update(octets).digest(), 22);
  octets.set(md5(octets, secret), 4);
  return octets;
}

const request = writeAccessRequest(7, new Uint8Array(16).fill(9), [], SECRET);

describe("a RADIUS packet", () => {
  it("hides a password as the RFC's example does", () => {
    const hidden = hidePassword(Buffer.from("arctangent"), authenticator(NEMO.octets), SECRET);
    assert.deepEqual(Buffer.from(hidden ?? []), NEMO.octets.subarray(28, 44));
  });

  it("hides passwords of any length up to 128 octets, so that who knows the secret finds them", () => {
    const password = fc.uint8Array({ maxLength: 128 }).filter((octets) => octets.at(-1) !== 0);
    fc.assert(
      fc.property(password, fc.uint8Array({ minLength: 16, maxLength: 16 }), (plain, nonce) => {
        const hidden = Buffer.from(hidePassword(plain, nonce, SECRET) as Uint8Array);
        assert.equal(hidden.length % 16, 0);
        const blocks: Buffer[] = [];
        for (let at = 0; at < hidden.length; at += 16) {
          const mask = md5(SECRET, at === 0 ? nonce : hidden.subarray(at - 16, at));
          blocks.push(
            Buffer.from(hidden.subarray(at, at + 16).map((octet, n) => octet ^ (mask[n] as number))),
          );
        }
        assert.deepEqual(Buffer.concat(blocks).subarray(0, plain.length), Buffer.from(plain));
        assert.ok(
          Buffer.concat(blocks)
            .subarray(plain.length)
            .every((octet) => octet === 0),
        );
      }),
    );
    assert.equal(hidePassword(new Uint8Array(129), new Uint8Array(16), SECRET), null);
  });

  it("reads the replies of the RFC's examples, where no signature is demanded", () => {
    for (const [asked, answer, count] of [
      [NEMO, NEMO_REPLY, 3],
      [FLOPSY, FLOPSY_REPLY, 6],
    ] as const) {
      const read = readReply(answer, asked, SECRET, false);
      assert.ok(typeof read !== "string", `${typeof read === "string" && read}`);
      assert.equal(read.code, 2);
      assert.equal(read.attributes.length, count);
      assert.match(readReply(answer, asked, SECRET, true) as string, /no Message-Authenticator/);
      assert.match(readReply(answer, asked, Buffer.from("xyzzy5462"), false) as string, /secret/);
    }
  });

  it("is signed first of all when it asks for access", () => {
    const { octets } = writeAccessRequest(
      3,
      new Uint8Array(16).fill(1),
      [{ type: 1, value: Buffer.from("joe") }],
      SECRET,
    );
    assert.equal(octets.readUInt16BE(2), octets.length);
    assert.deepEqual([...octets.subarray(20, 22)], [80, 18]);
    const unsigned = Buffer.from(octets);
    unsigned.fill(0, 22, 38);
    assert.deepEqual(octets.subarray(22, 38), createHmac("md5", SECRET).update(unsigned).digest());
    assert.equal(octets.subarray(38).toString("latin1"), "\u0001\u0005joe");
  });

  it("is signed by its authenticator when it accounts", () => {
    const { octets } = writeAccountingRequest(3, [{ type: 40, value: Buffer.of(0, 0, 0, 1) }], SECRET);
    const unsigned = Buffer.from(octets);
    unsigned.fill(0, 4, 20);
    assert.deepEqual(authenticator(octets), md5(unsigned, SECRET));
    const answer = reply(octets, 5, Buffer.alloc(0), false);
    assert.ok(typeof readReply(answer, { code: 4, octets }, SECRET, true) !== "string");
  });

  it("has room for 4096 octets, and values of 253", () => {
    const of = (length: number, count: number) =>
      Array.from({ length: count }, () => ({ type: 25, value: new Uint8Array(length) }));
    assert.ok(fitsPacket(of(253, 15)));
    assert.ok(!fitsPacket(of(253, 16)));
    assert.ok(!fitsPacket(of(254, 1)));
  });

  it("is believed when it is signed, also with padding behind it", () => {
    const answer = reply(request.octets, 2, Buffer.of(27, 6, 0, 0, 0, 60));
    const read = readReply(Buffer.concat([answer, Buffer.from("padding")]), request, SECRET, true);
    assert.ok(typeof read !== "string", `${typeof read === "string" && read}`);
    assert.deepEqual([...(read.attributes[1]?.value ?? [])], [0, 0, 0, 60]);
  });

  it("is not believed once any octet of it is another", () => {
    const answer = reply(request.octets, 3, Buffer.of(18, 4, 0x6e, 0x6f));
    fc.assert(
      fc.property(fc.nat(answer.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(answer);
        changed[at] = (changed[at] as number) ^ change;
        assert.equal(typeof readReply(changed, request, SECRET, true), "string");
        assert.equal(typeof readReply(changed, request, SECRET, false), "string");
      }),
    );
  });

  it("is not believed when only one of its two signatures is right", () => {
    const badly = reply(request.octets, 2, Buffer.alloc(0));
    badly[30] = (badly[30] as number) ^ 1;
    badly.set(authenticator(request.octets), 4);
    badly.set(md5(badly, SECRET), 4);
    assert.match(readReply(badly, request, SECRET, false) as string, /Message-Authenticator is wrong/);
    const short = reply(request.octets, 2, Buffer.of(80, 3, 1), false);
    assert.match(readReply(short, request, SECRET, false) as string, /Message-Authenticator is wrong/);
  });

  it("is not believed when it answers what was not asked", () => {
    assert.equal(
      typeof readReply(reply(request.octets, 5, Buffer.alloc(0)), request, SECRET, true),
      "string",
    );
    const other = Buffer.from(request.octets);
    other[1] = 8;
    assert.equal(typeof readReply(reply(other, 2, Buffer.alloc(0)), request, SECRET, true), "string");
  });

  it("has attributes that end where it does", () => {
    for (const attributes of [[1], [1, 0], [1, 1], [1, 3], [1, 2, 9, 255]]) {
      const answer = reply(request.octets, 2, Buffer.from(attributes));
      assert.equal(readReply(answer, request, SECRET, true), "its attributes are malformed");
    }
  });

  it("may be anything, and is no error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        assert.equal(typeof readReply(octets, request, SECRET, false), "string");
      }),
    );
  });

  it("has vendors' attributes within others", () => {
    const octets = Uint8Array.of(1, 2, 3);
    const attributes = [
      vendorAttribute(9, 26, Uint8Array.of(9)),
      { type: 26, value: Uint8Array.of(0, 0, 1) },
      { type: 26, value: Uint8Array.of(0, 0, 1, 0x37, 26, 9, 1) },
      vendorAttribute(311, 25, Uint8Array.of(8)),
      vendorAttribute(311, 26, octets),
    ];
    assert.deepEqual(
      vendorValues(attributes, 311, 26).map((value) => [...value]),
      [[1, 2, 3]],
    );
  });
});
