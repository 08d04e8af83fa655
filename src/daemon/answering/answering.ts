import type { Config, MasterConfig, StationConfig } from "../../config/config.ts";
import { readUsers } from "../../config/users-file.ts";
import type { StationStatus } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import type { EngineClient } from "../../host/engine/client.ts";
import type { Netlink } from "../../host/netlink.ts";
import type { LineKeeper } from "../line-keeper.ts";
import type { Logger } from "../log.ts";
import type { Talks } from "../talks.ts";
import { type Accounting, FileAccounting } from "./accounting.ts";
import { Addresses } from "./addresses.ts";
import type { Authority } from "./authority.ts";
import { Callers } from "./callers.ts";
import { Masquerade } from "./masquerade.ts";
import { RadiusService } from "./radius-service.ts";
import { Station } from "./station.ts";
import { UsersAuthority } from "./users-authority.ts";

/** What answering works with; all of it is the daemon's. */
export interface AnsweringTools {
  readonly engine: EngineClient;
  readonly netlink: Netlink;
  readonly keeper: LineKeeper;
  readonly log: Logger;
  readonly talks: Talks;
  readonly lockDirectory: string;
  /** The control socket's path. */
  readonly socket: string;
  readonly addMaster: (config: MasterConfig) => Promise<void>;
}

const LOOK_MS = 1000;
/** For what is still to be told of sessions at the end. */
const FAREWELL_MS = 5000;

/** Who a table [answer.NAME] asks and tells. */
interface Offices {
  readonly authority: Authority;
  readonly accounting: readonly Accounting[];
}

/**
 * The lines on which callers are answered.
 *
 * 1. a station waits on each line's device, and talks with who comes (`dial/answer-dialogue.ts`)
 * 2. an authority knows whether he is let in, and as what; {@link Callers} whether there is room and an address
 * 3. a session carries packets on a line of its own, which is its caller's bundle's if he has several
 * 4. when its link is gone, the session is written down, and the station waits again
 */
export class Answering {
  readonly #configs: readonly StationConfig[];
  readonly #radius: Config["radius"];
  readonly #tools: AnsweringTools;
  readonly #services = new Map<string, RadiusService>();
  readonly #files = new Map<string, FileAccounting>();
  readonly #stations: Station[] = [];
  readonly #masquerade: Masquerade;
  #looker: NodeJS.Timeout | undefined;
  #isLooking = false;

  constructor({ stations, radius }: Config, tools: AnsweringTools) {
    this.#configs = stations;
    this.#radius = radius;
    this.#tools = tools;
    this.#masquerade = new Masquerade(tools.socket, tools.log);
  }

  /** @throws EqlError CONFIG_UNREADABLE: a secret of RADIUS; TOOL_MISSING, NETLINK_FAILED: masquerading cannot be set up */
  async start(): Promise<void> {
    if (this.#configs.length === 0) return;
    const addresses = new Addresses();
    for (const { line } of this.#configs) if (line.address !== null) addresses.claim(line.address);
    const callers = new Callers({ ...this.#tools, addresses });
    for (const config of this.#configs) {
      const { authority, accounting } = this.#officesOf(config);
      this.#stations.push(new Station(config, { ...this.#tools, callers, authority, accounting }));
    }
    await this.#beginMasquerade();
    for (const station of this.#stations) station.start();
    this.#looker = setInterval(() => void this.#look(), LOOK_MS);
  }

  /** Hangs up, and waits for a little until everybody knows. */
  async stop(reason: string): Promise<void> {
    clearInterval(this.#looker);
    await Promise.all(this.#stations.map((station) => station.stop(reason)));
    await Promise.all(
      [...this.#files.values(), ...this.#services.values()].map((each) => each.close(FAREWELL_MS)),
    );
    await this.#masquerade.end();
  }

  status(): StationStatus[] {
    return this.#stations.map((station) => station.status());
  }

  /** Ends the call that there is on a line. @returns whether callers are answered there */
  hangUp(name: string, reason: string): boolean {
    const station = this.#stations.find((each) => each.name === name);
    station?.hangUp(reason);
    return station !== undefined;
  }

  #officesOf({ answer }: StationConfig): Offices {
    const service = answer.radius === null ? null : this.#serviceOf(answer.radius);
    if (service === null) this.#lookAtUsers(answer.usersFile);
    const authority = service?.authority ?? new UsersAuthority(answer.usersFile);
    const accounting: Accounting[] = [];
    if (service !== null && service.accounting !== null) accounting.push(service.accounting);
    const { accountingFile: file, accountingIntervalMs } = answer;
    if (file !== null) {
      const known = this.#files.get(file) ?? new FileAccounting(file, accountingIntervalMs, this.#tools.log);
      this.#files.set(file, known);
      accounting.push(known);
    }
    return { authority, accounting };
  }

  /** A file that cannot be read is no reason not to begin: it is read again for each caller. */
  #lookAtUsers(file: string): void {
    try {
      readUsers(file);
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      this.#tools.log.warn({ code: error.code, error: error.message }, "nobody can be let in");
    }
  }

  #serviceOf(name: string): RadiusService | null {
    const config = this.#radius.get(name);
    if (config === undefined) return null;
    const known = this.#services.get(name) ?? new RadiusService(config, this.#tools.log);
    this.#services.set(name, known);
    return known;
  }

  async #beginMasquerade(): Promise<void> {
    const masked = this.#configs.map(({ answer }) => answer).filter(({ masquerade }) => masquerade);
    const pool = masked.flatMap((answer) => answer.pool);
    const forward = masked.some((answer) => answer.forward);
    await this.#masquerade.set({ pool, networks: [], forward });
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { lines } = await this.#tools.engine.request("status", {});
      for (const station of this.#stations) station.look(lines);
    } catch (error) {
      // The engine has stopped.
      if (!(error instanceof EqlError)) throw error;
    } finally {
      this.#isLooking = false;
    }
  }
}
