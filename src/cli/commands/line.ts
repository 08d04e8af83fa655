import { Command, Option } from "commander";
import type { LineRequest, PathChange, PathTier, Status, TunnelStatus } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { formatTunnels } from "../format-tunnels.ts";
import { MAX_BPS } from "../numbers.ts";
import { number, type SocketOption, segment, socketOption, whole } from "../options.ts";

interface AddOptions extends SocketOption {
  readonly device?: string;
  readonly interface?: string;
  readonly protocol?: string;
  readonly speed?: number;
  readonly rate?: number;
  readonly rtscts?: true;
  /** False with --no-lock, else true. */
  readonly lock: boolean;
  readonly dial?: string;
  readonly number?: string[];
  readonly upCommand?: string;
  readonly mtu?: number;
  readonly master?: string;
  readonly address?: string;
  readonly peer?: string;
  readonly route?: string[];
  readonly defaultRoute?: true;
  readonly echoInterval?: number;
  readonly echoFailures?: number;
  readonly server?: string[];
  readonly localAddress?: string;
  readonly tier?: PathTier;
  readonly sendLimit?: number;
  readonly receiveLimit?: number;
}

/** The options under the keys of `[line.NAME]`, those that were given; the daemon knows the defaults and the rest. */
function settingsOf({
  socket: _socket,
  route,
  number: numbers,
  lock,
  ...options
}: AddOptions): LineRequest["settings"] {
  const settings: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(options)) {
    settings[option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)] = value;
  }
  if (route !== undefined) settings["routes"] = route;
  if (numbers !== undefined) settings["numbers"] = numbers;
  if (!lock) settings["lock"] = false;
  return settings;
}

const limit = (name: string): ((text: string) => number) => whole(name, 1000, 1e11);
const tierOption = (): Option =>
  new Option("--tier <T>", "when its path carries packets").choices(["primary", "overflow", "backup"]);

const addCommand = (): Command =>
  new Command("add")
    .summary("add a line")
    .description("Add a line while the daemon runs, as [line.NAME] in the configuration does.")
    .argument("<NAME>", "name of its interface, such as sl0")
    .option(
      "--device <D>",
      "the tty, or with udp the interface that datagrams leave by; either this or --interface",
    )
    .option("--interface <NAME>", "an existing interface that carries IP without Ethernet headers")
    .option("--protocol <P>", "slip, ppp or udp (default: slip)")
    .option("--speed <N>", "speed of the port in bits per second", whole("--speed", 50, 100_000_000))
    .option("--rate <N>", "estimated bits per second (default: the speed)", whole("--rate", 1, MAX_BPS))
    .option("--rtscts", "hardware flow control by RTS and CTS")
    .option("--no-lock", "take no UUCP lock file")
    .option("--dial <NAME>", "the [dial.NAME] of the configuration by which the far side is called")
    .option("--number <N...>", "numbers to dial in turn (default: those of --dial)")
    .option("--up-command <C>", "a command for the shell, run each time the line is up")
    .option("--mtu <N>", "largest IP packet in octets", whole("--mtu", 68, 16384))
    .option("--master <NAME>", "the master that the line joins")
    .option("--address <A>", "address of this side while the line is alone")
    .option("--peer <A>", "address of the far side while the line is alone")
    .option("--route <PREFIX...>", "networks behind the line while it is alone, such as 192.168.7.0/24")
    .option("--default-route", "the default route leads through the line while it is alone")
    .option(
      "--echo-interval <S>",
      "seconds between two echoes to the peer",
      number("--echo-interval", 0.1, 3600),
    )
    .option(
      "--echo-failures <N>",
      "unanswered echoes after which the line is silent",
      whole("--echo-failures", 1, 100),
    )
    .option(
      "--server <HOST:PORT...>",
      "where the server is reached by the line (default: as its master says)",
    )
    .option("--local-address <A>", "udp: its own address")
    .addOption(tierOption())
    .option("--send-limit <N>", "most that is sent by its path, in bits per second", limit("--send-limit"))
    .option(
      "--receive-limit <N>",
      "most that the server sends by its path, in bits per second",
      limit("--receive-limit"),
    )
    .addOption(socketOption())
    .addHelpText(
      "after",
      `
Examples:
  eql line add sl0 --device /dev/ttyS0 --speed 57600 --rate 28800 --rtscts --master eql
  eql line add ppp0 --device /dev/ttyS1 --speed 115200 --protocol ppp --dial isp --number 5551000
  eql line add wan --interface ppp0 --rate 128000 --master eql
  eql line add lte --protocol udp --device wwan0 --master eql --tier backup
`,
    )
    .action(async (name: string, options: AddOptions) => {
      const body: LineRequest = { name, settings: settingsOf(options) };
      await new ControlClient(socketPath(options.socket)).request("POST", "/lines", body);
    });

