import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import * as libc from "../../src/host/libc.ts";
import { Termios } from "../../src/host/termios.ts";

const DEADLINE_MS = 60_000;
const MARK = "<all is heard>";

/** When the line has got `after`, and that after the answer before, it brings `text`; a function is called instead. */
export interface Reply {
  readonly after: string;
  readonly text: string | ((line: ChatPeer, program: ChildProcess) => void);
}

export interface ChatOutcome {
  readonly code: number | null;
  readonly sent: string;
  readonly stderr: string;
}

/** The other end of a pty whose device is a chat program's standard input and output; octets are latin1. */
export class ChatPeer {
  readonly #replies: Reply[];
  readonly #master: number;
  readonly #slave: number;
  readonly #reader: ReadStream;
  #program: ChildProcess | null = null;
  #sent = "";
  #stderr = "";
  #heard = 0;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(replies: readonly Reply[]) {
    this.#replies = [...replies];
    const flags = libc.O_RDWR | libc.O_NOCTTY | libc.O_CLOEXEC;
    this.#master = libc.check(libc.posixOpenpt(flags), "opening a pty");
    libc.check(libc.grantpt(this.#master), "grantpt");
    libc.check(libc.unlockpt(this.#master), "unlockpt");
    const name = libc.nativeBuffer(64);
    libc.check(libc.ptsname(this.#master, name.address, 64), "ptsname");
    const path = Buffer.from(name.octets.subarray(0, name.octets.indexOf(0))).toString();
    this.#slave = libc.check(libc.open(path, flags), `opening ${path}`);
    const settings = Termios.get(this.#slave, path);
    settings.makeRaw();
    libc.check(settings.set(this.#slave), `setting ${path} raw`);
    this.#reader = new ReadStream(this.#master);
    this.#reader.setEncoding("latin1").on("data", (text: string) => this.#hear(text));
    this.#reader.on("error", () => {}); // EIO when the last writer has gone
  }

  /** The settings of the device, as numbers. */
  get settings(): string {
    const { raw8n1, rtscts, inputSpeed } = Termios.get(this.#slave, "the pty");
    return JSON.stringify({ raw8n1, rtscts, inputSpeed });
  }

  /** What waits at the device for who reads it next. */
  unread(): string {
    const count = libc.nativeBuffer(4);
    const FIONREAD = 0x541b;
    libc.check(libc.ioctl(this.#slave, FIONREAD, count.address), "FIONREAD");
    const waiting = new Int32Array(count.octets.buffer, 0, 1)[0] ?? 0;
    if (waiting === 0) return "";
    const octets = libc.nativeBuffer(waiting);
    libc.check(libc.read(this.#slave, octets.address, waiting), "reading the pty");
    return Buffer.from(octets.octets).toString("latin1");
  }

  async run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ChatOutcome> {
    const program = spawn(command, args, {
      stdio: [this.#slave, this.#slave, "pipe"],
      env: { ...process.env, ...env },
      timeout: DEADLINE_MS,
    });
    this.#program = program;
    program.stderr?.setEncoding("latin1").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#reply();
    const [code] = (await once(program, "close")) as [number | null];
    await this.#hearAll();
    return { code, sent: this.#sent, stderr: this.#stderr };
  }

  write(text: string): void {
    writeSync(this.#master, Buffer.from(text, "latin1"));
  }

  /** Unless it is all over by then. */
  later(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }

  hangUp(): void {
    this.#reader.destroy();
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#reader.destroy();
    closeSync(this.#slave);
  }

  /** What was written to the device arrives in order, so what is written last comes last. */
  async #hearAll(): Promise<void> {
    if (this.#reader.destroyed) return;
    writeSync(this.#slave, MARK);
    const signal = AbortSignal.timeout(DEADLINE_MS);
    while (!this.#sent.endsWith(MARK)) await once(this.#reader, "data", { signal });
    this.#sent = this.#sent.slice(0, -MARK.length);
  }

  #hear(text: string): void {
    this.#sent += text;
    this.#reply();
  }

  #reply(): void {
    for (let next = this.#replies[0]; next !== undefined; next = this.#replies[0]) {
      const at = this.#sent.indexOf(next.after, this.#heard);
      if (at < 0 || this.#program === null) return;
      this.#heard = at + next.after.length;
      this.#replies.shift();
      if (typeof next.text === "string") this.write(next.text);
      else next.text(this, this.#program);
    }
  }
}
