import { request as httpRequest, type IncomingMessage } from "node:http";
import type { ErrorReply } from "../control/messages.ts";
import { EqlError, type EqlErrorCode, ERROR_CODES } from "../errors.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Where the daemon listens unless it is told otherwise. */
const DEFAULT_SOCKET = "/run/eql/eql.sock";

/** The socket that an option names, else the environment's EQL_SOCKET, else the default. */
export const socketPath = (option?: string): string =>
  option ?? (process.env["EQL_SOCKET"] || DEFAULT_SOCKET);

/** What a daemon says is an error, as the error that it was there. */
function fromReply(reply: ErrorReply): EqlError {
  const known = (ERROR_CODES as readonly string[]).includes(reply.code);
  // A daemon of another version may know codes that we do not.
  return known
    ? new EqlError(reply.code as EqlErrorCode, reply.message)
    : new EqlError("DAEMON_FAILED", `${reply.message} (${reply.code})`);
}

/** An answer that stays open, with what its first line says. */
export interface Held<T> {
  readonly reply: T;
  /** Resolves when either side has closed the request. */
  readonly closed: Promise<void>;
  close(this: void): void;
}

/** An answer that tells what happens, until either side closes it. */
export interface Followed<T> {
  /** To be gone through once; ends with the answer, however that ends. */
  readonly events: AsyncIterable<T>;
  close(this: void): void;
}

/** Talks to the daemon: one connection for each request. */
export class ControlClient {
  readonly #socketPath: string;

  constructor(path: string) {
    this.#socketPath = path;
  }

  /**
   * Asks once and waits for the whole answer, however long the daemon takes; parts of `path` are already URL-encoded.
   * @throws EqlError DAEMON_NOT_RUNNING, CONTROL_REFUSED, or what the daemon answered
   */
  async request<T>(method: Method, path: string, body?: object): Promise<T> {
    return parse<T>(await this.#readAll(await this.#open(method, path, body)), this.#socketPath);
  }

  /** Asks for something that lasts as long as the request is open. Errors as in request. */
  async hold<T>(method: Method, path: string, body?: object): Promise<Held<T>> {
    const answer = await this.#open(method, path, body);
    const closed = new Promise<void>((resolve) => {
      answer.once("close", resolve);
    });
    const line = await this.#readLine(answer);
    // What comes after the first line is nothing; but only a stream that is read notices its end.
    answer.on("error", () => {}).resume();
    return { reply: parse<T>(line, this.#socketPath), closed, close: () => void answer.destroy() };
  }

  /** Asks for something that tells what happens as long as the request is open, a line of JSON each. Errors as in request. */
  async follow<T>(method: Method, path: string, body?: object): Promise<Followed<T>> {
    const answer = await this.#open(method, path, body);
    return { events: this.#events<T>(answer), close: () => void answer.destroy() };
  }

  async *#events<T>(answer: IncomingMessage): AsyncGenerator<T, void> {
    answer.setEncoding("utf8");
    let text = "";
    try {
      for await (const chunk of answer as AsyncIterable<string>) {
        const lines = (text + chunk).split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) if (line !== "") yield parse<T>(line, this.#socketPath);
      }
    } catch (error) {
      if (error instanceof EqlError) throw error;
      // The connection broke, by us or by the daemon's end: that is the end of what happens.
    }
  }

  /** @returns the answer when its head is there, with status 200 */
  async #open(method: Method, path: string, body?: object): Promise<IncomingMessage> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = httpRequest({
        socketPath: this.#socketPath,
        agent: false,
        method,
        path,
        headers: body === undefined ? {} : { "content-type": "application/json" },
      });
      sent.once("response", resolve);
      sent.on("error", (error) => reject(this.#translate(error)));
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
    if (answer.statusCode === 200) return answer;
    const reply = parse<Partial<ErrorReply>>(await this.#readAll(answer), this.#socketPath);
    throw typeof reply.code === "string" && typeof reply.message === "string"
      ? fromReply(reply as ErrorReply)
      : stranger(this.#socketPath);
  }

  #readLine(answer: IncomingMessage): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = "";
      const onClose = (): void =>
        reject(this.#translate(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
      const onData = (chunk: string): void => {
        text += chunk;
        const end = text.indexOf("\n");
        if (end < 0) return;
        answer.off("data", onData).off("close", onClose);
        resolve(text.slice(0, end));
      };
      answer.setEncoding("utf8").on("data", onData).once("close", onClose);
      answer.once("error", (error) => reject(this.#translate(error)));
    });
  }

  async #readAll(answer: IncomingMessage): Promise<string> {
    answer.setEncoding("utf8");
    let text = "";
    try {
      for await (const chunk of answer as AsyncIterable<string>) text += chunk;
    } catch (error) {
      throw this.#translate(error as NodeJS.ErrnoException);
    }
    return text;
  }

  #translate(error: NodeJS.ErrnoException): EqlError {
    const path = this.#socketPath;
    const { code = "" } = error;
    const options = { details: { socket: path }, cause: error };
    switch (code) {
      case "ECONNREFUSED":
      case "ENOENT":
      case "ENOTDIR":
      case "ENOTSOCK": {
        const cure = "start one with `eql up`, or name its socket with --socket or EQL_SOCKET";
        return new EqlError("DAEMON_NOT_RUNNING", `no EQL daemon answers at ${path}: ${cure}`, options);
      }
      case "EACCES":
      case "EPERM": {
        const cure = "run this as root, or let the configuration's socket-group and socket-mode admit you";
        return new EqlError(
          "CONTROL_REFUSED",
          `no permission to talk to the EQL daemon at ${path}: ${cure}`,
          options,
        );
      }
      case "ECONNRESET":
      case "EPIPE": {
        const message = `the EQL daemon at ${path} ended before it answered: its log says why`;
        return new EqlError("DAEMON_NOT_RUNNING", message, options);
      }
      default:
        // What the parser says of an answer that is no HTTP.
        if (code.startsWith("HPE_")) return stranger(path);
        return new EqlError(
          "SYSTEM_CALL_FAILED",
          `cannot talk to the EQL daemon at ${path}: ${error.message}`,
          options,
        );
    }
  }
}

const stranger = (path: string): EqlError =>
  new EqlError(
    "DAEMON_FAILED",
    `what answers at ${path} is not an EQL daemon: name its socket with --socket`,
  );

function parse<T>(text: string, path: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw stranger(path);
  }
}
