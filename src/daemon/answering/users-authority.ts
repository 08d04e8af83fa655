import { readUsers, type UserAccount } from "../../config/users-file.ts";
import { verifyPassword } from "../../host/password.ts";
import { pppCrypto } from "../../host/ppp-crypto.ts";
import { ChapMd5, type ChapMethod } from "../../ppp/chap.ts";
import { MsChapV2 } from "../../ppp/mschapv2.ts";
import type { Proof } from "../../ppp/proof.ts";
import { utf8Octets, utf8Text } from "../../ppp/text.ts";
import type { Authority, Grant, Refusal } from "./authority.ts";

const METHODS: Readonly<Record<"chap-md5" | "mschapv2", ChapMethod>> = {
  "chap-md5": new ChapMd5(pppCrypto),
  mschapv2: new MsChapV2(pppCrypto),
};
/** `S=` and 40 digits. */
const SUCCESS_LENGTH = 42;
const WRONG: Refusal = { ok: false, message: "wrong name or password" };

/** The users' file says who may call; it is read for each call, so that its changes hold at once. */
export class UsersAuthority implements Authority {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID */
  async login(user: string, password: string): Promise<Grant | Refusal> {
    const account = readUsers(this.#file).get(user) ?? null;
    return (await knows(account, utf8Octets(password))) ? grantOf(account) : WRONG;
  }

  /** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID */
  async prove(proof: Proof): Promise<Grant | Refusal> {
    const account = readUsers(this.#file).get(proof.name) ?? null;
    if (proof.method === "pap") return (await knows(account, proof.password)) ? pppGrantOf(account) : WRONG;
    const { identifier: id, challenge, response } = proof;
    const question = { id, challenge, name: utf8Octets(proof.name), secret: account?.secret ?? "nobody" };
    const success = METHODS[proof.method].check(question, response);
    if (account !== null && account.secret === null) {
      return {
        ok: false,
        message: "the account has no secret, which CHAP needs: `eql user add NAME --chap`",
      };
    }
    if (account === null || success === null) return WRONG;
    const grant = pppGrantOf(account);
    return proof.method === "mschapv2" && grant.ok
      ? { ...grant, success: utf8Text(success).slice(0, SUCCESS_LENGTH) }
      : grant;
  }
}

/** Takes as long for somebody who is not there. */
async function knows(account: UserAccount | null, password: Uint8Array): Promise<boolean> {
  const isHash = await verifyPassword(password, account?.password ?? null);
  if (account === null || account.password !== null) return isHash;
  return pppCrypto.equal(utf8Octets(account.secret ?? ""), password) && password.length > 0;
}

/** Only who knows the password hears, by how long it takes, what the account is for. */
const pppGrantOf = (account: UserAccount | null): Grant | Refusal =>
  account?.protocol === "slip" ? { ok: false, message: "the account is for SLIP" } : grantOf(account);

function grantOf(account: UserAccount | null): Grant | Refusal {
  if (account === null) return WRONG;
  const { name: user, protocol, address, pool, routes, maxLines, idleMs, sessionMs, mtu } = account;
  return { ok: true, user, protocol, address, pool, routes, maxLines, idleMs, sessionMs, mtu };
}
