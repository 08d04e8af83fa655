import { hostname } from "node:os";
import type { RadiusConfig } from "../../config/radius-keys.ts";
import { readSecretLine } from "../../config/secrets-file.ts";
import { RadiusAuthority, type RadiusLog } from "./radius.ts";
import { RadiusAccounting } from "./radius-accounting.ts";
import { RadiusClient } from "./radius-client.ts";

/** RADIUS servers as they are configured: who is let in, and to whom sessions are told. */
export class RadiusService {
  readonly authority: RadiusAuthority;
  /** Null: they are not told of sessions. */
  readonly accounting: RadiusAccounting | null;
  readonly #client: RadiusClient;

  /** @throws EqlError CONFIG_UNREADABLE: the secret */
  constructor(config: RadiusConfig, log: RadiusLog) {
    const secret = Buffer.from(readSecretLine(config.secretFile));
    const nas = { identifier: config.identifier ?? hostname(), address: config.address };
    const clientOf = (port: number): RadiusClient =>
      new RadiusClient(
        config.servers.map((host) => ({ host, port, secret })),
        config,
      );
    this.#client = clientOf(config.authPort);
    this.authority = new RadiusAuthority(this.#client, nas, log);
    const { accountingPort, interimMs } = config;
    this.accounting =
      accountingPort === null ? null : new RadiusAccounting(clientOf(accountingPort), nas, interimMs, log);
  }

  /** Nobody is let in any more; what is to be told of sessions is, but not for longer than a limit. */
  async close(limitMs: number): Promise<void> {
    this.#client.close();
    await this.accounting?.close(limitMs);
  }
}
