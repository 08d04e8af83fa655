import { isDeepStrictEqual } from "node:util";
import { readKeyFile } from "../../config/key-file.ts";
import type { TunnelPeerConfig } from "../../config/tunnel-config.ts";
import { keyText, parseKey } from "../../crypto/key-text.ts";
import type { TunnelPeerChange, TunnelPeerSettings } from "../../host/engine/tunnel-messages.ts";
import type { TunnelTools } from "./tunnel-tools.ts";

type Settings = ReadonlyMap<string, TunnelPeerSettings>;

/** The clients of a server, which bring their paths: who may come, with what. They change while others go on. */
export class ServerClients {
  readonly #engine: TunnelTools["engine"];
  #settings: Settings;
  /** What was asked for of all of them, whatever the file says; null: nothing. */
  #redundant: TunnelPeerSettings["redundant"] | null = null;

  constructor(settings: readonly TunnelPeerSettings[], engine: TunnelTools["engine"]) {
    this.#engine = engine;
    this.#settings = byName(settings);
  }

  /** Lets them in. */
  async begin(): Promise<void> {
    for (const settings of this.#settings.values()) await this.#engine.request("addTunnelPeer", settings);
  }

  async setRedundant(redundant: TunnelPeerSettings["redundant"]): Promise<void> {
    this.#redundant = redundant;
    for (const { tunnel, peer } of this.#settings.values()) {
      await this.#engine.request("changeTunnelPeer", { tunnel, peer, redundant });
    }
  }

  /** Those whose preshared key alone is another one. */
  rekeyed(settings: readonly TunnelPeerSettings[]): readonly string[] {
    return settings.flatMap((after) => {
      const before = this.#settings.get(after.peer);
      const isRekeyed =
        before !== undefined &&
        !hasSameKeys(before, after) &&
        keyText(before.publicKey) === keyText(after.publicKey);
      return isRekeyed ? [after.peer] : [];
    });
  }

  /** Whoever keeps the keys keeps the session, too. */
  async change(settings: readonly TunnelPeerSettings[]): Promise<void> {
    const was = this.#settings;
    const is = byName(settings);
    this.#settings = is;
    // First whoever goes: another one may come with the same key.
    for (const [peer, before] of was) {
      const { tunnel } = before;
      if (!hasSameKeys(before, is.get(peer)))
        await this.#engine.request("removeTunnelPeer", { tunnel, peer });
    }
    for (const [peer, after] of is) {
      const before = was.get(peer);
      if (before === undefined || !hasSameKeys(before, after)) {
        await this.#engine.request("addTunnelPeer", this.#asAsked(after));
        continue;
      }
      const change = changeOf(before, after);
      const { tunnel } = after;
      if (change !== null) await this.#engine.request("changeTunnelPeer", { tunnel, peer, ...change });
    }
  }

  #asAsked(settings: TunnelPeerSettings): TunnelPeerSettings {
    return { ...settings, redundant: this.#redundant ?? settings.redundant };
  }
}

/** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID: the file of its preshared key */
export const settingsOf = (tunnel: string, peer: TunnelPeerConfig): TunnelPeerSettings => ({
  tunnel,
  peer: peer.name,
  publicKey: parseKey(peer.publicKey) as Uint8Array,
  presharedKey: peer.presharedKeyFile === null ? null : readKeyFile(peer.presharedKeyFile),
  servers: [],
  networks: peer.networks,
  sendBps: peer.sendBps,
  receiveBps: peer.receiveBps,
  redundant: peer.redundant,
});

const byName = (settings: readonly TunnelPeerSettings[]): Settings =>
  new Map(settings.map((each) => [each.peer, each]));

const keysOf = ({ publicKey, presharedKey }: TunnelPeerSettings): string =>
  `${keyText(publicKey)} ${presharedKey === null ? "" : keyText(presharedKey)}`;

const hasSameKeys = (some: TunnelPeerSettings, other: TunnelPeerSettings | undefined): boolean =>
  other !== undefined && keysOf(some) === keysOf(other);

/** @returns null: nothing */
function changeOf(was: TunnelPeerSettings, is: TunnelPeerSettings): TunnelPeerChange | null {
  const change: TunnelPeerChange = {
    ...(was.networks.join() !== is.networks.join() && { networks: is.networks }),
    ...(was.sendBps !== is.sendBps && { sendBps: is.sendBps }),
    ...(was.receiveBps !== is.receiveBps && { receiveBps: is.receiveBps }),
    ...(!isDeepStrictEqual(was.redundant, is.redundant) && { redundant: is.redundant }),
  };
  return Object.keys(change).length === 0 ? null : change;
}
