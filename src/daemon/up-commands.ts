import { type ChildProcess, spawn } from "node:child_process";
import { scriptPath } from "./hooks.ts";
import type { Line } from "./line.ts";
import type { Logger } from "./log.ts";

/** The commands that lines run when they are up, such as `eql_enslave eql $interface 28800` of DSLIP. None is waited for. */
export class UpCommands {
  readonly #log: Logger;
  readonly #socket: string;
  readonly #running = new Map<string, ChildProcess>();

  /** @param socket the daemon's control socket */
  constructor(log: Logger, socket: string) {
    this.#log = log;
    this.#socket = socket;
  }

  /** The line is up: runs its command, if it has one and the one of before has ended. */
  start({ name, interface: interfaceName, config: { device, speedBps, upCommand } }: Line): void {
    if (upCommand === null || this.#running.has(name)) return;
    const child = spawn("/bin/sh", ["-c", upCommand], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        PATH: scriptPath(),
        EQL_SOCKET: this.#socket,
        interface: interfaceName,
        IFNAME: interfaceName,
        DEVICE: device,
        SPEED: String(speedBps),
      },
    });
    this.#running.set(name, child);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      said = `${said}${part}`.slice(-MOST_SAID);
    });
    const finish = (how: string | null): void => {
      this.#running.delete(name);
      if (how !== null) this.#log.warn({ line: name, command: upCommand, said: said.trim() }, how);
    };
    child.once("error", (error) => finish(error.message));
    child.once("close", (code) =>
      finish(code === 0 ? null : `the command exited with ${code ?? "a signal"}`),
    );
  }

  /** Ends those that run still. */
  stop(): void {
    for (const child of this.#running.values()) child.kill("SIGTERM");
  }
}

/** Characters of standard error that the log gets. */
const MOST_SAID = 500;
