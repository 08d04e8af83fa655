import { Command, Option } from "commander";
import {
  type MasterChange,
  type MasterStatus,
  type Redundant,
  SCHEDULER_NAMES,
  type Status,
  type TunnelChange,
  type TunnelStatus,
} from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { formatMasters } from "../format-status.ts";
import { formatTunnels } from "../format-tunnels.ts";
import { redundant, type SocketOption, segment, socketOption, whole } from "../options.ts";

interface MasterOptions extends SocketOption {
  readonly max?: number;
  readonly min?: number;
  readonly scheduler?: MasterStatus["scheduler"];
  readonly redundant?: Redundant;
}

/** What the options ask for; undefined: nothing. */
function changeOf({ max, min, scheduler }: MasterOptions): MasterChange | undefined {
  if (max === undefined && min === undefined && scheduler === undefined) return undefined;
  return { maxSlaves: max, minSlaves: min, scheduler };
}

/** Changes a tunnel if that is asked for. @returns what is shown of it; null: there is none */
async function tunnelText(
  client: ControlClient,
  name: string,
  redundant: Redundant | undefined,
): Promise<string | null> {
  if (redundant !== undefined) {
    const change: TunnelChange = { redundant };
    return formatTunnels([await client.request<TunnelStatus>("PATCH", `/tunnels/${segment(name)}`, change)]);
  }
  const { tunnels } = await client.request<Status>("GET", "/status");
  const found = tunnels.filter((tunnel) => tunnel.name === name);
  return found.length === 0 ? null : formatTunnels(found);
}

async function masterText(client: ControlClient, name: string, options: MasterOptions): Promise<string> {
  const change = changeOf(options);
  if (change !== undefined) {
    return formatMasters([await client.request<MasterStatus>("PATCH", `/masters/${segment(name)}`, change)]);
  }
  const { masters } = await client.request<Status>("GET", "/status");
  const found = masters.filter((one) => one.name === name);
  const text = found.length > 0 && options.redundant === undefined ? formatMasters(found) : null;
  const shown = text ?? (await tunnelText(client, name, options.redundant));
  if (shown !== null) return shown;
  throw new EqlError("MASTER_UNKNOWN", `there is no master ${name}: \`eql status\` lists the masters`);
}

export const masterCommand = (): Command =>
  new Command("master")
    .summary("show or change a master")
    .description("Show a master or a server, after changing what the options say.")
    .argument("<MASTER>", "the master's interface, such as eql")
    .option("--max <N>", "most slaves at a time", whole("--max", 1, 255))
    .option("--min <N>", "fewest slaves; kept and shown, nothing depends on it", whole("--min", 1, 255))
    .addOption(
      new Option("--scheduler <NAME>", "how the line for a packet is chosen").choices(SCHEDULER_NAMES),
    )
    .addOption(
      new Option(
        "--redundant <KINDS>",
        "UDP: which packets go by two paths: on, off, or kinds such as sparse,ef,46",
      )
        .argParser(redundant)
        .conflicts(["max", "min", "scheduler"]),
    )
    .addOption(socketOption())
    .addHelpText(
      "after",
      "\nExamples:\n  eql master eql\n  eql master eql --max 8 --scheduler weighted\n  eql master eql --redundant on\n  eql master eql --redundant sparse,ef\n",
    )
    .action(async (master: string, { socket, ...options }: MasterOptions) => {
      process.stdout.write(await masterText(new ControlClient(socketPath(socket)), master, options));
    });
