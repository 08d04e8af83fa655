import { randomUUID } from "node:crypto";
import type { LineConfig } from "../../config/config.ts";
import type { PppEnd, PppEvent } from "../../control/messages.ts";
import type { AnswerResult } from "../../dial/answer-dialogue.ts";
import { EqlError } from "../../errors.ts";
import { monotonicNow } from "../../host/clock.ts";
import type { EngineClient } from "../../host/engine/client.ts";
import type { EngineLineStatus } from "../../host/engine/messages.ts";
import type { Proof, Verdict } from "../../ppp/proof.ts";
import { printable } from "../../ppp/text.ts";
import { NEVER } from "../../time.ts";
import { Line, type LineOwner } from "../line.ts";
import type { LineKeeper } from "../line-keeper.ts";
import type { Logger } from "../log.ts";
import type { Talk } from "../talks.ts";
import type { Accounting, OpenAccount, Usage } from "./accounting.ts";
import type { CallInfo, Grant, Refusal } from "./authority.ts";
import type { Callers, Place } from "./callers.ts";
import type { SessionEnd } from "./radius-accounting.ts";
import { sessionLine } from "./session-line.ts";
import { type SessionLimits, SessionWatch } from "./session-watch.ts";

/** What a session works with; all of it is the station's. */
export interface SessionTools {
  readonly engine: EngineClient;
  readonly keeper: LineKeeper;
  readonly log: Logger;
  readonly callers: Callers;
  readonly accounting: readonly Accounting[];
  /** Judges what a PPP caller proves itself with. */
  prove(proof: Proof): Promise<Grant | Refusal>;
  /** Lets somebody in; text: why not. */
  admit(grant: Grant): Promise<Place | string>;
}

const ENDS: Readonly<Record<PppEnd, SessionEnd>> = {
  asked: "admin",
  peer: "user",
  hangup: "carrier",
  echo: "carrier",
  negotiation: "error",
  "no-network": "error",
  "peer-unauthenticated": "error",
  unauthenticated: "error",
  loopback: "error",
};

/** One call from where packets begin: its line, its limits, and what is written down of it. */
export class Session implements LineOwner {
  readonly line: Line;
  readonly id: string = randomUUID();
  readonly wantsMultilink: boolean;
  /** Resolves when its line is gone. */
  readonly ended: Promise<void>;
  readonly #tools: SessionTools;
  readonly #about: CallInfo;
  readonly #limits: SessionLimits;
  readonly #protocol: "slip" | "ppp";
  readonly #accounts: OpenAccount[] = [];
  readonly #watch = new SessionWatch(monotonicNow());
  #place: Place | null;
  #resolveEnded: () => void = () => {};
  #end: { readonly why: SessionEnd; readonly reason: string } | null = null;
  /** Its line is the keeper's. */
  #hasBegun = false;
  #isOver = false;
  #figures: EngineLineStatus | undefined;
  /** A caller may negotiate anew, and prove itself anew, before the first proof is judged. */
  #judged: Promise<unknown> = Promise.resolve();

