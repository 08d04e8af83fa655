import { Command } from "commander";
import type { ReloadReply } from "../../control/messages.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { type SocketOption, socketOption } from "../options.ts";

export const reloadCommand = (): Command =>
  new Command("reload")
    .summary("have the daemon read its configuration again")
    .description(
      "Have the daemon read its configuration again, and apply what can be while it runs: clients and masquerading of servers, UDP lines, and what masters that call a server have of routes, name servers and scripts. Prints what was applied, and what needs a restart. An error changes nothing.",
    )
    .addOption(socketOption())
    .action(async ({ socket }: SocketOption) => {
      const reply = await new ControlClient(socketPath(socket)).request<ReloadReply>("POST", "/reload");
      process.stdout.write(describeReload(reply));
    });

export function describeReload({ applied, restart }: ReloadReply): string {
  if (applied.length + restart.length === 0) return "nothing differs\n";
  return [...applied, ...restart.map((each) => `${each} (needs a restart)`)]
    .map((line) => `${line}\n`)
    .join("");
}
