import { randomUUID } from "node:crypto";
import type { AddressRange } from "../../config/address-range.ts";
import type { MasterConfig } from "../../config/config.ts";
import type { EngineClient } from "../../host/engine/client.ts";
import type { Netlink } from "../../host/netlink.ts";
import type { Line } from "../line.ts";
import type { LineKeeper } from "../line-keeper.ts";
import type { Logger } from "../log.ts";
import type { Addresses } from "./addresses.ts";
import type { Grant } from "./authority.ts";

const MOST_UNITS = 10_000;
const MOST_LINKS = 255;

export interface CallersTools {
  readonly engine: EngineClient;
  readonly netlink: Netlink;
  readonly keeper: LineKeeper;
  readonly log: Logger;
  readonly addresses: Addresses;
  readonly addMaster: (config: MasterConfig) => Promise<void>;
}

/** Where somebody called, as far as it decides on what he gets. */
export interface Entrance {
  /** Who knows the caller: by the same name, another authority means somebody else. */
  readonly realm: string;
  readonly local: string;
  readonly mtu: number;
  /** For callers without addresses of their own. */
  readonly pool: readonly AddressRange[];
  /** Where the account says nothing; null: no limit. */
  readonly maxLines: number | null;
}

/** A line's place among those of its caller: from when it was let in until its line is gone. */
export interface Place {
  readonly caller: Caller;
  readonly grant: Grant;
  /** Null: the link has not begun. */
  line: Line | null;
}

/** Somebody who has lines: one alone, or several that are a bundle, which lasts as long as he has any. */
interface Caller {
  readonly id: string;
  /** Of realm and user. */
  readonly key: string;
  readonly user: string;
  readonly local: string;
  /** On all lines. */
  readonly address: string;
  readonly mtu: number;
  readonly places: Set<Place>;
  /** The bundle's interface; null: there is none yet. */
  master: string | null;
  made: Promise<void> | null;
}

/** Who is there: how many lines everybody has, by which address, and that lines of the same caller are one bundle. */
export class Callers {
  readonly #tools: CallersTools;
  readonly #callers = new Map<string, Caller>();
  /** Callers whose last line is gone, until nothing is left of them. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #reserved = new Set<string>();

  constructor(tools: CallersTools) {
    this.#tools = tools;
  }

  /** @returns text: why somebody who has the right name and password is not let in all the same */
  async admit(grant: Grant, entrance: Entrance): Promise<Place | string> {
    const { user } = grant;
    const key = JSON.stringify([entrance.realm, user]);
    await this.#leaving.get(key);
    const present = this.#callers.get(key);
    const most = grant.maxLines ?? entrance.maxLines;
    const count = present?.places.size ?? 0;
    if (most !== null && count >= most) return `${user} has ${count} lines, and no more are allowed`;
    const caller = present ?? this.#begin(key, grant, entrance);
    if (typeof caller === "string") return caller;
    const place: Place = { caller, grant, line: null };
    caller.places.add(place);
    return place;
  }

  /**
   * The line of a place is about to be opened, or to get its network.
   * @returns the master that it is to join; null: it is its caller's only one, and needs none
   */
  async gather(own: Place): Promise<string | null> {
    const { caller, grant } = own;
    // Networks behind a caller are reached by the bundle, whichever lines it has.
    const needsNone = caller.places.size < 2 && (grant.routes ?? []).length === 0;
    if (needsNone && caller.master === null) return null;
    const master = await this.bundle(caller);
    const { lines } = await this.#tools.engine.request("status", {});
    for (const place of caller.places) {
      const { line } = place;
      if (place === own || line === null || line.wants === master) continue;
      line.wants = master;
      const bps = lines.find(({ name }) => name === line.name)?.rateGivenBps ?? line.config.rateBps;
      await this.#tools.engine.request("enslave", { master, slave: line.name, bps }).catch((error: Error) => {
        // It joins as soon as it can.
        this.#tools.log.debug({ line: line.name, master, reason: error.message }, "not enslaved yet");
      });
    }
    return master;
  }

  /** The caller's bundle, which is made if there is none. @returns its master */
  async bundle(caller: Caller): Promise<string> {
    caller.made ??= this.#makeMaster(caller);
    await caller.made;
    return caller.master as string;
  }

  /** The line of a place is gone. */
  async leave(place: Place): Promise<void> {
    const { caller } = place;
    if (!caller.places.delete(place) || caller.places.size > 0) return;
    this.#callers.delete(caller.key);
    const gone = this.#takeLeave(caller).finally(() => this.#leaving.delete(caller.key));
    this.#leaving.set(caller.key, gone);
    await gone;
  }

  async #takeLeave({ made, address, ...caller }: Caller): Promise<void> {
    await made?.catch(() => {}); // told to its lines
    if (caller.master !== null) await this.#removeMaster(caller.master);
    this.#tools.addresses.release(address);
  }

  #begin(key: string, { user, address: own, pool, mtu: ownMtu }: Grant, entrance: Entrance): Caller | string {
    const { addresses } = this.#tools;
    const { local } = entrance;
    const mtu = ownMtu ?? entrance.mtu;
    if (own !== null && !addresses.claim(own)) return `the address ${own} of ${user} is in use`;
    const address = own ?? addresses.take(key, pool ?? entrance.pool);
    if (address === null) return `there is no address left for ${user}`;
    const id = randomUUID();
    const caller = { id, key, user, local, address, mtu, places: new Set<Place>(), master: null, made: null };
    this.#callers.set(key, caller);
    return caller;
  }

  async #makeMaster(caller: Caller): Promise<void> {
    const name = this.#freeName();
    this.#reserved.add(name);
    try {
      const { lines } = await this.#tools.engine.request("status", {});
      const [first] = [...caller.places].flatMap(({ line }) =>
        lines.filter((each) => each.name === line?.name),
      );
      const [place] = caller.places;
      await this.#tools.addMaster({
        name,
        address: caller.local,
        peer: caller.address,
        mtu: first?.mtu ?? caller.mtu,
        scheduler: "earliest-arrival",
        maxSlaves: MOST_LINKS,
        minSlaves: 1,
        queuePackets: 64,
        group: { wanted: null, demand: false, highWaterOctets: null, highWaterMs: 0, idleMs: null },
        defaultRoute: false,
        routes: place?.grant.routes ?? [],
      });
      caller.master = name;
    } catch (error) {
      caller.made = null;
      // It may be there, without its address.
      if (this.#tools.keeper.masters.has(name)) await this.#removeMaster(name);
      throw error;
    } finally {
      this.#reserved.delete(name);
    }
  }

  async #removeMaster(name: string): Promise<void> {
    const { keeper, engine } = this.#tools;
    keeper.masters.delete(name);
    await engine.request("removeMaster", { name }).catch(() => {}); // deleted from outside
  }

  #freeName(): string {
    const { keeper, netlink } = this.#tools;
    for (let i = 0; i < MOST_UNITS; i++) {
      const name = `call${i}`;
      const isOurs = this.#reserved.has(name) || keeper.masters.has(name) || keeper.lines.has(name);
      if (!isOurs && netlink.interface(name) === null) return name;
    }
    throw new Error("no name is left for an interface");
  }
}
