import { Command } from "commander";
import type { AskRequest, LifeEvent, LifeState } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { type SocketOption, segment, socketOption } from "../options.ts";
import { untilSignal } from "../signals.ts";

interface DialOptions extends SocketOption {
  readonly watch?: true;
  readonly auto?: true;
}

const ask = async (client: ControlClient, line: string, request: AskRequest): Promise<void> => {
  await client.request("POST", `/lines/${segment(line)}/ask`, request);
};

/** Asks for the line, and shows what happens to it until it is up. @throws EqlError DIAL_FAILED */
async function follow(client: ControlClient, line: string, shows: boolean): Promise<void> {
  const { events, close } = await client.follow<LifeEvent>("POST", `/lines/${segment(line)}/watch`);
  const interrupted = untilSignal();
  interrupted.addEventListener("abort", close);
  let asked = false;
  let tried = false;
  try {
    for await (const event of events) {
      if (shows) process.stdout.write(`${describe(event)}\n`);
      if (event.event !== "state") continue;
      const { state } = event;
      if (!asked) {
        // Where it stood before: from now on it is told what comes of this. One that is up is to stay up, too.
        asked = true;
        await ask(client, line, { ask: "up" });
        if (isUp(state)) return;
        continue;
      }
      if (isUp(state)) return;
      tried ||= state === "locking";
      if (state === "idle" || state === "givenUp" || (state === "waiting" && tried && !shows)) {
        throw failed(line, `${line} is not up: ${event.reason}`);
      }
    }
  } finally {
    close();
  }
  throw interrupted.aborted
    ? failed(line, `${line} is not up yet; the daemon goes on with it until \`eql hangup ${line}\``)
    : failed(line, `${line} was removed, or the daemon has ended`);
}

const isUp = (state: LifeState): boolean => state === "up" || state === "enslaved";

const failed = (line: string, message: string): EqlError =>
  new EqlError("DIAL_FAILED", message, { details: { line } });

function describe(event: LifeEvent): string {
  if (event.event === "text") return event.text;
  const words = event.state.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `= ${words}${event.reason === "" ? "" : `: ${event.reason}`}`;
}

export const dialCommand = (): Command =>
  new Command("dial")
    .summary("bring a line up, now")
    .description(
      "Bring a line up, now, whatever it waits for, and wait until it is up or an attempt has failed. It stays up until " +
        "`eql hangup`, whatever its master wants.",
    )
    .argument("<LINE>", "the line's name")
    .option("--watch", "show what is said on the line and what happens, through all attempts until it is up")
    .option("--auto", "instead, let its master say again whether it is wanted")
    .addOption(socketOption())
    .addHelpText(
      "after",
      `
Lines of --watch begin with > for what is sent, < for what comes, * for what happens, = for the line's state.

Example:
  eql dial sl0 --watch
`,
    )
    .action(async (line: string, { watch, auto, socket }: DialOptions) => {
      const client = new ControlClient(socketPath(socket));
      if (auto === true) await ask(client, line, { ask: "auto" });
      else await follow(client, line, watch === true);
    });

export const hangupCommand = (): Command =>
  new Command("hangup")
    .summary("hang a line up")
    .description("Hang a line up. It stays down until `eql dial`, whatever its master wants.")
    .argument("<LINE>", "the line's name")
    .addOption(socketOption())
    .addHelpText("after", "\nExample:\n  eql hangup sl0\n")
    .action(async (line: string, { socket }: SocketOption) => {
      await ask(new ControlClient(socketPath(socket)), line, { ask: "down" });
    });
