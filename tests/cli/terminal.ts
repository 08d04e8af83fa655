import { closeSync, constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import * as libc from "../../src/host/libc.ts";

/** A pseudo-terminal, for programs that ask whether they write to one. */
export class Terminal {
  /** The program's side. */
  readonly fd: number;
  output = "";
  readonly #reader: ReadStream;
  readonly #master: number;
  #onData: () => void = () => {};

  constructor(fd: number, master: number) {
    this.fd = fd;
    this.#master = master;
    const reader = new ReadStream(master);
    this.#reader = reader;
    reader.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
      this.#onData();
    });
    // The reader's end says EIO when the last writer has gone.
    reader.on("error", () => {});
  }

  /** What a person types. */
  type(text: string): void {
    writeSync(this.#master, text);
  }

  async untilOutput(pattern: RegExp): Promise<void> {
    if (pattern.test(this.output)) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the terminal never showed ${pattern}, only ${JSON.stringify(this.output)}`)),
        60_000,
      );
      this.#onData = () => {
        if (!pattern.test(this.output)) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.fd);
    this.#reader.destroy();
  }
}

export function openTerminal(): Terminal {
  const master = libc.check(libc.posixOpenpt(libc.O_RDWR | libc.O_NOCTTY | libc.O_CLOEXEC), "open a pty");
  libc.check(libc.grantpt(master), "grantpt");
  libc.check(libc.unlockpt(master), "unlockpt");
  const name = libc.nativeBuffer(64);
  libc.check(libc.ptsname(master, name.address, 64), "ptsname");
  const path = Buffer.from(name.octets.subarray(0, name.octets.indexOf(0))).toString();
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  return new Terminal(fd, master);
}
