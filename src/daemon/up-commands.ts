import { closeSync, openSync } from "node:fs";
import { LineProgram } from "../host/line-program.ts";
import { scriptPath } from "./hooks.ts";
import type { Line } from "./line.ts";
import type { Logger } from "./log.ts";

/** The commands that lines run when they are up, such as `eql_enslave eql $interface 28800` of DSLIP. None is waited for. */
export class UpCommands {
  readonly #log: Logger;
  readonly #socket: string;
  readonly #running = new Map<string, LineProgram>();

  /** @param socket the daemon's control socket */
  constructor(log: Logger, socket: string) {
    this.#log = log;
    this.#socket = socket;
  }

  /** The line is up: runs its command, if it has one and the one of before has ended. */
  start({ name, interface: interfaceName, config: { device, speedBps, upCommand } }: Line): void {
    if (upCommand === null || this.#running.has(name)) return;
    let said = "";
    const nothing = openSync("/dev/null", "r+");
    const program = LineProgram.on(nothing, nothing, {
      command: upCommand,
      env: {
        PATH: scriptPath(),
        EQL_SOCKET: this.#socket,
        interface: interfaceName,
        IFNAME: interfaceName,
        DEVICE: device,
        SPEED: String(speedBps),
      },
      onText: (text) => {
        said = `${said} ${text}`.slice(-MOST_SAID);
      },
    });
    closeSync(nothing);
    this.#running.set(name, program);
    // What it left running in the background is its own affair.
    void program.ended.then(({ code }) => {
      if (this.#running.get(name) !== program) return;
      this.#running.delete(name);
      if (code === 0) return;
      const how = code === null ? "the command could not be started" : `the command exited with ${code}`;
      // Its arguments may be secrets.
      this.#log.warn({ line: name, said: said.trim() }, how);
    });
  }

  /** Ends those that run still, with all that they started. */
  stop(): void {
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const program of running) program.stop();
  }
}

/** Characters of standard error that the log gets. */
const MOST_SAID = 500;
