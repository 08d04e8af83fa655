import { EqlError } from "../../errors.ts";
import { Capture } from "./capture.ts";
import { PppPort } from "./ppp-port.ts";
import type { Port } from "./registry.ts";

/** The captures that run, by their pipes; one a link. */
export class Captures {
  readonly #running = new Map<string, { readonly capture: Capture; readonly port: Port }>();

  /** @throws EqlError CONTROL_REFUSED: there is one; SYSTEM_CALL_FAILED */
  start(port: Port, pipe: string): void {
    if (port.link.tap !== null) {
      throw new EqlError("CONTROL_REFUSED", `${port.name} is being captured already; one capture at a time`);
    }
    const capture = new Capture(pipe, port instanceof PppPort);
    this.#running.set(pipe, { capture, port });
    port.link.tap = capture;
  }

  /** One that has ended is no error. */
  stop(pipe: string): void {
    const entry = this.#running.get(pipe);
    if (entry === undefined) return;
    this.#running.delete(pipe);
    entry.port.link.tap = null;
    entry.capture.close();
  }

  /** The port is removed. */
  stopOf(port: Port): void {
    for (const [pipe, entry] of this.#running) if (entry.port === port) this.stop(pipe);
  }

  stopAll(): void {
    for (const pipe of this.#running.keys()) this.stop(pipe);
  }
}
