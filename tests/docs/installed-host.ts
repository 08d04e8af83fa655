import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { Status } from "../../src/control/messages.ts";
import { Host } from "../../src/lab/namespace.ts";
import { findTool } from "../../src/lab/tool.ts";
import { ROOT } from "./markdown.ts";

const DEADLINE_MS = 120_000;

/**
 * What a command sees: /run and /dev of this host alone, so that devices, sockets and lock files are where documents say. Needs the
 * devices that Node opens, and pseudo-terminals.
 */
const MOUNT = `
set -e
cd "$1"
for device in null zero urandom net pts; do mount --rbind "/dev/$device" "dev/$device"; done
mount --bind run /run
mount --bind run/lock /var/lock
mount --rbind dev /dev
cd home
shift
exec "$@"
`;
const SUDO = '#!/bin/sh\nexec "$@"\n';
/** It waits for as many answers as it was to get: one that is late, where the machine stands still, is not lost. */
const PING = '#!/bin/sh\nPATH=${PATH#*:} exec ping -w 60 "$@"\n';

/** A host of the lab with the commands of this package installed, and a file system that looks as if it were its own. */
export class InstalledHost {
  readonly #host: Host;
  readonly #directory: string;

  private constructor(host: Host, directory: string) {
    this.#host = host;
    this.#directory = directory;
  }

  /** @param directory for its files; the caller removes it */
  static async create(name: string, directory: string): Promise<InstalledHost> {
    for (const folder of ["dev/net", "dev/pts", "run/lock", "home", "bin"]) {
      mkdirSync(join(directory, folder), { recursive: true });
    }
    for (const device of ["null", "zero", "urandom"]) writeFileSync(join(directory, "dev", device), "");
    for (const [program, script] of Object.entries({ sudo: SUDO, ping: PING }))
      writeFileSync(join(directory, "bin", program), script, { mode: 0o755 });
    return new InstalledHost(await Host.create(name), directory);
  }

  /** Path outside of what is `/dev/NAME` on the host. */
  device(name: string): string {
    return join(this.#directory, "dev", name);
  }

  /** Writes a file of the working directory. */
  write(file: string, text: string): void {
    writeFileSync(join(this.#directory, "home", file), text);
  }

  /** Runs lines of shell. @throws EqlError with what they complain of */
  must(shell: string): Promise<string> {
    return this.#host.must(this.#entering(shell));
  }

  /** Starts a line of shell that is to go on, and waits until the daemon answers. */
  async start(shell: string): Promise<ChildProcess> {
    const child = this.#host.spawn(this.#entering(`exec ${shell.replace(/^sudo /, "")}`), {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    await this.until(
      () => true,
      () => `the daemon to answer; its log:\n${log}`,
      () => child.exitCode === null,
    );
    return child;
  }

  /** Waits until the daemon's status is so. */
  async until(
    wanted: (status: Status) => boolean,
    what: () => string,
    isWorthwhile: () => boolean = () => true,
  ): Promise<void> {
    // Asked as `eql status --json` does, without a process for each look.
    const client = new ControlClient(join(this.#directory, "run/eql/eql.sock"));
    for (
      const end = performance.now() + DEADLINE_MS;
      performance.now() < end && isWorthwhile();
      await delay(100)
    ) {
      const status = await client.request<Status>("GET", "/status").catch(() => null);
      if (status !== null && wanted(status)) return;
    }
    throw new Error(`waited for ${what()}`);
  }

  close(): Promise<void> {
    return this.#host.close();
  }

  #entering(shell: string): string[] {
    const path = [
      join(this.#directory, "bin"),
      join(ROOT, "bin"),
      dirname(process.execPath),
      process.env["PATH"],
    ];
    const environment = ["-u", "EQL_SOCKET", `PATH=${path.join(":")}:/usr/sbin:/sbin`];
    const mounting = [findTool("unshare"), "--mount", "sh", "-c", MOUNT, "sh", this.#directory];
    return ["env", ...environment, ...mounting, "sh", "-ec", shell];
  }
}

/** The exit code of a process, once it has ended. */
export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, "exit", { signal: AbortSignal.timeout(DEADLINE_MS) });
  return child.exitCode;
}
