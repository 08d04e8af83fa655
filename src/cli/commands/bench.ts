import { Command } from "commander";

export const benchCommand = (): Command => new Command("bench").description("Not here yet.");
