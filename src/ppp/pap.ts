import type { Instant } from "../time.ts";
import { PPP_PAP } from "../wire/ppp-packet.ts";
import {
  AuthExchange,
  type AuthPacket,
  authPacket,
  counted,
  disbelief,
  judgedEntry,
  proofId,
  readCounted,
  refusal,
} from "./auth-exchange.ts";
import type { Verdict } from "./proof.ts";
import { findSecret, ownName } from "./secrets.ts";
import type { AuthSettings, PppCrypto } from "./settings.ts";
import { isPlainText, printable, utf8Octets, utf8Text } from "./text.ts";

/** RFC 1334, section 2.2. */
const REQUEST = 1;
const ACK = 2;
const NAK = 3;

/** What nobody can log in with: pppd takes it as "ask the system", which is not done here. */
const SYSTEM_LOGIN = "@login";

/** The peer proves itself by its name and password in the clear (RFC 1334, section 2). */
export class PapAuthenticator extends AuthExchange {
  readonly protocol: number = PPP_PAP;
  readonly #settings: AuthSettings;
  readonly #primitives: PppCrypto;
  /** Of the last request. */
  #id = 0;

  constructor(settings: AuthSettings, primitives: PppCrypto) {
    super(settings.timeoutMs);
    this.#settings = settings;
    this.#primitives = primitives;
  }

  /** The peer begins. */
  protected begin(): void {}
  protected again(): void {}

  protected take({ code, id, data }: AuthPacket): boolean {
    if (code !== REQUEST) return false;
    const peer = readCounted(data, 0);
    const password = peer && readCounted(data, 1 + peer.length);
    if (!peer || !password) return false;
    this.#id = id;
    // What is being judged is the first request, whatever a repeated one says.
    if (this.isJudged) return true;
    if (this.outcome === "pending") this.#decide(utf8Text(peer), password);
    // A repeated request means that the answer was lost: it is the same again, whatever the request says now.
    if (this.outcome !== "pending") this.#answer();
    return true;
  }

  #answer(): void {
    const good = this.outcome === "passed";
    const message = counted(utf8Octets(good ? "Login ok" : "Login incorrect"));
    this.send(authPacket(good ? ACK : NAK, this.#id, message));
  }

  #decide(said: string, password: Uint8Array): void {
    const { deferred, remoteName } = this.#settings;
    const name = said === "" && remoteName !== null ? remoteName : said;
    if (!deferred) this.#judge(name, password);
    else if (name === "" || !isPlainText(name)) this.#refuse(name, "");
    else {
      const proof = {
        id: proofId(this.#primitives),
        name,
        method: "pap",
        password: password.slice(),
      } as const;
      this.defer(proof, (verdict) => this.#obey(name, verdict));
    }
  }

  #obey(said: string, verdict: Verdict): void {
    if (verdict.ok) {
      const name = verdict.name ?? said;
      this.pass(name, judgedEntry(name, this.#settings.name, verdict.addresses));
    } else this.#refuse(said, verdict.message);
    this.#answer();
  }

  /** @param why for our own log; "": the proof says it all */
  #refuse(name: string, why: string): void {
    this.fail(disbelief(name, "PAP", why));
  }

  /** As much work for a name that nobody has as for one that somebody has. */
  #judge(name: string, password: Uint8Array): void {
    const { papSecrets, name: server } = this.#settings;
    const entry = findSecret(papSecrets, name, server);
    // Digests are all of one length, so the comparison does not tell the password's.
    const right = this.#primitives.equal(
      this.#primitives.sha1(password),
      this.#primitives.sha1(utf8Octets(entry?.secret ?? SYSTEM_LOGIN)),
    );
    // As in pppd: an entry with the secret "" lets its client in with any password.
    const open = entry?.secret === "";
    const usable = entry !== null && entry.secret !== SYSTEM_LOGIN && name !== "" && isPlainText(name);
    if (usable && (right || open)) this.pass(name, entry);
    else this.#refuse(name, "");
  }
}

/** We prove ourselves by our name and password in the clear. */
export class PapAuthenticatee extends AuthExchange {
  readonly protocol: number = PPP_PAP;
  readonly #settings: AuthSettings;
  readonly #primitives: PppCrypto;
  #id = 0;
  /** Requests sent, all alike but for their Identifiers, which are the last ones up to `#id`. */
  #sent = 0;
  #login: readonly [user: Uint8Array, password: Uint8Array] | null = null;

  constructor(settings: AuthSettings, primitives: PppCrypto) {
    super(settings.timeoutMs);
    this.#settings = settings;
    this.#primitives = primitives;
  }

  protected begin(now: Instant): void {
    const user = ownName(this.#settings);
    const { password, papSecrets, remoteName } = this.#settings;
    const secret = password ?? findSecret(papSecrets, user, remoteName)?.secret;
    if (secret === undefined) return this.fail(`there is no PAP secret for "${printable(user)}"`);
    const login = [utf8Octets(user), utf8Octets(secret)] as const;
    if (login.some((field) => field.length > 255))
      return this.fail("name or password is longer than 255 octets");
    this.#login = [counted(login[0]), counted(login[1])];
    this.#id = this.#primitives.random(1)[0] as number;
    this.#sent = 0;
    this.again(now);
  }

  protected again(now: Instant): void {
    if (this.#login === null) return;
    this.#id = (this.#id + 1) & 0xff;
    this.#sent++;
    this.sendUntilAnswered(authPacket(REQUEST, this.#id, ...this.#login), now);
  }

  protected take({ code, id, data }: AuthPacket): boolean {
    // On a slow line the answer may be to an earlier of the same requests.
    const age = (this.#id - id) & 0xff;
    if ((code !== ACK && code !== NAK) || this.outcome !== "pending" || age >= this.#sent) return false;
    if (code === ACK) this.pass(ownName(this.#settings), null);
    else {
      const message = readCounted(data, 0); // Some leave it out.
      this.fail(refusal("PAP", message === null ? "" : utf8Text(message)));
    }
    return true;
  }
}
