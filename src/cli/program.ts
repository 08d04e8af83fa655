import { Command } from "commander";
import { packageVersion } from "./version.ts";

/**
 * All commands, in the order of the help, each in a file of its own that is loaded when it is called, and that loads
 * what its work needs when it works.
 */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import("./commands/up.ts")).upCommand(),
  reload: async () => (await import("./commands/reload.ts")).reloadCommand(),
  down: async () => (await import("./commands/down.ts")).downCommand(),
  status: async () => (await import("./commands/status.ts")).statusCommand(),
  enslave: async () => (await import("./commands/enslave.ts")).enslaveCommand(),
  emancipate: async () => (await import("./commands/enslave.ts")).emancipateCommand(),
  dial: async () => (await import("./commands/dial.ts")).dialCommand(),
  hangup: async () => (await import("./commands/dial.ts")).hangupCommand(),
  slave: async () => (await import("./commands/slave.ts")).slaveCommand(),
  master: async () => (await import("./commands/master.ts")).masterCommand(),
  line: async () => (await import("./commands/line.ts")).lineCommand(),
  capture: async () => (await import("./commands/capture.ts")).captureCommand(),
  pppd: async () => (await import("./commands/pppd.ts")).pppdCommand(),
  chat: async () => (await import("./commands/chat.ts")).chatCommand(),
  answer: async () => (await import("./commands/answer.ts")).answerCommand(),
  user: async () => (await import("./commands/user.ts")).userCommand(),
  server: async () => (await import("./commands/server.ts")).serverCommand(),
  client: async () => (await import("./commands/client.ts")).clientCommand(),
  genkey: async () => (await import("./commands/genkey.ts")).genkeyCommand(),
  pubkey: async () => (await import("./commands/genkey.ts")).pubkeyCommand(),
  "check-config": async () => (await import("./commands/check-config.ts")).checkConfigCommand(),
  import: async () => (await import("./commands/import.ts")).importCommand(),
  demo: async () => (await import("./commands/demo.ts")).demoCommand(),
  lab: async () => (await import("./commands/lab.ts")).labCommand(),
  bench: async () => (await import("./commands/bench.ts")).benchCommand(),
};

const EXAMPLES = `
Examples:
  eql demo                          two hosts and two serial lines on this machine, alone and bonded
  eql up -c /etc/eql.toml           run the daemon
  eql status --watch                see what the lines do
  eql enslave eql sl0 28800         let sl0 carry packets of eql
  eql capture sl0 | tshark -r -     look at a line's packets

Exit codes: 0 done; 1 failed, and standard error says why; 2 wrong usage.
The daemon is looked for at --socket, else at EQL_SOCKET, else at /run/eql/eql.sock.
`;

/** Gives a command and all below it the manners of the program. */
function settle(command: Command, parent: Command, path: string): void {
  command.copyInheritedSettings(parent);
  command.showHelpAfterError(`try \`${path} --help\``);
  for (const below of command.commands) settle(below, command, `${path} ${below.name()}`);
}

/** The program with the command that `args` calls, or with all of them when that is unclear (help, a mistyped name). */
export async function loadProgram(args: readonly string[]): Promise<Command> {
  const program = new Command("eql")
    .description("Spreads IP over several serial lines, so that they act as one.")
    .usage("COMMAND [options]")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [COMMAND]", "print the help of a command")
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError("try `eql --help`")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "eql: ")) });
  const called = args[0] === "help" ? args[1] : args[0];
  const one = called === undefined || !Object.hasOwn(COMMANDS, called) ? undefined : COMMANDS[called];
  const loads = one === undefined ? Object.values(COMMANDS) : [one];
  for (const command of await Promise.all(loads.map((load) => load()))) {
    settle(command, program, `eql ${command.name()}`);
    program.addCommand(command);
  }
  return program;
}
