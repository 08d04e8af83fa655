import { Command } from "commander";
import { describePhoneEvent } from "../phone-view.ts";
import { untilSignal } from "../signals.ts";

interface PhoneCommandOptions {
  readonly config: string;
}

const phoneCommand = (): Command =>
  new Command("phone")
    .summary("modems and a telephone network on ptys")
    .description(
      "Modems with Hayes commands on devices of this machine, and telephone lines between them, until it is " +
        "interrupted. Says what happens on standard output.",
    )
    .requiredOption("-c, --config <FILE>", "modems and numbers, TOML")
    .addHelpText("after", "\nExample:\n  eql lab phone -c examples/lab/phones.toml\n")
    .action(async ({ config: file }: PhoneCommandOptions) => {
      const { loadPhones } = await import("../../config/phones.ts");
      const { PhoneLab } = await import("../../lab/phone-lab.ts");
      const { monotonicNow } = await import("../../host/clock.ts");
      const config = loadPhones(file);
      const interrupted = untilSignal();
      const startedAt = monotonicNow();
      const lab = await PhoneLab.start({
        ...config,
        onEvent: (event) => process.stdout.write(`${describePhoneEvent(event, startedAt)}\n`),
      });
      for (const { modem, link } of config.links) process.stdout.write(`modem ${modem}: ${link}\n`);
      const stop = (): void => void lab.close();
      if (interrupted.aborted) stop();
      else interrupted.addEventListener("abort", stop);
      await lab.ended();
    });

export const labCommand = (): Command =>
  new Command("lab")
    .summary("virtual hardware")
    .description("Virtual hardware to try things with.")
    .addCommand(phoneCommand());
