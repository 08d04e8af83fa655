import { Command, Option } from "commander";
import type { Config } from "../../config/config.ts";
import { type DaemonOptions, daemonOptions, runConfig } from "../daemon-options.ts";
import { redundant, whole } from "../options.ts";
import type { ClientOptions } from "../tunnel-set-up.ts";

interface Options extends ClientOptions, DaemonOptions {}

export const clientCommand = (): Command =>
  daemonOptions(
    new Command("client")
      .summary("run a client of a server for UDP links")
      .description(
        "Call a server by UDP, by all uplinks at once, without a configuration, in the foreground. It prints its public key, which the server has to know. Without --device, `eql reload` has it call by uplinks that came later, too.",
      )
      .requiredOption("--server <HOST:PORT...>", "the server; of several, the first that answers")
      .requiredOption("--server-key <KEY>", "the server's public key")
      .option("--address <A...>", "address of this side; of several, each with its prefix length")
      .option("--peer <A>", "address of the server's side")
      .option("--device <IF...>", "interfaces by which it is called (default: all with a default route)")
      .option("--key-file <FILE>", "our private key; made if it is missing", "/etc/eql/client.key")
      .option("--preshared-key-file <FILE>", "a key that only we and the server have, besides")
      .option("--name <NAME>", "name of the interface", "eql")
      .option("--mtu <N>", "largest IP packet in octets (default: 1440)", whole("--mtu", 576, 16384))
      .option("--route <PREFIX...>", "networks behind the server, such as 192.168.7.0/24")
      .option("--default-route", "the default route leads through the server")
      .option("--dns <A...>", "name servers that this host asks while the server answers")
      .option("--dns-search <DOMAIN...>", "domains in which names are looked for then")
      .addOption(
        new Option(
          "--redundant [KINDS]",
          "packets go by two paths: all, or kinds such as sparse,ef",
        ).argParser(redundant),
      ),
  )
    .addHelpText(
      "after",
      `
Examples:
  eql client --server vpn.example.org:7411 --server-key KEY --address 10.98.0.2 --peer 10.98.0.1
  eql client --server 192.0.2.1:7411 --server-key KEY --default-route --device eth0 wwan0
`,
    )
    .action(async (options: Options) => {
      const { clientConfig, findUplinks } = await import("../tunnel-set-up.ts");
      const { ownPublicKey } = await import("../own-key.ts");
      const devices = new Set(options.device);
      const readConfig = (): Config => {
        if (options.device === undefined) for (const found of findUplinks().devices) devices.add(found);
        devices.delete(options.name);
        return clientConfig(options, [...devices]);
      };
      const config = readConfig();
      process.stdout.write(`eql server --client ${ownPublicKey(options.keyFile)}\n`);
      await runConfig(config, options.device === undefined ? readConfig : null, options);
    });
