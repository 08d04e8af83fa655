import { Command } from "commander";
import type { EmancipateRequest, EnslaveRequest } from "../../control/messages.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { MAX_BPS } from "../numbers.ts";
import { type SocketOption, socketOption, whole } from "../options.ts";

export const enslaveCommand = (): Command =>
  new Command("enslave")
    .summary("let a line carry packets of a master")
    .description("Let a line carry packets of a master; enslaved once more, it gets the new rate.")
    .argument("<MASTER>", "the master's interface, such as eql")
    .argument("<SLAVE>", "the line's interface, such as sl0")
    .argument(
      "<BPS>",
      "estimated bits per second; an 8N1 line moves a tenth of it in octets",
      whole("BPS", 1, MAX_BPS),
    )
    .addOption(socketOption())
    .addHelpText("after", "\nExample:\n  eql enslave eql sl0 28800\n")
    .action(async (master: string, slave: string, bps: number, { socket }: SocketOption) => {
      const body: EnslaveRequest = { master, slave, bps };
      await new ControlClient(socketPath(socket)).request("POST", "/enslave", body);
    });

export const emancipateCommand = (): Command =>
  new Command("emancipate")
    .summary("take a line out of its master")
    .description("Take a line out of its master; it goes on alone.")
    .argument("<MASTER>", "the master's interface")
    .argument("<SLAVE>", "the line's interface")
    .addOption(socketOption())
    .addHelpText("after", "\nExample:\n  eql emancipate eql sl0\n")
    .action(async (master: string, slave: string, { socket }: SocketOption) => {
      const body: EmancipateRequest = { master, slave };
      await new ControlClient(socketPath(socket)).request("POST", "/emancipate", body);
    });
