import { Command } from "commander";

export const genkeyCommand = (): Command =>
  new Command("genkey")
    .summary("make a private key")
    .description(
      "Print a new private key for UDP links: 44 characters, as WireGuard's. Another one can be the preshared key of two ends.",
    )
    .addHelpText("after", "\nExample:\n  (umask 077 && eql genkey > /etc/eql/private.key)\n")
    .action(async () => {
      const { fstatSync } = await import("node:fs");
      const { keyText } = await import("../../crypto/key-text.ts");
      const { newPrivateKey } = await import("../../host/tunnel-crypto.ts");
      const output = fstatSync(1);
      if (output.isFile() && (output.mode & 0o077) !== 0) {
        process.stderr.write(
          "eql: others may read the file that this key goes to; use `umask 077` before, or `chmod 600` now\n",
        );
      }
      process.stdout.write(`${keyText(newPrivateKey())}\n`);
    });

export const pubkeyCommand = (): Command =>
  new Command("pubkey")
    .summary("print a private key's public key")
    .description("Print the public key of the private key on standard input. The other end has to know it.")
    .addHelpText("after", "\nExample:\n  cat /etc/eql/private.key | eql pubkey\n")
    .action(async () => {
      const { text } = await import("node:stream/consumers");
      const { keyText, parseKey } = await import("../../crypto/key-text.ts");
      const { EqlError } = await import("../../errors.ts");
      const { tunnelCrypto } = await import("../../host/tunnel-crypto.ts");
      const key = parseKey((await text(process.stdin)).trim());
      if (key === null) {
        throw new EqlError(
          "REQUEST_INVALID",
          "standard input has no private key: one is 44 characters, as `eql genkey` prints it",
        );
      }
      process.stdout.write(`${keyText(tunnelCrypto(null).keyPair(key).publicKey)}\n`);
    });
