import type { LineState } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { EngineClient } from "../host/engine/client.ts";
import type { EngineEvent, EngineLineStatus } from "../host/engine/messages.ts";
import type { Interfaces } from "./interfaces.ts";
import type { Line } from "./line.ts";
import type { Logger } from "./log.ts";
import type { PppLines } from "./ppp-lines.ts";
import type { Troubles } from "./troubles.ts";

/** What membership works with; all of it is the daemon's. */
export interface MembershipTools {
  readonly engine: EngineClient;
  readonly interfaces: Interfaces;
  readonly ppp: PppLines;
  readonly log: Logger;
  readonly troubles: Troubles;
}

/** Which line is in which master: joins whenever that can be, and has routes taken and given back accordingly. */
export class Membership {
  readonly #tools: MembershipTools;
  #stopped = false;

  constructor(tools: MembershipTools) {
    this.#tools = tools;
  }

  /** From now on nothing joins. */
  stop(): void {
    this.#stopped = true;
  }

  joinSoon(line: Line): void {
    this.join(line).catch((error: Error) => this.#tools.troubles.warn(line, error));
  }

  /** Joins the master that the line wants, if that can be now. */
  async join(line: Line): Promise<void> {
    const master = line.silentFrom ?? line.wants;
    if (master === null || this.#stopped) return;
    const { rateGivenBps, state, ppp } = await this.figures(line);
    const isLink = state === "negotiating" && ppp?.multilink === true;
    // A link that agreed on multilink has no network of its own: it is ready for the master's.
    if (state !== "alone" && !isLink) return;
    try {
      const bps = line.nextBps ?? rateGivenBps;
      await this.#tools.engine.request("enslave", { master, slave: line.name, bps });
      // By command it is a slave until it is lost, as any line.
      if (line.nextBps !== null && line.config.master !== master) line.wants = null;
      line.nextBps = null;
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      line.reason = error.message;
      // A master that is down takes its slaves when it comes up.
      const level = error.code === "MASTER_DOWN" ? "debug" : "warn";
      const fields = { line: line.name, master, code: error.code, reason: error.message };
      this.#tools.log[level](fields, "not enslaved");
      if (error.code !== "MASTER_DOWN") await this.#beginAnew(line, master, isLink);
    }
  }

  /**
   * Enslaves a PPP line by command. One that is alone, while the master's links are a numbered bundle, negotiates anew to be one of them.
   * @throws EqlError as the engine's `enslave`
   */
  async enslavePpp(line: Line, master: string, bps: number): Promise<void> {
    try {
      await this.#tools.engine.request("enslave", { master, slave: line.name, bps });
    } catch (error) {
      const { masters, lines } = await this.#tools.engine.request("status", {});
      const isNumbered = masters.find(({ name }) => name === master)?.multilink != null;
      const { state, ppp } = lines.find(({ name }) => name === line.name) ?? { state: "closed", ppp: null };
      const couldBeLink = line.config.ppp?.lcp.multilink != null && line.owner === null;
      if (!isNumbered || !couldBeLink || state !== "alone" || ppp?.multilink === true) throw error;
      line.wants = master;
      line.nextBps = bps;
      line.isClassic = false;
      await this.#tools.ppp.hangUp(line, "to join a bundle");
    }
  }

  /** It is to be no slave of a master any more, neither now nor when it can be one again. */
  release(line: Line, master: string): void {
    if (line.wants === master) line.wants = null;
    this.forgetSilence(line);
    this.restore(line);
  }

  handleJoined(line: Line, master: string): void {
    line.note("");
    line.master = master;
    line.silentFrom = null;
    line.life?.handle((manager, now) => manager.handleEnslaved(master, now));
    this.takeRoutes(line);
    this.#tools.log.info({ line: line.name, master }, "enslaved");
  }

  /** @param isDown the master is */
  handleLeft(
    line: Line,
    { master, reason, silent }: Extract<EngineEvent, { readonly type: "left" }>,
    isDown: boolean,
  ): void {
    line.note(reason);
    line.master = null;
    line.life?.handle((manager, now) => manager.handleFreed(reason, now));
    this.#tools.log.info({ line: line.name, master, reason }, "freed");
    if (silent) line.silentFrom = master;
    // One that is to come back must not draw the master's packets to itself meanwhile.
    if (line.silentFrom === null && (line.wants === null || isDown)) this.restore(line);
  }

  /** A line that goes down or is closed is free: that it was silent before is no reason to join again. */
  forgetSilence(line: Line): void {
    if (line.silentFrom === null) return;
    line.silentFrom = null;
    if (line.wants === null) this.restore(line);
  }

  /** A slave's peer and default routes would pass its master by. */
  takeRoutes(line: Line): void {
    this.#tools.troubles.attempt(line, () => this.#tools.interfaces.takeRoutes(line.index));
  }

  /** Gives a line that is alone its routes again. */
  restore(line: Line): void {
    if (line.master !== null) return;
    this.#tools.troubles.attempt(line, () => this.#tools.interfaces.restoreRoutes(line.index));
  }

  async figures(
    line: Line,
  ): Promise<Pick<EngineLineStatus, "rateGivenBps" | "ppp"> & { readonly state: LineState }> {
    const { lines } = await this.#tools.engine.request("status", {});
    return lines.find(({ name }) => name === line.name) ?? { rateGivenBps: 0, state: "closed", ppp: null };
  }

  /** What a line has agreed on is of no use to its master: the peer would send parts of packets by it, or none by a bundle. */
  async #beginAnew(line: Line, name: string, isLink: boolean): Promise<void> {
    const { masters } = await this.#tools.engine.request("status", {});
    const master = masters.find((each) => each.name === name);
    const isNumbered = master?.multilink != null;
    if (!isLink && !(line.isClassic && isNumbered)) return;
    // Only slaves without numbers are no company for it.
    line.isClassic = isLink && !isNumbered && (master?.slaves.length ?? 0) > 0;
    line.endsFor = "no-network";
    line.failure = line.reason;
    await this.#tools.ppp.hangUp(line, "no bundle to join");
  }
}
