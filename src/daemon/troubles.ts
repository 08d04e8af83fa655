import { EqlError } from "../errors.ts";
import type { Line } from "./line.ts";
import type { Logger } from "./log.ts";

/** What fails where nobody waits for it: it is logged, and all else goes on. */
export class Troubles {
  readonly #log: Logger;
  #silent = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Everything comes down: what fails now is no news. */
  silence(): void {
    this.#silent = true;
  }

  attempt(line: Line | null, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.warn(line, error as Error);
    }
  }

  warn(line: Line | null, error: Error): void {
    if (this.#silent) return;
    const code = error instanceof EqlError ? error.code : undefined;
    this.#log.warn({ line: line?.name, code, error: error.message }, "failed");
  }
}
