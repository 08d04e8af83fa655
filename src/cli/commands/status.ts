import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import type { Status } from "../../control/messages.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { formatHistory, formatStatus } from "../format-status.ts";
import { type SocketOption, socketOption } from "../options.ts";
import { untilSignal } from "../signals.ts";

const WATCH_INTERVAL_MS = 1000;
const CLEAR = "\x1b[2J";
const HOME = "\x1b[H";
const CLEAR_TO_LINE_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

interface StatusOptions extends SocketOption {
  readonly json?: true;
  readonly watch?: true;
  readonly history?: true;
}

/** Writes a picture over the last one; what does not fit on the terminal is cut, or it would scroll. */
function redraw(text: string): void {
  // A terminal that does not know its size says 0.
  const rows = process.stdout.rows || Number.POSITIVE_INFINITY;
  const columns = process.stdout.columns || Number.POSITIVE_INFINITY;
  const lines = text.split("\n").slice(0, Math.max(rows - 1, 1));
  const cut = lines.map((line) => `${line.slice(0, columns)}${CLEAR_TO_LINE_END}`);
  process.stdout.write(`${HOME}${cut.join("\n")}${CLEAR_BELOW}`);
}

async function watch(look: () => Promise<string>, inPlace: boolean): Promise<void> {
  const signal = untilSignal();
  if (inPlace) process.stdout.write(CLEAR);
  try {
    while (!signal.aborted) {
      const text = await look();
      if (inPlace) redraw(text);
      else process.stdout.write(text);
      await delay(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    if (inPlace) process.stdout.write("\n");
  }
}

export const statusCommand = (): Command =>
  new Command("status")
    .summary("show masters, lines and tunnels")
    .description("Show masters, lines and tunnels: states, rates, counters, drops and what to do about them.")
    .option("--json", "one JSON object: the type Status of control/messages.ts")
    .option("--history", "what happened to the lines, and what was said in their last calls")
    .option("--watch", "once a second, until Ctrl-C; in place on a terminal")
    .addOption(socketOption())
    .addHelpText(
      "after",
      `
Rates are bits per second on the line, SENT and RECEIVED count IP packets and their octets. A line is
closed (device missing, in use or hung up), idle (nobody wants it), dialing, at its login, negotiating
(PPP), down, alone, enslaved, silent (the peer does not answer its echo), or given-up. A path of a tunnel
is waiting (its device is missing), proving, alive, or dead.

Examples:
  eql status
  eql status --watch
  eql status --json | jq '.lines[] | {name, state}'
`,
    )
    .action(async ({ json, watch: repeat, history, socket }: StatusOptions) => {
      const client = new ControlClient(socketPath(socket));
      const look = async (): Promise<string> => {
        const status = await client.request<Status>("GET", "/status");
        if (json === true) return `${JSON.stringify(status)}\n`;
        return history === true ? formatHistory(status) : formatStatus(status);
      };
      if (repeat === true) await watch(look, json !== true && process.stdout.isTTY);
      else process.stdout.write(await look());
    });
