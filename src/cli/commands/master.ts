import { Command, Option } from "commander";
import {
  type MasterChange,
  type MasterStatus,
  SCHEDULER_NAMES,
  type Status,
} from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { formatMasters } from "../format-status.ts";
import { type SocketOption, segment, socketOption, whole } from "../options.ts";

interface MasterOptions extends SocketOption {
  readonly max?: number;
  readonly min?: number;
  readonly scheduler?: MasterStatus["scheduler"];
}

/** What the options ask for; undefined: nothing. */
function changeOf({ max, min, scheduler }: MasterOptions): MasterChange | undefined {
  if (max === undefined && min === undefined && scheduler === undefined) return undefined;
  return { maxSlaves: max, minSlaves: min, scheduler };
}

export const masterCommand = (): Command =>
  new Command("master")
    .summary("show or change a master")
    .description("Show a master, after changing what the options say.")
    .argument("<MASTER>", "the master's interface, such as eql")
    .option("--max <N>", "most slaves at a time", whole("--max", 1, 255))
    .option("--min <N>", "fewest slaves; kept and shown, nothing depends on it", whole("--min", 1, 255))
    .addOption(
      new Option("--scheduler <NAME>", "how the line for a packet is chosen").choices(SCHEDULER_NAMES),
    )
    .addOption(socketOption())
    .addHelpText("after", "\nExamples:\n  eql master eql\n  eql master eql --max 8 --scheduler weighted\n")
    .action(async (master: string, { socket, ...options }: MasterOptions) => {
      const client = new ControlClient(socketPath(socket));
      const change = changeOf(options);
      const shown =
        change === undefined
          ? (await client.request<Status>("GET", "/status")).masters.find((one) => one.name === master)
          : await client.request<MasterStatus>("PATCH", `/masters/${segment(master)}`, change);
      if (shown === undefined) {
        throw new EqlError(
          "MASTER_UNKNOWN",
          `there is no master ${master}: \`eql status\` lists the masters`,
        );
      }
      process.stdout.write(formatMasters([shown]));
    });
