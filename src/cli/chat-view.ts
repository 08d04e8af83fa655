import { appendFileSync, writeSync } from "node:fs";
import type { ChatEvent } from "../dial/chat-events.ts";
import { visible } from "../dial/chat-text.ts";
import { Syslog } from "../host/syslog.ts";
import type { ChatOptions } from "./chat-options.ts";

const STDERR = 2;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** Shows and logs what a dialogue tells, where chat(8) does. Standard output is the line, so nothing goes there. */
export class ChatView {
  readonly #options: ChatOptions;
  #syslog: Syslog | null = null;
  /** What was received of a line that is not yet complete. */
  #line = "";
  /** Whether the last that was echoed did not end a line. */
  #open = false;

  constructor(options: ChatOptions) {
    this.#options = options;
  }

  show(event: ChatEvent): void {
    switch (event.type) {
      case "received":
        if (this.#options.shows || event.echo) this.#echo(event.text);
        if (this.#options.verbose) this.#received(event.text);
        break;
      case "log":
        if (this.#options.verbose) this.#entry("info", event.text);
        break;
      case "error":
        this.#entry("error", event.text);
        break;
      case "say":
        toStderr(event.text);
        break;
      case "report":
        this.#report(event.text);
    }
  }

  close(): void {
    this.#flush();
    if (this.#open) toStderr("\n");
  }

  #received(text: string): void {
    for (const part of text.split(/(?<=\n)/)) {
      this.#line += visible(part.replace("\n", ""));
      if (part.endsWith("\n")) this.#flush();
    }
  }

  #flush(): void {
    if (this.#line !== "") this.#write("info", this.#line);
    this.#line = "";
  }

  #entry(level: "error" | "info", text: string): void {
    this.#flush();
    this.#write(level, text);
  }

  #write(level: "error" | "info", text: string): void {
    if (this.#options.toStderr) toStderr(`${text}\n`);
    if (!this.#options.toSyslog) return;
    this.#syslog ??= new Syslog("chat", "local2");
    this.#syslog.write(level, text);
  }

  #echo(text: string): void {
    const shown = text.replaceAll("\r", "").replace(/[^\n]+/g, visible);
    if (shown === "") return;
    toStderr(shown);
    this.#open = !shown.endsWith("\n");
  }

  #report(text: string): void {
    const entry = `chat:  ${timestamp(new Date())} ${text}\n`;
    const { reportFile } = this.#options;
    if (reportFile === null) {
      toStderr(entry);
      return;
    }
    try {
      appendFileSync(reportFile, entry, "latin1");
    } catch (cause) {
      this.#entry("error", `the report file cannot be written: ${(cause as Error).message}`);
    }
  }
}

/** `Nov 23 01:47:46`, local time. */
function timestamp(now: Date): string {
  const [time = ""] = now.toTimeString().split(" ");
  return `${MONTHS[now.getMonth()]} ${String(now.getDate()).padStart(2, "0")} ${time}`;
}

/** Octets, one to a character. */
function toStderr(text: string): void {
  try {
    writeSync(STDERR, Buffer.from(text, "latin1"));
  } catch {
    // Nobody is there to read, or the line itself is standard error and takes no more: that must not end the call.
  }
}
