import type { AnswerConfig } from "../../config/answer-keys.ts";
import type { AnswerSettings } from "../../dial/answer-dialogue.ts";
import type { Place } from "./callers.ts";

const COMMAND_WAIT_MS = 5000;
const CARRIER_PAUSE_MS = 1000;
const FIRST_REFUSAL_MS = 2000;

/** How a station talks with whoever calls. */
export const dialogueSettings = (answer: AnswerConfig): AnswerSettings => ({
  modem: answer.modem && { ...answer.modem, commandWaitMs: COMMAND_WAIT_MS },
  waitsForPeer: answer.waitsForCaller,
  login: answer.login && { ...answer.login, refusalMs: FIRST_REFUSAL_MS },
  ppp: answer.ppp,
  pauseMs: CARRIER_PAUSE_MS,
  loginLimitMs: answer.loginWaitMs,
});

/** What is said to who was let in. @param template with `$` and words to be filled in; others stay */
export function welcome(template: string, { caller, grant }: Place): string {
  const words: ReadonlyMap<string, string> = new Map([
    ["protocol", grant.protocol === "any" ? "IP" : grant.protocol.toUpperCase()],
    ["local", caller.local],
    ["remote", caller.address],
    ["mtu", String(caller.mtu)],
    ["user", caller.user],
  ]);
  return template.replace(/\$([a-z]+)/g, (found, word: string) => words.get(word) ?? found);
}
