import { Command, Option } from "commander";

interface FileOption {
  readonly file: string;
}

interface AddOptions extends FileOption {
  readonly chap?: true;
  readonly protocol?: string;
  readonly address?: string;
}

const FILE = "/etc/eql/users.toml";
const fileOption = (): Option => new Option("-f, --file <FILE>", "the users' file").default(FILE);

const hashCommand = (): Command =>
  new Command("hash")
    .summary("print what stands for a password")
    .description(
      "Print what stands for a password in a users' file. The password comes from standard input: its first line, " +
        "or what is typed twice.",
    )
    .addHelpText("after", "\nExample:\n  eql user hash\n")
    .action(async () => {
      const { readPassword } = await import("../read-password.ts");
      const { hashPassword } = await import("../../host/password.ts");
      process.stdout.write(`${await hashPassword(Buffer.from(await readPassword()))}\n`);
    });

const addCommand = (): Command =>
  new Command("add")
    .summary("add a user, or change a password")
    .description(
      "Add a user, or give one another password, which comes from standard input: its first line, or what is " +
        "typed twice. A daemon that runs takes it at once.",
    )
    .argument("<NAME>", "the user's name")
    .option("--chap", "keep the password as it is, too: CHAP and MS-CHAPv2 need that")
    .addOption(
      new Option("--protocol <P>", "what is spoken after a login (default: any)").choices([
        "ppp",
        "slip",
        "any",
      ]),
    )
    .option("--address <A>", "the user's address (default: one of the line's pool)")
    .addOption(fileOption())
    .addHelpText("after", "\nExamples:\n  eql user add joe\n  pwgen 20 1 | eql user add joe --chap\n")
    .action(async (name: string, { file, chap, protocol, address }: AddOptions) => {
      const { readPassword } = await import("../read-password.ts");
      const { addUser } = await import("../users.ts");
      const password = await readPassword();
      await addUser(file, { name, password, chap: chap === true, protocol, address });
    });

const removeCommand = (): Command =>
  new Command("remove")
    .summary("remove a user")
    .description("Remove a user. A call that there is goes on; there is none after it.")
    .argument("<NAME>", "the user's name")
    .addOption(fileOption())
    .addHelpText("after", "\nExample:\n  eql user remove joe\n")
    .action(async (name: string, { file }: FileOption) => {
      (await import("../users.ts")).removeUser(file, name);
    });

const listCommand = (): Command =>
  new Command("list")
    .summary("list the users")
    .description("List the users.")
    .addOption(fileOption())
    .addHelpText("after", "\nExample:\n  eql user list\n")
    .action(async ({ file }: FileOption) => {
      process.stdout.write((await import("../users.ts")).listUsers(file));
    });

export const userCommand = (): Command =>
  new Command("user")
    .summary("who may call")
    .description("The users who may call and log in (docs/answering.md).")
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(listCommand())
    .addCommand(hashCommand());
