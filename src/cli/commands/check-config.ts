import { Command } from "commander";

export const checkConfigCommand = (): Command =>
  new Command("check-config")
    .summary("check a configuration file")
    .description("Check a configuration file without touching anything; says every error at once.")
    .argument("<FILE>", "the configuration, TOML")
    .addHelpText("after", "\nExample:\n  eql check-config /etc/eql.toml\n")
    .action(async (file: string) => {
      const { loadConfig } = await import("../../config/load.ts");
      loadConfig(file);
      process.stdout.write(`${file}: ok\n`);
    });