const removeCommand = (): Command =>
  new Command("remove")
    .summary("remove a line")
    .description("Remove a line: it leaves its master, its interface goes, its device is free again.")
    .argument("<NAME>", "name of the line")
    .addOption(socketOption())
    .addHelpText("after", "\nExample:\n  eql line remove sl0\n")
    .action(async (name: string, { socket }: SocketOption) => {
      await new ControlClient(socketPath(socket)).request("DELETE", `/lines/${segment(name)}`);
    });

/** Bits per second. */
type Limit = number | "none";

interface SetOptions extends SocketOption {
  readonly tier?: PathTier;
  readonly sendLimit?: Limit;
  readonly receiveLimit?: Limit;
}

const limitOrNone =
  (name: string): ((text: string) => Limit) =>
  (text) =>
    text === "none" ? text : limit(name)(text);

const bpsOf = (given: Limit | undefined): number | null | undefined => (given === "none" ? null : given);

async function setPath(name: string, { socket, tier, sendLimit, receiveLimit }: SetOptions): Promise<void> {
  const client = new ControlClient(socketPath(socket));
  const { tunnels } = await client.request<Status>("GET", "/status");
  const tunnel = tunnels.find(
    ({ listen, peers, waiting }) =>
      listen.length === 0 &&
      (waiting.some(({ path }) => path === name) ||
        peers.some(({ paths }) => paths.some((path) => path.name === name))),
  );
  if (tunnel === undefined) {
    throw new EqlError("LINE_UNKNOWN", `there is no path ${name}: \`eql status\` lists those that there are`);
  }
  const change: PathChange = { tier, sendBps: bpsOf(sendLimit), receiveBps: bpsOf(receiveLimit) };
  const path = `/tunnels/${segment(tunnel.name)}/paths/${segment(name)}`;
  process.stdout.write(formatTunnels([await client.request<TunnelStatus>("PATCH", path, change)]));
}

const setCommand = (): Command =>
  new Command("set")
    .summary("change a line to a server")
    .description("Change the path of a line to a server while the daemon runs, then show its master.")
    .argument("<NAME>", "name of the line, such as lte")
    .addOption(tierOption())
    .option(
      "--send-limit <N>",
      "most that is sent by its path, in bits per second, or none",
      limitOrNone("--send-limit"),
    )
    .option(
      "--receive-limit <N>",
      "most that the server sends by its path, or none",
      limitOrNone("--receive-limit"),
    )
    .addOption(socketOption())
    .addHelpText("after", "\nExample:\n  eql line set lte --tier backup --send-limit 5000000\n")
    .action(async (name: string, options: SetOptions, command: Command) => {
      const { tier, sendLimit, receiveLimit } = options;
      if (tier === undefined && sendLimit === undefined && receiveLimit === undefined) {
        command.error("error: nothing to set; give --tier, --send-limit or --receive-limit", { exitCode: 2 });
      }
      await setPath(name, options);
    });

export const lineCommand = (): Command =>
  new Command("line")
    .summary("add, remove or change lines")
    .description("Add, remove or change lines while the daemon runs.")
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(setCommand());
