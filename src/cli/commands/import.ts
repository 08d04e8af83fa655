import { Command } from "commander";

export const importCommand = (): Command =>
  new Command("import")
    .summary("translate a configuration of the time")
    .description(
      "Translate a configuration of another program to TOML, on standard output, without touching anything; says every error at once.",
    )
    .addCommand(runslipCommand());

const runslipCommand = (): Command =>
  new Command("runslip")
    .summary("DSLIP's runslip.conf")
    .description(
      "Translate the runslip.conf of DSLIP: its lines, how they are dialed, and the master they join.",
    )
    .argument("<FILE>", "the file, often /etc/slip/runslip.conf")
    .addHelpText("after", "\nExample:\n  eql import runslip /etc/slip/runslip.conf\n")
    .action(async (file: string) => {
      const { loadRunslip } = await import("../../config/load.ts");
      process.stdout.write(loadRunslip(file).toml);
    });
