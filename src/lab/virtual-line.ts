import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { EqlError, type EqlErrorCode, type EqlErrorDetails } from "../errors.ts";
import { Wakeup } from "../host/epoll.ts";

/** One cable between two devices of this machine. */
export interface VirtualLineOptions {
  /** Paths of the symbolic links to make; their directories exist. */
  readonly near: string;
  readonly far: string;
  /** Bits per second on the line from near to far, and back; an octet takes ten of them. */
  readonly rateBps: number;
  readonly rateBackBps?: number;
}

/** Octets that arrived, in each direction, and those lost because nobody read them in time. */
export interface VirtualLineCount {
  readonly nearToFar: number;
  readonly farToNear: number;
  readonly overruns: number;
}

/** What the worker is told. Each request is answered by one {@link LineReply}, in order. */
export type LineRequest =
  | { readonly kind: "counts" }
  | { readonly kind: "setCut"; readonly line: number; readonly cut: boolean }
  | { readonly kind: "hangUp"; readonly line: number }
  | { readonly kind: "restore"; readonly line: number }
  | { readonly kind: "stop" };

export type LineReply =
  | { readonly counts: VirtualLineCount[] }
  | { readonly failure: { code: EqlErrorCode; message: string; details: EqlErrorDetails } };

export interface LineWorkerData {
  readonly lines: readonly VirtualLineOptions[];
  readonly port: MessagePort;
  /** Descriptor of the eventfd that is rung after a request was posted. */
  readonly wakeup: number;
  /** One word: 1 when the worker has left nothing behind. */
  readonly stopped: Int32Array;
}

interface Pending {
  resolve(counts: VirtualLineCount[]): void;
  reject(error: Error): void;
}

/** How long a process that exits waits for the worker to remove the links. */
const EXIT_PATIENCE_MS = 20_000;

/**
 * Virtual serial cables, carried by one thread of their own: each is a pair of ptys whose octets pass at the pace of
 * `sim`'s {@link SerialLine}. As on a UART without flow control, what the far side does not read in time is lost;
 * towards the sender a pty takes about 18 KB before it says EAGAIN.
 *
 * The thread does not keep the process alive; a process that exits takes its links away.
 */
export class VirtualLines {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wakeup: Wakeup;
  readonly #stopped: Int32Array;
  readonly #exited: Promise<void>;
  readonly #pending: Pending[] = [];
  readonly #atExit = (): void => this.#stopNow();
  #closing: Promise<void> | null = null;
  #failure: Error | null = null;

  private constructor(lines: readonly VirtualLineOptions[]) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#wakeup = new Wakeup();
    this.#stopped = new Int32Array(new SharedArrayBuffer(4));
    const workerData: LineWorkerData = {
      lines,
      port: port2,
      wakeup: this.#wakeup.fd,
      stopped: this.#stopped,
    };
    this.#worker = new Worker(new URL("./virtual-line-worker.js", import.meta.url), {
      workerData,
      transferList: [port2],
      execArgv: [], // options of the process may not suit a worker
    });
    this.#worker.on("error", (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
    this.#exited = new Promise((resolve) => this.#worker.once("exit", () => resolve(this.#handleExit())));
    this.#port.on("message", (reply: LineReply) => this.#handleReply(reply));
    this.#port.unref();
    this.#worker.unref();
    process.once("exit", this.#atExit);
  }

  /**
   * Makes the ptys and links and starts to carry.
   * @throws EqlError NAME_TAKEN: a path is in use by another file; SYSTEM_CALL_FAILED
   */
  static async start(lines: readonly VirtualLineOptions[]): Promise<VirtualLines> {
    const started = new VirtualLines(lines);
    try {
      await started.#answer();
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  counts(): Promise<VirtualLineCount[]> {
    return this.#request({ kind: "counts" });
  }

  /** Pulls or plugs the cable: octets leave at the usual pace and vanish, and nobody is told. */
  async setCut(line: number, cut: boolean): Promise<void> {
    await this.#request({ kind: "setCut", line, cut });
  }

  /** Both ends see the end of their device, and the links are gone. Octets under way are lost. */
  async hangUp(line: number): Promise<void> {
    await this.#request({ kind: "hangUp", line });
  }

  /** New devices under the old links; does nothing to a line that is not hung up. */
  async restore(line: number): Promise<void> {
    await this.#request({ kind: "restore", line });
  }

  /** Leaves no file, thread or descriptor. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#worker.ref();
    if (this.#failure === null) this.#post({ kind: "stop" });
    await this.#exited;
  }

  #request(request: LineRequest): Promise<VirtualLineCount[]> {
    if (this.#closing !== null)
      return Promise.reject(this.#failure ?? new Error("the virtual lines are closed"));
    const answer = this.#answer();
    this.#post(request);
    return answer;
  }

  #post(request: LineRequest): void {
    this.#port.postMessage(request);
    this.#wakeup.signal();
  }

  /** The next reply; until it is here the process stays. */
  #answer(): Promise<VirtualLineCount[]> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      this.#port.ref();
      this.#worker.ref();
    });
  }

  #handleReply(reply: LineReply): void {
    const pending = this.#pending.shift();
    if (this.#pending.length === 0) {
      this.#port.unref();
      if (this.#closing === null) this.#worker.unref();
    }
    if ("counts" in reply) return pending?.resolve(reply.counts);
    const { code, message, details } = reply.failure;
    pending?.reject(new EqlError(code, message, { details }));
  }

  #handleExit(): void {
    this.#closing ??= this.#exited;
    process.off("exit", this.#atExit);
    for (;;) {
      const last = receiveMessageOnPort(this.#port) as { message: LineReply } | undefined;
      if (last === undefined) break;
      this.#handleReply(last.message);
    }
    this.#port.close();
    this.#wakeup.close();
    for (const pending of this.#pending.splice(0)) {
      pending.reject(this.#failure ?? new Error("the virtual lines were closed"));
    }
  }

  /** The process ends and no promise will be kept any more: let the thread leave, or the exit would wait for ever. */
  #stopNow(): void {
    this.#post({ kind: "stop" });
    Atomics.wait(this.#stopped, 0, 0, EXIT_PATIENCE_MS);
  }
}
