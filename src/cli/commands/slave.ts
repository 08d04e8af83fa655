import { Command } from "commander";
import type { LineStatus, SlaveChange, Status } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { formatLines } from "../format-status.ts";
import { MAX_BPS } from "../numbers.ts";
import { type SocketOption, segment, socketOption, whole } from "../options.ts";

interface SlaveOptions extends SocketOption {
  readonly bps?: number;
}

export const slaveCommand = (): Command =>
  new Command("slave")
    .summary("show or change a slave")
    .description("Show a slave of a master, after changing what the options say.")
    .argument("<MASTER>", "the master's interface")
    .argument("<SLAVE>", "the slave's interface")
    .option("--bps <N>", "estimated bits per second from now on", whole("--bps", 1, MAX_BPS))
    .addOption(socketOption())
    .addHelpText("after", "\nExamples:\n  eql slave eql sl0\n  eql slave eql sl0 --bps 33600\n")
    .action(async (master: string, slave: string, { bps, socket }: SlaveOptions) => {
      const client = new ControlClient(socketPath(socket));
      if (bps !== undefined) {
        const change: SlaveChange = { bps };
        await client.request<LineStatus>(
          "PATCH",
          `/masters/${segment(master)}/slaves/${segment(slave)}`,
          change,
        );
      }
      const { at, lines } = await client.request<Status>("GET", "/status");
      const line = lines.find((one) => one.name === slave && one.master === master);
      if (line === undefined) {
        throw new EqlError(
          "SLAVE_UNKNOWN",
          `${slave} is no slave of ${master}: \`eql status\` lists the slaves, \`eql enslave\` makes one`,
        );
      }
      process.stdout.write(formatLines([line], at));
    });
