import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PppdLog } from "./pppd-log.ts";

/** `ppp0.pid` and `ppp-LINKNAME.pid`, by which scripts find the pppd of an interface (pppd(8), FILES). */
export class PidFiles {
  readonly #directory: string;
  readonly #log: PppdLog;
  readonly #written = new Set<string>();

  /** @param directory usually /var/run */
  constructor(directory: string, log: PppdLog) {
    this.#directory = directory;
    this.#log = log;
  }

  /** @param interfaceName of the link's file, once it is known */
  writeLink(linkName: string, interfaceName: string | null): void {
    this.#write(
      `ppp-${linkName}.pid`,
      `${process.pid}\n${interfaceName === null ? "" : `${interfaceName}\n`}`,
    );
  }

  writeInterface(name: string): void {
    this.#write(`${name}.pid`, `${process.pid}\n`);
  }

  /** The interface is gone; the link's file stays until `close`. */
  removeInterface(name: string): void {
    this.#remove(join(this.#directory, `${name}.pid`));
  }

  close(): void {
    for (const file of this.#written) this.#remove(file);
  }

  #write(name: string, content: string): void {
    const file = join(this.#directory, name);
    try {
      writeFileSync(file, content, { mode: 0o644 });
      this.#written.add(file);
    } catch (error) {
      this.#log.write("warn", `cannot write ${file}: ${(error as Error).message}`);
    }
  }

  #remove(file: string): void {
    if (this.#written.delete(file)) rmSync(file, { force: true });
  }
}
