import { Command } from "commander";

export const genkeyCommand = (): Command =>
  new Command("genkey")
    .summary("make a private key")
    .description(
      "Print a new private key for UDP links: 44 characters, as WireGuard's. Another one can be the preshared key of two ends.",
    )
    .option("-o, --out <FILE>", "write it to a new file that only its owner may read, and print nothing")
    .addHelpText(
      "after",
      "\nExamples:\n  eql genkey --out /etc/eql/private.key\n  (umask 077 && eql genkey > /etc/eql/private.key)\n",
    )
    .action(async ({ out }: { out?: string }) => {
      const { newPrivateKey } = await import("../../host/tunnel-crypto.ts");
      if (out !== undefined) {
        const { writeKeyFile } = await import("../../config/key-file.ts");
        writeKeyFile(out, newPrivateKey());
        return;
      }
      const { fstatSync } = await import("node:fs");
      const { keyText } = await import("../../crypto/key-text.ts");
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
