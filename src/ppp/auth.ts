import type { AuthMachine } from "./auth-machine.ts";
import { ChallengeMint } from "./challenge-mint.ts";
import { ChapAuthenticatee, ChapAuthenticator, ChapMd5, type ChapMethod } from "./chap.ts";
import { MsChapV2 } from "./mschapv2.ts";
import { PapAuthenticatee, PapAuthenticator } from "./pap.ts";
import { findSecret, ownName } from "./secrets.ts";
import type { AuthProtocol, AuthSettings, PppCrypto } from "./settings.ts";

/**
 * The peer proves itself to us.
 * @param mint shared with those who prove us to the same peer, so that it cannot send our challenges back
 */
export function makeAuthenticator(
  protocol: AuthProtocol,
  settings: AuthSettings,
  primitives: PppCrypto,
  mint: ChallengeMint = new ChallengeMint(primitives),
): AuthMachine {
  if (protocol === "pap") return new PapAuthenticator(settings, primitives);
  return new ChapAuthenticator(chapMethod(protocol, primitives), settings, primitives, mint);
}

/** We prove ourselves. @param mint as with {@link makeAuthenticator} */
export function makeAuthenticatee(
  protocol: AuthProtocol,
  settings: AuthSettings,
  primitives: PppCrypto,
  mint: ChallengeMint = new ChallengeMint(primitives),
): AuthMachine {
  if (protocol === "pap") return new PapAuthenticatee(settings, primitives);
  return new ChapAuthenticatee(chapMethod(protocol, primitives), settings, mint);
}

/** Whether we may prove ourselves by a protocol and have a secret that could serve. Which one CHAP takes, the peer's name decides. */
export function canAuthenticate(protocol: AuthProtocol, settings: AuthSettings): boolean {
  if (settings.refuse.includes(protocol)) return false;
  if (settings.password !== null) return true;
  const secrets = protocol === "pap" ? settings.papSecrets : settings.chapSecrets;
  return findSecret(secrets, ownName(settings), settings.remoteName) !== null;
}

function chapMethod(protocol: "chap-md5" | "mschapv2", primitives: PppCrypto): ChapMethod {
  return protocol === "chap-md5" ? new ChapMd5(primitives) : new MsChapV2(primitives);
}
