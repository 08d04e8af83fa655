import { Command } from "commander";
import { ControlClient, socketPath } from "../control-client.ts";
import { type SocketOption, socketOption } from "../options.ts";

export const downCommand = (): Command =>
  new Command("down")
    .summary("end the daemon")
    .description("End the daemon; returns when its interfaces, routes and locks are gone.")
    .addOption(socketOption())
    .action(async ({ socket }: SocketOption) => {
      await new ControlClient(socketPath(socket)).request("POST", "/down");
    });
