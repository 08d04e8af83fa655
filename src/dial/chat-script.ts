import { EqlError } from "../errors.ts";
import { type ChatWords, readExpect, readSend, type SendText, visible } from "./chat-text.ts";

export interface ChatSendText extends SendText {
  readonly type: "text";
  /** For people: a secret is masked. */
  readonly shown: string;
}

/** What to send: a string, or what a file has when its turn comes (`@FILE`). */
export type ChatSend = ChatSendText | { readonly type: "file"; readonly path: string };

/** One try of an expect: what to look for, and what to send before the next try when it does not come. */
export interface ChatTry {
  readonly pattern: Uint8Array;
  /** The pattern for people. */
  readonly shown: string;
  /** null: there is nothing else to try. */
  readonly otherwise: ChatSend | null;
}

/** What a step changes without waiting for anything. */
export type ChatSetting =
  | {
      readonly type: "abort" | "clearAbort" | "report" | "clearReport";
      readonly pattern: Uint8Array;
      readonly shown: string;
    }
  | { readonly type: "timeout"; readonly seconds: number }
  | { readonly type: "echo" | "hangup"; readonly on: boolean }
  | { readonly type: "say"; readonly text: string };

export type ChatStep =
  | { readonly type: "expect"; readonly tries: readonly ChatTry[] }
  | { readonly type: "send"; readonly send: ChatSend }
  | ChatSetting;

/** Stands in logs for what is secret. */
const MASK = "??????";

/** What an expect waits, unless TIMEOUT or `-t` says something else. */
const DEFAULT_TIMEOUT_S = 45;

/**
 * The words of a script in a file (chat(8)): white space separates them, quotes around a whole word protect it, and a line
 * that starts with `#` is a comment.
 * @param source latin1
 * @throws EqlError CONFIG_INVALID: a quote that does not end on its line
 */
export function splitChatFile(source: string, file: string): string[] {
  return source
    .split("\n")
    .flatMap((line, index) => (line.startsWith("#") ? [] : splitLine(line, file, index + 1)));
}

function splitLine(line: string, file: string, number: number): string[] {
  const words: string[] = [];
  const word = /[ \t]*(?:(["'])((?:\\[^]|(?!\1)[^\\])*)(\1)|(["'])|([^ \t]+))/y;
  for (let match = word.exec(line); match !== null; match = word.exec(line)) {
    const [, , quoted, , open, plain] = match;
    if (open !== undefined) {
      const message = `${file}:${number}: a quote (${open}) begins that does not end on its line`;
      throw new EqlError("CONFIG_INVALID", message, { details: { file, line: number } });
    }
    words.push(quoted ?? plain ?? "");
  }
  return words;
}

/**
 * A script from its words, which take turns: one to expect, one to send. A keyword stands where a string to expect would,
 * and its value where one to send would.
 */
export function parseChat(words: readonly string[], context: ChatWords): ChatStep[] {
  const steps: ChatStep[] = [];
  for (let i = 0; i < words.length; i += 2) {
    const expected = words[i] as string;
    const sent = words[i + 1];
    const keyword = Object.hasOwn(KEYWORDS, expected) ? KEYWORDS[expected] : undefined;
    if (keyword !== undefined) {
      if (sent !== undefined) steps.push(keyword(sent, context));
      continue;
    }
    steps.push({ type: "expect", tries: readTries(expected, context) });
    if (sent !== undefined) steps.push({ type: "send", send: parseSend(sent, context) });
  }
  return steps;
}

const KEYWORDS: Readonly<Record<string, (value: string, context: ChatWords) => ChatSetting>> = {
  ABORT: (value, context) => watching("abort", value, context),
  CLR_ABORT: (value, context) => watching("clearAbort", value, context),
  REPORT: (value, context) => watching("report", value, context),
  CLR_REPORT: (value, context) => watching("clearReport", value, context),
  TIMEOUT: (value) => ({ type: "timeout", seconds: timeoutSeconds(value) }),
  ECHO: (value) => ({ type: "echo", on: value === "ON" }),
  HANGUP: (value) => ({ type: "hangup", on: value !== "OFF" }),
  SAY: (value, context) => ({ type: "say", text: asText(readExpect(value.replace(/\\c$/, ""), context)) }),
};

function watching(
  type: "abort" | "clearAbort" | "report" | "clearReport",
  value: string,
  context: ChatWords,
): ChatSetting {
  const pattern = readExpect(value, context);
  return { type, pattern, shown: visible(asText(pattern)) };
}

/** What a TIMEOUT comes to: what begins with no number above 0 is the default. */
export function timeoutSeconds(value: string): number {
  const seconds = Number.parseInt(value, 10);
  return seconds > 0 ? seconds : DEFAULT_TIMEOUT_S;
}

/** `ogin:--ogin:`: strings to expect and to send take turns, a dash between them. */
function readTries(text: string, context: ChatWords): ChatTry[] {
  const strings = splitAtDashes(text);
  const tries: ChatTry[] = [];
  for (let i = 0; i < strings.length; i += 2) {
    const pattern = readExpect(strings[i] as string, context);
    const reply = strings[i + 1];
    const otherwise = reply === undefined ? null : parseSend(reply, context);
    tries.push({ pattern, shown: visible(asText(pattern)), otherwise });
  }
  return tries;
}

/** A dash after a backslash does not part. */
function splitAtDashes(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "-") {
      parts.push(part);
      part = "";
    } else if (text[i] === "\\") {
      part += text.slice(i, i + 2);
      i += 1;
    } else part += text.charAt(i);
  }
  return [...parts, part];
}

function parseSend(text: string, context: ChatWords): ChatSend {
  if (text.startsWith("@")) return { type: "file", path: text.slice(1) };
  if (text === "EOT") return sendText("^D\\c", context);
  if (text === "BREAK") return sendText("\\K\\c", context);
  return sendText(text, context);
}

function sendText(text: string, context: ChatWords): ChatSendText {
  const send = readSend(text, context);
  const shown = send.secret ? MASK : `${visible(text.replace(/\\c$/, ""))}${send.returned ? "^M" : ""}`;
  return { type: "text", shown, ...send };
}

/** What a file has to send: its octets (latin1) are a string of a script, without the last newline, and never shown. */
export function parseSendFile(contents: string, context: ChatWords): ChatSendText {
  const send = readSend(contents.replace(/\n$/, ""), context);
  return { type: "text", shown: MASK, ...send, secret: true };
}

const asText = (octets: Uint8Array): string =>
  Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
