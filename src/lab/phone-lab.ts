import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { EqlError, type EqlErrorCode, type EqlErrorDetails } from "../errors.ts";
import { Wakeup } from "../host/epoll.ts";
import type { PhoneEvent, PhoneNetworkSettings } from "../sim/phone-network.ts";

export interface PhoneLabOptions {
  readonly network: PhoneNetworkSettings;
  /** For each modem, the symbolic link to make for its device. */
  readonly links: readonly { readonly modem: string; readonly link: string }[];
  /** Told in order, a moment later. */
  readonly onEvent?: (event: PhoneEvent) => void;
}

/** What the thread is told; nothing of it is answered. */
export type PhoneRequest =
  | { readonly kind: "drop"; readonly modem: string }
  | { readonly kind: "setNoise"; readonly modem: string; readonly oneIn: number | null }
  | { readonly kind: "setPlugged"; readonly modem: string; readonly plugged: boolean }
  | { readonly kind: "stop" };

export type PhoneReport =
  | { readonly kind: "ready" }
  | { readonly kind: "event"; readonly event: PhoneEvent }
  | {
      readonly kind: "failure";
      readonly code: EqlErrorCode;
      readonly message: string;
      readonly details: EqlErrorDetails;
    };

export interface PhoneWorkerData {
  readonly network: PhoneNetworkSettings;
  readonly links: PhoneLabOptions["links"];
  readonly port: MessagePort;
  /** Descriptor of the eventfd that is rung after a request was posted. */
  readonly wakeup: number;
  /** One word: 1 when the thread has left nothing behind. */
  readonly stopped: Int32Array;
}

/** How long a process that exits waits for the thread to remove the links. */
const EXIT_PATIENCE_MS = 20_000;

/**
 * The telephone network of `sim` on ptys, in real time, carried by one thread of its own: each modem is a device. DTR
 * is on while somebody has the device open at another speed than 0 (B0); a carrier that is lost hangs the device up
 * when its CLOCAL is off, as a serial driver does, and a new one stands under the old link. Other wires a pty has not.
 *
 * The thread keeps the process alive until `close`; a process that exits takes its links away.
 */
export class PhoneLab {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wakeup = new Wakeup();
  readonly #stopped = new Int32Array(new SharedArrayBuffer(4));
  readonly #exited: Promise<void>;
  readonly #handleReport: (report: PhoneReport) => void;
  readonly #atExit = (): void => this.#stopNow();
  #closed = false;
  #failure: Error | null = null;

  private constructor({ network, links, onEvent = () => {} }: PhoneLabOptions, ready: () => void) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: PhoneWorkerData = {
      network,
      links,
      port: port2,
      wakeup: this.#wakeup.fd,
      stopped: this.#stopped,
    };
    this.#worker = new Worker(new URL("./phone-lab-worker.js", import.meta.url), {
      workerData,
      transferList: [port2],
      execArgv: [], // options of the process may not suit a worker
    });
    this.#worker.on("error", (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
    this.#handleReport = (report): void => {
      if (report.kind === "ready") ready();
      else if (report.kind === "event") onEvent(report.event);
      else this.#failure = new EqlError(report.code, report.message, { details: report.details });
    };
    this.#port.on("message", this.#handleReport);
    this.#exited = new Promise((resolve) => this.#worker.once("exit", () => resolve(this.#handleExit())));
    process.once("exit", this.#atExit);
  }

  /**
   * Makes the devices and links; the modems then wait for commands.
   * @throws EqlError NAME_TAKEN: a path is in use by another file; SYSTEM_CALL_FAILED
   */
  static async start(options: PhoneLabOptions): Promise<PhoneLab> {
    const { promise: ready, resolve } = withResolver();
    const lab = new PhoneLab(options, resolve);
    await Promise.race([ready, lab.#exited]);
    if (lab.#failure !== null) {
      await lab.#exited;
      throw lab.#failure;
    }
    return lab;
  }

  /** Ends by itself only when the thread fails. @throws Error of the thread */
  async ended(): Promise<void> {
    await this.#exited;
    if (this.#failure !== null) throw this.#failure;
  }

  /** Cuts the call of a modem, if it has one. */
  drop(modem: string): void {
    this.#post({ kind: "drop", modem });
  }

  /** Noise on a modem's line: one octet of so many is spoiled, each way; null: none. */
  setNoise(modem: string, oneIn: number | null): void {
    this.#post({ kind: "setNoise", modem, oneIn });
  }

  /** Pulls the telephone cable of a modem, or plugs it in. */
  setPlugged(modem: string, plugged: boolean): void {
    this.#post({ kind: "setPlugged", modem, plugged });
  }

  /** Leaves no file, thread or descriptor. May be called again. */
  async close(): Promise<void> {
    this.#post({ kind: "stop" });
    await this.#exited;
  }

  #post(request: PhoneRequest): void {
    if (this.#closed) return;
    this.#port.postMessage(request);
    this.#wakeup.signal();
  }

  #handleExit(): void {
    this.#closed = true;
    process.off("exit", this.#atExit);
    for (;;) {
      const last = receiveMessageOnPort(this.#port) as { message: PhoneReport } | undefined;
      if (last === undefined) break;
      this.#handleReport(last.message);
    }
    this.#port.close();
    this.#wakeup.close();
  }

  /** The process ends and no promise will be kept any more: let the thread leave, or the exit would wait for ever. */
  #stopNow(): void {
    this.#post({ kind: "stop" });
    Atomics.wait(this.#stopped, 0, 0, EXIT_PATIENCE_MS);
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((resolvePromise) => {
    resolve = resolvePromise;
  });
  return { promise, resolve };
}
