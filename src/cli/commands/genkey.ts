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
    .description("Print the public key of a private key. The other end has to know it.")
    .argument("[FILE]", "the file with the private key (default: standard input)")
    .addHelpText("after", "\nExamples:\n  eql pubkey /etc/eql/private.key\n  eql genkey | eql pubkey\n")
    .action(async (file: string | undefined) => {
      const { keyText } = await import("../../crypto/key-text.ts");
      const { tunnelCrypto } = await import("../../host/tunnel-crypto.ts");
      const { readKeyFile } = await import("../../config/key-file.ts");
      const key = file === undefined ? await readKey() : readKeyFile(file);
      process.stdout.write(`${keyText(tunnelCrypto(null).keyPair(key).publicKey)}\n`);
    });

/** @throws EqlError REQUEST_INVALID: what is on standard input is no key */
async function readKey(): Promise<Uint8Array> {
  const { text } = await import("node:stream/consumers");
  const { parseKey } = await import("../../crypto/key-text.ts");
  const { EqlError } = await import("../../errors.ts");
  const key = parseKey((await text(process.stdin)).trim());
  if (key !== null) return key;
  throw new EqlError(
    "REQUEST_INVALID",
    "standard input has no private key: one is 44 characters, as `eql genkey` prints it",
  );
}
