import { hostname } from "node:os";
import type { LcpSettings, MultilinkSettings, NetworkSettings, RestartSettings } from "../ppp/settings.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import type { LineConfig, PppConfig } from "./config.ts";
import { parseEndpoint, parseInterfaceIdentifier } from "./ppp-words.ts";
import type { LineTable } from "./schema.ts";

/** A PPP line's keys, from those of the file to what the machines take. */

/** Every implementation reassembles as many octets (RFC 1990, section 5.1.1). */
const LEAST_MRRU = 1500;

/** What the rest of the line is: a PPP line takes from it what it has in common with others. */
export type PppLineBasis = Pick<LineConfig, "mtu" | "master" | "address" | "peer" | "echo">;

export function completePpp(table: LineTable, line: PppLineBasis): PppConfig {
  const restart: RestartSettings = {
    restartMs: table.restart * 1000,
    maxConfigure: table["max-configure"],
    maxTerminate: table["max-terminate"],
    maxFailure: table["max-failure"],
  };
  const name = table.name ?? hostname();
  return {
    lcp: completeLcp(table, line, restart),
    auth: {
      require: table["require-auth"],
      refuse: table["refuse-auth"],
      name,
      user: table.user ?? name,
      remoteName: table["remote-name"] ?? null,
      password: table.password ?? null,
      deferred: false,
      timeoutMs: table["auth-timeout"] * 1000,
    },
    secrets: table.secrets,
    papSecretsFile: table["pap-secrets"],
    chapSecretsFile: table["chap-secrets"],
    network: completeNetwork(table, line, restart),
    debug: table.debug,
    scripts: table.scripts ?? null,
    ipparam: table.ipparam ?? null,
    linkName: table["link-name"] ?? null,
    bundle: table.bundle ?? null,
  };
}

function completeLcp(table: LineTable, line: PppLineBasis, restart: RestartSettings): LcpSettings {
  return {
    ...restart,
    mru: table.mru ?? line.mtu,
    asyncMap: table.asyncmap === 0xffffffff ? null : table.asyncmap,
    protocolCompression: table["protocol-compression"],
    addressCompression: table["address-compression"],
    magicNumber: table["magic-number"],
    multilink: (table.multilink ?? line.master !== null) ? completeMultilink(table, line) : null,
    echo: line.echo,
    identification: table.identification ?? null,
    start: table.start,
  };
}

/** Without an endpoint of its own, a line is given that of the daemon when it is brought up. */
function completeMultilink(table: LineTable, { mtu }: PppLineBasis): MultilinkSettings {
  return {
    mrru: table.mrru ?? Math.max(LEAST_MRRU, mtu),
    shortSequenceNumbers: table["short-sequence-numbers"],
    endpoint: table.endpoint === undefined ? null : parseEndpoint(table.endpoint),
  };
}

function completeNetwork(table: LineTable, line: PppLineBasis, restart: RestartSettings): NetworkSettings {
  const local = line.address === null ? null : parseIpAddress(line.address);
  const remote = line.peer === null ? null : parseIpAddress(line.peer);
  const identifier = (text: string | undefined): Uint8Array | null =>
    text === undefined ? null : parseInterfaceIdentifier(text);
  return {
    ...restart,
    ipv4: table.ipv4
      ? {
          local,
          remote,
          acceptLocal: table["accept-local"] ?? local === null,
          acceptRemote: table["accept-remote"] ?? remote === null,
          askDns: table["ask-dns"],
          dns: table.dns.map(parseIpAddress).filter((octets) => octets !== null),
        }
      : null,
    ipv6: table.ipv6
      ? {
          local: identifier(table["interface-identifier"]),
          remote: identifier(table["peer-interface-identifier"]),
        }
      : null,
  };
}
