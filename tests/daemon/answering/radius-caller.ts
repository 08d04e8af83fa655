import type { CallInfo } from "../../../src/daemon/answering/authority.ts";
import type { RadiusNas } from "../../../src/daemon/answering/radius.ts";
import { pppCrypto } from "../../../src/host/ppp-crypto.ts";
import { ChapMd5 } from "../../../src/ppp/chap.ts";
import { MsChapV2 } from "../../../src/ppp/mschapv2.ts";
import type { Proof } from "../../../src/ppp/proof.ts";
import type { AuthProtocol } from "../../../src/ppp/settings.ts";
import { utf8Octets } from "../../../src/ppp/text.ts";

export const CALL: CallInfo = { line: "in1", device: "/dev/ttyS1", carrierBps: 28800, callerId: "5551234" };
export const NAS: RadiusNas = { identifier: "terminal-server", address: "192.0.2.9" };

/** Who keeps what is logged. */
export class Log {
  readonly said: { readonly fields: object; readonly message: string }[] = [];

  warn(fields: object, message: string): void {
    this.said.push({ fields, message });
  }
}

/** What a PPP peer with a name and a password would prove itself with. */
export function proofOf(method: AuthProtocol, name: string, password: string): Proof {
  if (method === "pap") return { id: 1, name, method, password: utf8Octets(password) };
  const identifier = 77;
  const challenge = pppCrypto.random(16);
  const question = { id: identifier, challenge, name: utf8Octets(name), secret: password };
  const way = method === "chap-md5" ? new ChapMd5(pppCrypto) : new MsChapV2(pppCrypto);
  return { id: 1, name, method, identifier, challenge, response: way.respond(question) };
}

/** Whether an authenticator's words would satisfy the peer that proved itself so. */
export function satisfies(proof: Proof, password: string, success: string | undefined): boolean {
  if (proof.method !== "mschapv2") return success === undefined;
  const { identifier: id, challenge, response, name } = proof;
  const question = { id, challenge, name: utf8Octets(name), secret: password };
  return new MsChapV2(pppCrypto).believes(question, response, utf8Octets(success ?? ""));
}