  /** @param place of who has logged in; null: PPP has to prove who calls */
  constructor(
    tools: SessionTools,
    template: LineConfig,
    about: CallInfo,
    limits: SessionLimits,
    result: AnswerResult,
    place: Place | null,
  ) {
    this.#tools = tools;
    this.#about = about;
    this.#limits = limits;
    this.#place = place;
    this.#protocol = result.kind === "ppp" ? "ppp" : result.protocol;
    this.line = new Line(sessionLine(template, this.#protocol, place));
    this.line.owner = this;
    this.wantsMultilink = this.line.config.ppp?.lcp.multilink != null;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    if (place !== null) place.line = this.line;
  }

  /** As it can be shown to people. */
  get user(): string | null {
    return this.#place && printable(this.#place.caller.user);
  }

  get address(): string | null {
    return this.#place?.caller.address ?? null;
  }

  get protocol(): "slip" | "ppp" {
    return this.#protocol;
  }

  /** Whether packets may pass, or could. */
  get #isUp(): boolean {
    return this.#watch.upAt !== NEVER;
  }

  /** Why it is over, in words. */
  get reason(): string {
    return this.#end?.reason ?? "";
  }

  /**
   * Carries packets on a tty that was talked on.
   * @throws EqlError the link cannot begin; the session is over then
   */
  async begin(talk: Talk): Promise<void> {
    const { keeper, callers, engine } = this.#tools;
    try {
      if (this.#place !== null) this.line.wants = await callers.gather(this.#place);
      if (this.#endsNow()) return await talk.close();
      const { rateBps, speedBps } = this.line.config;
      // What was configured is what the owner knows better.
      const takeover = await talk.handOver(rateBps === speedBps ? this.#about.carrierBps : null);
      await keeper.bringUp(this.line, takeover).catch(async (error: unknown) => {
        await engine.request("closeTalk", { talk: talk.name }).catch(() => {}); // the line took it over, and closed it
        throw error;
      });
    } catch (error) {
      this.#close("error", (error as Error).message);
      throw error;
    }
    this.#hasBegun = true;
    if (!this.#endsNow() && this.#protocol === "slip") this.#handleUp();
  }

  /** Whether it was to be hung up before it had begun, which is done then. */
  #endsNow(): boolean {
    if (this.#end === null) return false;
    const { why, reason } = this.#end;
    if (this.#hasBegun) this.#part(why, reason);
    else this.#close(why, reason);
    return true;
  }

  /** About once a second. @param lines what the engine says of all lines */
  look(lines: readonly EngineLineStatus[]): void {
    const figures = lines.find(({ name }) => name === this.line.name);
    if (this.#end !== null || figures === undefined) return;
    this.#figures = figures;
    const { idleMs = null, sessionMs = null } = this.#place?.grant ?? {};
    const names = [...(this.#place?.caller.places ?? [])].map(({ line }) => line?.name);
    const verdict = this.#watch.look(
      figures,
      lines.filter(({ name }) => names.includes(name)),
      this.line.wants !== null,
      {
        idleMs: idleMs ?? this.#limits.idleMs,
        sessionMs: sessionMs ?? this.#limits.sessionMs,
        beginMs: this.#limits.beginMs,
      },
      monotonicNow(),
    );
    if (verdict !== null) this.hangUp(verdict.why, verdict.reason);
  }

  /** Ends the call properly. */
  hangUp(why: SessionEnd, reason: string): void {
    if (this.#end !== null) return;
    this.#end = { why, reason };
    // Otherwise it is seen to as soon as it has.
    if (this.#hasBegun) this.#part(why, reason);
  }

  /** Takes leave of the peer, which may take a moment. */
  #part(why: SessionEnd, reason: string): void {
    this.#tools.keeper
      .hangUp(this.line, reason)
      .catch((error: Error) => this.#tools.log.warn({ line: this.line.name, error: error.message }, "failed"))
      .then(() => this.#close(why, reason))
      .catch(() => {});
  }

  // What the keeper asks and tells.

  tell(event: PppEvent): void {
    if (event.event === "up" || event.event === "joined") this.#handleUp();
  }

  nameInterface(): string | null {
    return null;
  }

  /** A link that agreed on multilink is one of a bundle, even if it is the only one. */
  async handleEstablished(bundleKey: string | null): Promise<void> {
    if (bundleKey === null || this.#place === null) return;
    this.line.wants = await this.#tools.callers.bundle(this.#place.caller);
  }

  verify(proof: Proof): Promise<Verdict> {
    const verdict = this.#judged.then(() => this.#judge(proof));
    this.#judged = verdict.catch(() => {}); // told to who asked
    return verdict;
  }

  async #judge(proof: Proof): Promise<Verdict> {
    if (this.#isOver) return OVER;
    const found = await this.#tools.prove(proof);
    if (!found.ok) return found;
    if (this.#isOver || this.#end !== null) return OVER;
    if (this.#place === null) {
      const place = await this.#tools.admit(found);
      if (typeof place === "string") return { ok: false, message: place };
      if (this.#isOver) {
        await this.#tools.callers.leave(place);
        return OVER;
      }
      this.#place = place;
      place.line = this.line;
      this.line.wants = await this.#tools.callers.gather(place);
    } else if (this.#place.grant.user !== found.user) {
      return { ok: false, message: `this is ${this.#place.grant.user}'s call` };
    }
    const { user, address } = this.#place.caller;
    const { success } = found;
    return { ok: true, name: user, addresses: [address], ...(success !== undefined && { success }) };
  }

  handleClosed(end: PppEnd, reason: string): void {
    this.#close(ENDS[end], reason);
  }

  #handleUp(): void {
    const place = this.#place;
    if (this.#isUp || place === null || this.#isOver) return;
    this.#watch.handleUp(monotonicNow());
    const { caller, grant } = place;
    const { log, accounting } = this.#tools;
    const { address } = caller;
    log.info({ line: this.line.name, user: this.user, address, protocol: this.#protocol }, "caller in");
    const session = {
      id: this.id,
      bundle: caller.id,
      grant,
      about: this.#about,
      protocol: this.#protocol,
      address,
    };
    for (const each of accounting) this.#accounts.push(each.begin(session, () => this.#usage()));
  }

  #close(why: SessionEnd, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end ??= { why, reason };
    this.#clear()
      .catch((error: Error) => this.#tools.log.warn({ line: this.line.name, error: error.message }, "failed"))
      .finally(() => this.#resolveEnded())
      .catch(() => {});
  }

  async #clear(): Promise<void> {
    const { keeper, callers, log } = this.#tools;
    const { why, reason } = this.#end ?? { why: "error", reason: "" };
    try {
      const usage = await this.#usage();
      const seconds = Math.round(usage.seconds);
      const what = this.#isUp ? "caller gone" : "no session came of it";
      log.info({ line: this.line.name, user: this.user, seconds, end: why, reason }, what);
      for (const account of this.#accounts) account.end(usage, why, reason);
    } finally {
      // It may have been removed with its interface, or the engine has stopped.
      if (keeper.lines.get(this.line.name) === this.line) await keeper.discard(this.line).catch(() => {});
      if (this.#place !== null) await callers.leave(this.#place);
    }
  }

  async #usage(): Promise<Usage> {
    const seconds = this.#isUp ? (monotonicNow() - this.#watch.upAt) / 1000 : 0;
    const status = await this.#tools.engine.request("status", {}).catch((error: unknown) => {
      if (!(error instanceof EqlError)) throw error;
      return { lines: [] };
    });
    this.#figures = status.lines.find(({ name }) => name === this.line.name) ?? this.#figures;
    const { sent, received } = this.#figures ?? NOTHING;
    return {
      seconds,
      sent: sent.octets,
      received: received.octets,
      packets: { sent: sent.packets, received: received.packets },
    };
  }
}

const OVER: Verdict = { ok: false, message: "the call is over" };
const NOTHING = { sent: { packets: 0, octets: 0 }, received: { packets: 0, octets: 0 } };
