import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { formatHostPort, type HostPort, parseHostPort } from "../../config/tunnel-words.ts";

/** A host's addresses, the preferred one first, as the system knows them. */
export const resolveHost = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true, order: "verbatim" })).map(({ address }) => address);

export interface ServerAddresses {
  /** ADDRESS:PORT each, in the order in which they are called. */
  readonly places: readonly string[];
  /** What could not be found out, in words; empty: nothing. */
  readonly trouble: string;
}

export const isNamed = (server: string): boolean => isIP(parseHostPort(server)?.host ?? "") === 0;

/**
 * Finds the addresses of all servers. A name that nobody knows now has those that it had.
 * @param known what each was found to be; what is found is put there
 */
export async function findServers(
  servers: readonly string[],
  known: Map<string, readonly string[]>,
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<ServerAddresses> {
  const troubles: string[] = [];
  const found = await Promise.all(
    servers.map(async (server) => {
      const { host, port } = parseHostPort(server) as HostPort;
      if (!isNamed(server)) return [server];
      try {
        const places = (await resolve(host)).map((address) => formatHostPort({ host: address, port }));
        known.set(server, places);
        return places;
      } catch (error) {
        troubles.push(`${host} has no known address: ${whyOf(error as NodeJS.ErrnoException)}`);
        return known.get(server) ?? [];
      }
    }),
  );
  return { places: [...new Set(found.flat())], trouble: troubles.join("; ") };
}

const REASONS: Readonly<Record<string, string>> = {
  EAI_AGAIN: "no name server answers",
  ENOTFOUND: "there is no such name",
};

const whyOf = ({ code = "", message }: NodeJS.ErrnoException): string =>
  code === "" ? message : `${REASONS[code] ?? "it was not found"} (${code})`;
