import { Worker } from "node:worker_threads";
import { EqlError } from "../../errors.ts";
import { Wakeup } from "../epoll.ts";
import type {
  EngineEvent,
  EngineOperation,
  EngineOperations,
  EngineReply,
  EngineWorkerData,
} from "./messages.ts";

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** The control plane's end of the data plane: requests with answers, and events. */
export class EngineClient {
  readonly #worker: Worker;
  readonly #wakeup = new Wakeup();
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #hasExited = false;
  #nextId = 1;

  /** @param onEvent what happens @param onCrash the worker failed, which is a bug: nothing is carried any more */
  constructor(onEvent: (event: EngineEvent) => void, onCrash: (error: Error) => void) {
    const workerData: EngineWorkerData = { wakeupFd: this.#wakeup.fd };
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { workerData });
    this.#worker.on("message", (reply: EngineReply) => {
      if ("event" in reply) onEvent(reply.event);
      else this.#settle(reply);
    });
    this.#worker.on("error", (error) => {
      this.#rejectAll(error);
      onCrash(error);
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#hasExited = true;
        this.#rejectAll(daemonEnding());
        resolve();
      });
    });
  }

  /** Rejects with what the engine refused it with, or with DAEMON_ENDING when there is no engine any more (EqlErrors both). */
  request<O extends EngineOperation>(
    operation: O,
    request: EngineOperations[O]["request"],
  ): Promise<EngineOperations[O]["reply"]> {
    if (this.#hasExited) return Promise.reject(daemonEnding());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, operation, request });
      this.#wakeup.signal();
    });
  }

  /** Closes everything; resolves when the worker is gone. */
  async stop(): Promise<void> {
    await this.request("stop", {}).catch(() => {}); // it may be gone already
    await this.#exited;
    this.#wakeup.close();
  }

  #settle(reply: Exclude<EngineReply, { event: EngineEvent }>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (waiting === undefined) return;
    if ("value" in reply) waiting.resolve(reply.value as never);
    else {
      const { code, message, details } = reply.error;
      waiting.reject(new EqlError(code, message, { details }));
    }
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** What is asked of a daemon that ends. */
export const daemonEnding = (): EqlError =>
  new EqlError("DAEMON_ENDING", "the daemon ends, and does nothing more: start it again with eql up");
