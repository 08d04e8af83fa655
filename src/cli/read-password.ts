import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { EqlError } from "../errors.ts";

/** What a login takes. */
const MOST_OCTETS = 255;

/**
 * A password from standard input: its first line, or from a terminal, typed twice and not shown.
 * @throws EqlError REQUEST_INVALID: there is none, it is too long, or it was not the same twice
 */
export async function readPassword(): Promise<string> {
  const password = process.stdin.isTTY ? await typedTwice() : firstLine(await text(process.stdin));
  const length = Buffer.byteLength(password);
  if (length > 0 && length <= MOST_OCTETS) return password;
  throw new EqlError(
    "REQUEST_INVALID",
    `a password has 1 to ${MOST_OCTETS} octets, and this one has ${length}`,
  );
}

const firstLine = (content: string): string => content.split(/\r?\n/, 1)[0] ?? "";

async function typedTwice(): Promise<string> {
  const nowhere = new Writable({ write: (_octets, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const lines = terminal[Symbol.asyncIterator]();
  let interrupted = false;
  terminal.on("SIGINT", () => {
    interrupted = true;
    terminal.close();
  });
  const ask = async (prompt: string): Promise<string> => {
    process.stderr.write(prompt);
    const { value, done } = await lines.next();
    process.stderr.write("\n");
    if (interrupted || done === true) throw new EqlError("REQUEST_INVALID", "no password was typed");
    return value;
  };
  try {
    const password = await ask("Password: ");
    if ((await ask("Once more: ")) === password) return password;
    throw new EqlError("REQUEST_INVALID", "the two passwords are not the same");
  } finally {
    terminal.close();
  }
}
