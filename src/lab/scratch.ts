import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Removes the directory when its standard input ends, whatever ended it. */
const JANITOR = 'read _; rm -rf -- "$1"';

/** A temporary directory that goes away with this process, even if that is killed: a shell waits for the end. */
export class Scratch {
  readonly path: string;
  readonly #release: () => void;

  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `${name}-`));
    const janitor = spawn("/bin/sh", ["-c", JANITOR, "sh", this.path], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    janitor.on("error", () => {}); // without it, only a kill -9 leaves the directory
    janitor.stdin.on("error", () => {});
    janitor.unref();
    this.#release = () => janitor.stdin.end();
  }

  close(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
    this.#release();
  }
}
