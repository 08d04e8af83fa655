import { readFileSync } from "node:fs";
import { ChatDialogue } from "../dial/chat-dialogue.ts";
import type { ChatEnd } from "../dial/chat-events.ts";
import { type ChatStep, parseChat, splitChatFile, timeoutSeconds } from "../dial/chat-script.ts";
import type { ChatWords } from "../dial/chat-text.ts";
import { EqlError } from "../errors.ts";
import { ChatLine } from "./chat-line.ts";
import { type ChatOptions, parseChatOptions, toLatin1 } from "./chat-options.ts";
import { ChatRun } from "./chat-run.ts";
import { ChatView } from "./chat-view.ts";

/** What chat(8) exits with; an ABORT string has its number added to the last. */
const EXIT = { done: 0, unfit: 1, broken: 2, timeout: 3, aborted: 4 } as const;
/** What chat(8) pauses before each octet that it sends. */
const TYPING_MS = 10;
const USAGE = `usage: eql chat [-eEsSvV] [-t SECONDS] [-r REPORT-FILE] [-T PHONE] [-U PHONE2] {-f FILE | SCRIPT...}
`;

/**
 * The command `eql chat`: the command line of chat(8), on the line that is standard input and output.
 * @param args what follows the command's name
 * @returns the exit code of chat(8)
 */
export async function chat(args: readonly string[]): Promise<number> {
  try {
    const options = parseChatOptions(args);
    const words: ChatWords = {
      phone: options.phone,
      phone2: options.phone2,
      variable: options.variables ? (name) => toLatin1(process.env[name] ?? "") : null,
    };
    return exitCode(await speak(options, words, loadScript(options, words)));
  } catch (error) {
    if (!(error instanceof EqlError)) throw error;
    process.stderr.write(`eql chat: ${error.message}\n`);
    if (error.code === "REQUEST_INVALID") process.stderr.write(USAGE);
    return EXIT.unfit;
  }
}

/** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID */
function loadScript({ words, file }: ChatOptions, context: ChatWords): ChatStep[] {
  if (file === null) return parseChat(words ?? [], context);
  let source: string;
  try {
    source = readFileSync(file, "latin1");
  } catch (cause) {
    const message = `the script ${file} cannot be read: ${(cause as Error).message}`;
    throw new EqlError("CONFIG_UNREADABLE", message, { details: { file }, cause });
  }
  return parseChat(splitChatFile(source, file), context);
}

async function speak(options: ChatOptions, words: ChatWords, steps: readonly ChatStep[]): Promise<ChatEnd> {
  const { echo, timeout } = options;
  const settings = { steps, echo, timeoutSeconds: timeoutSeconds(timeout), typingMs: TYPING_MS };
  const view = new ChatView(options);
  const line = new ChatLine();
  try {
    return await new ChatRun(new ChatDialogue(settings), words, line, view).run();
  } finally {
    line.close();
    view.close();
  }
}

function exitCode(end: ChatEnd): number {
  return end.type === "aborted" ? Math.min(EXIT.aborted + end.index, 255) : EXIT[end.type];
}
