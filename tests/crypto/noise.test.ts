import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NoiseInitiator, NoiseResponder } from "../../src/crypto/noise.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { CACOPHONY } from "./noise-vectors.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString("hex");
const pair = (privateKey: string) => tunnelCrypto(null).keyPair(octets(privateKey));

const keys = {
  primitives: tunnelCrypto(null),
  prologue: octets(CACOPHONY.prologue),
  own: pair(CACOPHONY.initiatorStatic),
  responder: octets(CACOPHONY.responderPublic),
  presharedKey: octets(CACOPHONY.presharedKey),
};
const begin = () => {
  const ephemeral = pair(CACOPHONY.initiatorEphemeral);
  const begun = NoiseInitiator.begin(keys, ephemeral, octets(CACOPHONY.first.payload));
  assert.ok(begun);
  return begun;
};
const read = (message: Uint8Array) =>
  NoiseResponder.read(tunnelCrypto(null), keys.prologue, pair(CACOPHONY.responderStatic), message);
const answer = (presharedKey = keys.presharedKey) => {
  const payload = octets(CACOPHONY.second.payload);
  const done = read(begin().message)?.finish(pair(CACOPHONY.responderEphemeral), presharedKey, payload);
  assert.ok(done);
  return done;
};

describe("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", () => {
  it("writes and reads the published messages", () => {
    const initiator = begin();
    assert.equal(hex(initiator.message), CACOPHONY.first.message);
    const responder = read(initiator.message);
    assert.equal(hex(responder?.initiator), hex(keys.own.publicKey));
    assert.equal(hex(responder?.payload), CACOPHONY.first.payload);
    const second = answer();
    assert.equal(hex(second.message), CACOPHONY.second.message);
    const end = initiator.finish(second.message);
    assert.equal(hex(end?.payload), CACOPHONY.second.payload);
    assert.deepEqual(end?.keys, second.keys);
  });

  it("gives the keys of the published transport messages", () => {
    const { fromInitiator, fromResponder } = answer().keys;
    CACOPHONY.transport.forEach(({ payload, message }, at) => {
      const nonce = Uint8Array.of(0, 0, 0, 0, at >> 1, 0, 0, 0, 0, 0, 0, 0);
      const key = at % 2 === 0 ? fromInitiator : fromResponder;
      const sealed = tunnelCrypto(null).sealOnce(key, nonce, new Uint8Array(), octets(payload));
      assert.equal(hex(sealed), message);
    });
  });

  it("reads no first message with an octet changed or missing", () => {
    const { message } = begin();
    for (let at = 0; at < message.length; at++) {
      const forged = message.slice();
      forged[at] = (forged[at] ?? 0) ^ 0x01;
      assert.equal(read(forged), null, `octet ${at}`);
      assert.equal(read(message.subarray(0, at)), null, `${at} octets`);
    }
  });

  it("reads the right second message after forged ones", () => {
    const initiator = begin();
    const { message } = answer();
    for (let at = 0; at < message.length; at++) {
      const forged = message.slice();
      forged[at] = (forged[at] ?? 0) ^ 0x80;
      // The ephemeral key's highest bit is no part of it (RFC 7748 §5), but it is part of what is hashed.
      assert.equal(initiator.finish(forged), null, `octet ${at}`);
      assert.equal(initiator.finish(message.subarray(0, at)), null, `${at} octets`);
    }
    assert.ok(initiator.finish(message));
  });

  it("ends with another preshared key in nothing", () => {
    assert.equal(begin().finish(answer(new Uint8Array(32)).message), null);
  });

  it("agrees on nothing with keys of small order", () => {
    for (const point of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
      assert.equal(NoiseInitiator.begin({ ...keys, responder: point }, keys.own, new Uint8Array()), null);
      const message = begin().message.slice();
      message.set(point);
      assert.equal(read(message), null);
    }
  });
});
