import { readFileSync } from "node:fs";
import type { DialConfig } from "../config/config.ts";
import { readSecretLine } from "../config/secrets-file.ts";
import { type CallSettings, callSecrets, makeCall } from "../dial/call.ts";
import { chatFiles } from "../dial/call-chat.ts";
import { splitChatFile } from "../dial/chat-script.ts";
import type { DialogueEnd, DialogueEvent } from "../dial/dialogue.ts";
import { Transcript } from "../dial/transcript.ts";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { runLineProgram } from "../host/line-program.ts";
import type { Line } from "./line.ts";
import type { Talk } from "./talks.ts";

const COMMAND_WAIT_MS = 10_000;
/** Above the second that modems ask for. */
const GUARD_MS = 1200;
/** Of what is said in a call. */
const LINES_KEPT = 100;

/** Calls the far side of a line, by our own dialogues or by another program, and writes down what was said. */
export class Caller {
  readonly #line: Line;
  readonly #onText: (text: string) => void;
  #transcript = new Transcript([], LINES_KEPT);
  #abort = new AbortController();
  #program: Promise<unknown> = Promise.resolve();

  /** @param onText each line of what is said */
  constructor(line: Line, onText: (text: string) => void) {
    this.#line = line;
    this.#onText = onText;
  }

  /** What was said in this call, or the last one. */
  get lines(): readonly string[] {
    return this.#transcript.lines.map(({ text }) => text);
  }

  /**
   * @param number null: there is none to choose
   * @param onConnected there is a carrier, of so many bits per second if that is known
   * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID: a file that it needs; SYSTEM_CALL_FAILED: a program cannot be started
   */
  async call(
    talk: Talk,
    number: string | null,
    onConnected: (carrierBps: number | null) => void,
  ): Promise<DialogueEnd> {
    const dial = this.#line.config.dial as DialConfig;
    this.#abort = new AbortController();
    if (dial.connect !== null) return this.#runProgram(talk, dial.connect, number, onConnected);
    const settings = settingsOf(dial);
    this.#transcript = new Transcript(callSecrets(settings), LINES_KEPT);
    const end = await talk.run(makeCall(settings, number), (event) => {
      this.#write(event);
      if (event.type === "connected") onConnected(event.carrierBps);
    });
    this.#transcript.handleEnd(end, monotonicNow());
    this.#tell();
    return end;
  }

  /** Ends a program that dials; resolves when it has ended. */
  async abort(): Promise<void> {
    this.#abort.abort();
    await this.#program;
  }

  async #runProgram(
    talk: Talk,
    command: string,
    number: string | null,
    onConnected: (carrierBps: number | null) => void,
  ): Promise<DialogueEnd> {
    const { device, speedBps, name } = this.#line.config;
    this.#transcript = new Transcript([], LINES_KEPT);
    // Its arguments may be secrets.
    this.#write({ type: "note", text: `dialed by ${/^\S*/.exec(command.trim())?.[0]}` });
    const { signal } = this.#abort;
    await talk.hold();
    if (talk.ended !== null) return hungUp(talk.ended);
    // The descriptor is somebody else's by now.
    if (signal.aborted) return hungUp("closed");
    talk.onEnded = () => this.#abort.abort();
    const run = runLineProgram({
      command,
      fd: talk.fd,
      env: {
        PATH: process.env["PATH"],
        DEVICE: device,
        SPEED: String(speedBps),
        IFNAME: name,
        ...(number !== null && { NUMBER: number }),
      },
      // The line's manager has a limit of its own, and aborts then.
      limitMs: null,
      signal,
      onText: (text) => this.#write({ type: "note", text }),
    });
    this.#program = run.catch(() => {});
    const { code } = await run;
    await talk.resume();
    if (talk.ended !== null) return hungUp(talk.ended);
    if (code !== 0) {
      const reason = code === null ? "the dialer could not be started" : `the dialer exited with ${code}`;
      return { ok: false, failure: "command", reason };
    }
    onConnected(null);
    return { ok: true };
  }

  #write(event: DialogueEvent): void {
    this.#transcript.handleEvent(event, monotonicNow());
    this.#tell();
  }

  #tell(): void {
    const transcript = this.#transcript;
    for (let line = transcript.pollLine(); line !== undefined; line = transcript.pollLine()) {
      this.#onText(line.text);
    }
  }
}

const hungUp = (reason: string): DialogueEnd => ({ ok: false, failure: "broken", reason });

/** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID */
function settingsOf({ modem, login, loginWaitMs, script, chatFile }: DialConfig): CallSettings {
  if (chatFile !== null) {
    const words = splitChatFile(readScript(chatFile), chatFile);
    const files = Object.fromEntries(chatFiles(words).map((path) => [path, readScript(path)]));
    return { modem: null, login: null, script: null, chat: { words, files } };
  }
  return {
    modem: modem && { ...modem, commandWaitMs: COMMAND_WAIT_MS, guardMs: GUARD_MS },
    login: login && {
      user: login.user,
      password: login.password ?? (login.passwordFile === null ? "" : readSecretLine(login.passwordFile)),
      loginPrompt: login.loginPrompt,
      passwordPrompt: login.passwordPrompt,
      waitMs: loginWaitMs,
      after: login.command,
      ready: login.ready,
    },
    script,
    chat: null,
  };
}

function readScript(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (cause) {
    const message = `the script ${file} cannot be read: ${(cause as Error).message}`;
    throw new EqlError("CONFIG_UNREADABLE", message, { details: { file }, cause });
  }
}
