import type { GroupConfig } from "../config/config.ts";
import type { LifeState, PppEnd } from "../control/messages.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type { NetworkLineEvent, PppLineEvent } from "../host/engine/messages.ts";
import type { Line } from "./line.ts";
import { LineGroups } from "./line-groups.ts";
import { LineLife } from "./line-life.ts";
import type { Logger } from "./log.ts";
import type { PppLines } from "./ppp-lines.ts";
import type { Takeover, Talks } from "./talks.ts";
import { UpCommands } from "./up-commands.ts";

/** What lives work with; all of it is the daemon's. */
export interface LivesTools {
  readonly engine: EngineClient;
  readonly log: Logger;
  readonly ppp: PppLines;
  readonly talks: Talks;
  readonly lockDirectory: string;
  /** The control socket's path, for commands that are run. */
  readonly socket: string;
  /** What a master wants of its lines; undefined: there is no such master. */
  groupOf(master: string): GroupConfig | undefined;
  /** Why the path over a line is needed now, in words; null: it is not. */
  needOf(line: string): string | null;
  /** Begins the link of a line. */
  open(line: Line, takeover: Takeover | null): Promise<void>;
  /** The link of a line that was lost has begun again. */
  begun(line: Line): void;
}

/** After these a line waits for longer. */
const REFUSALS: readonly PppEnd[] = ["peer-unauthenticated", "unauthenticated", "loopback"];

/** The lives of all lines that the daemon keeps up, the groups that want them, and what they do when they are up. */
export class Lives {
  readonly #tools: LivesTools;
  readonly #groups: LineGroups;
  readonly #upCommands: UpCommands;
  readonly #wasUp = new WeakSet<Line>();
  /** Families of the networks that are up, of lines that have their own. */
  readonly #networks = new WeakMap<Line, Set<number>>();
  #stopped = false;

  constructor(tools: LivesTools) {
    this.#tools = tools;
    this.#groups = new LineGroups(
      tools.engine,
      (master) => tools.groupOf(master),
      ({ name }) => tools.needOf(name),
    );
    this.#upCommands = new UpCommands(tools.log, tools.socket);
  }

  /**
   * Gives a line a life, and opens the device of one that does not dial.
   * @throws EqlError it cannot be opened
   */
  async begin(line: Line): Promise<void> {
    const { engine, log, ppp, talks, lockDirectory } = this.#tools;
    line.life = new LineLife(line, {
      log,
      talks,
      lockDirectory,
      begin: (each, takeover) => this.#tools.open(each, takeover),
      begun: (each) => this.#tools.begun(each),
      hangUp: (each, reason) => ppp.hangUp(each, reason),
      close: async ({ name }) => {
        await engine.request("closeLine", { name, reason: "closed" }).catch(() => {}); // it was removed
      },
      changed: (each, from) => this.#handleChanged(each, from),
    });
    await line.life.begin();
  }

  /** From now on a line that dials is brought up when it is wanted. */
  callWhenWanted(line: Line): void {
    this.#groups.add(line);
  }

  handleMaster(name: string, up: boolean): void {
    this.#groups.handleMaster(name, up);
  }

  /** A person wants a line up or down, now; null: as without a person. */
  ask(line: Line, wanted: boolean | null): void {
    if (this.#groups.ask(line, wanted)) {
      // One that is down already changes no state.
      if (line.life?.state === "idle") line.note(wanted === false ? "told to stay down" : "");
      return;
    }
    const reason = "User request";
    line.life?.handle((manager, now) => {
      if (wanted ?? true) manager.handleWanted(reason, now, true);
      else manager.handleUnwanted(reason, now);
    });
  }

  /** What happens to its PPP link. */
  handleLink(line: Line, event: PppLineEvent): void {
    if (event.kind !== "ended" || line.ended === null || !REFUSALS.includes(line.ended)) return;
    line.life?.handle((manager, now) => manager.handleRefused(event.reason, now));
  }

  /** What happens to a network protocol of its own. */
  handleNetwork(line: Line, { kind, family }: NetworkLineEvent): void {
    const networks = this.#networks.get(line) ?? new Set();
    this.#networks.set(line, networks);
    if (kind === "up") {
      networks.add(family);
      line.life?.handle((manager, now) => manager.handleUp(now));
    } else if (networks.delete(family) && networks.size === 0) {
      line.life?.handle((manager, now) => manager.handleRenegotiation("the network is down", now));
    }
  }

  /** Its peer does not answer: a line that dials is hung up, any other waits until the peer does. */
  handleSilence({ life, config }: Line, reason: string): void {
    if (config.dial !== null) life?.handle((manager, now) => manager.handleLost(reason, now));
  }

  /** Its device is closed. */
  handleClosed({ life }: Line, reason: string): void {
    life?.handle((manager, now) => manager.handleClosed(now, reason));
  }

  /** Ends a life; the link is left to its keeper. */
  async end(line: Line): Promise<void> {
    this.#groups.remove(line);
    await line.life?.stop();
  }

  async stop(lines: Iterable<Line>): Promise<void> {
    this.#stopped = true;
    this.#groups.stop();
    this.#upCommands.stop();
    await Promise.all([...lines].map(async (line) => line.life?.stop()));
  }

  #handleChanged(line: Line, from: LifeState): void {
    const { life } = line;
    if (life === null || this.#stopped) return;
    this.#groups.handleState(line);
    const { state } = life;
    if (state === "waiting" || state === "idle" || state === "givenUp") {
      line.note(line.failure ?? life.reason);
      line.failure = null;
      const level = state === "givenUp" ? "warn" : "info";
      if (line.config.dial !== null) {
        this.#tools.log[level]({ line: line.name, reason: line.reason }, state);
      }
    } else if ((from === "idle" && line.config.dial !== null) || state === "hangingUp") {
      // Why it was not called, or what there was to say of the link, is past.
      line.note(life.reason);
    }
    if (state !== "up" && state !== "enslaved") this.#wasUp.delete(line);
    else if (!this.#wasUp.has(line)) {
      this.#wasUp.add(line);
      this.#upCommands.start(line);
    }
  }
}
