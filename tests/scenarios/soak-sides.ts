import { AnswerDialogue, type AnswerSettings } from "../../src/dial/answer-dialogue.ts";
import { type CallSettings, makeCall } from "../../src/dial/call.ts";
import type { Dialogue } from "../../src/dial/dialogue.ts";
import { LineGroup } from "../../src/dial/line-group.ts";
import { type LineAction, LineManager, type LineManagerSettings } from "../../src/dial/line-manager.ts";
import type { Modem } from "../../src/sim/modem.ts";
import type { Random } from "../../src/sim/random.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";
import { MODEM as ANSWER_MODEM, LOGIN } from "../dial/answering.ts";
import { asText } from "../dial/dialogue.ts";
import { MODEM as CALL_MODEM } from "../dial/phones.ts";
import { PppEnd, type PppEndOptions } from "../link/ppp-end.ts";
import { authSettings, secret } from "../ppp/auth-pair.ts";
import { ip, ipv4 } from "../ppp/network-pair.ts";
import { lcpSettings } from "../ppp/pair.ts";
import { SoakLine } from "./soak-line.ts";

const USER = "road";
const PASSWORD = "warrior";

const MANAGER: LineManagerSettings = {
  numbers: ["5551000"],
  dials: true,
  firstPauseMs: 2000,
  longestPauseMs: 60_000,
  pauseGrowth: 1.7,
  attempts: null,
  dialLimitMs: 270_000,
  loginLimitMs: 60_000,
  linkLimitMs: 60_000,
  hangUpLimitMs: 10_000,
  sessionLimitMs: null,
  idleLimitMs: null,
};

const CALL: CallSettings = {
  modem: CALL_MODEM,
  login: {
    user: USER,
    password: PASSWORD,
    loginPrompt: "ogin:",
    passwordPrompt: "assword:",
    waitMs: 60_000,
    after: null,
    ready: null,
  },
  script: null,
  chat: null,
};

const ANSWER: AnswerSettings = {
  modem: ANSWER_MODEM,
  waitsForPeer: false,
  login: LOGIN,
  ppp: true,
  pauseMs: 1000,
  loginLimitMs: 60_000,
};

/** Of half the lines each. */
export const LINE_BPS: readonly number[] = [28_800, 14_400];

const PPP = {
  bps: 28_800,
  lcp: lcpSettings({
    multilink: { mrru: 1500, shortSequenceNumbers: false, endpoint: null },
    echo: { intervalMs: 30_000, failures: 4 },
  }),
  told: true,
} satisfies Partial<PppEndOptions>;

const SECRETS = [secret(USER, "server", "1995")].map((entry) => ({ ...entry, addresses: ["*"] }));

/** DTR is down for so long between two sessions of the side that answers. */
const REST_MS = 1500;

interface CallerLine {
  readonly line: SoakLine;
  readonly manager: LineManager;
  dialogue: Dialogue | null;
}

/** The daemon that calls, without I/O: managers, their group, calls and PPP. It lives until it crashes. */
export class CallerSide {
  readonly ppp: PppEnd;
  readonly lines: readonly CallerLine[];
  readonly #group: LineGroup;
  #dueAt: Instant = instant(0);

  /** @param target lines that its group keeps up; null: all */
  constructor(modems: readonly Modem[], target: number | null, random: Random, now: Instant) {
    const auth = authSettings({ name: USER, remoteName: "server", chapSecrets: SECRETS });
    const seed = Math.floor(random.next() * 2 ** 32);
    this.ppp = new PppEnd({ ...PPP, lines: modems.length, auth, network: ipv4({}), seed });
    this.lines = modems.map((modem, index) => ({
      line: new SoakLine(modem, index, this.ppp),
      manager: new LineManager(MANAGER, () => random.next()),
      dialogue: null,
    }));
    const settings = { target, demand: false, highWaterOctets: null, highWaterMs: 0, idleMs: null };
    this.#group = new LineGroup(
      settings,
      modems.map((_, index) => String(index)),
    );
    this.#command(now);
  }

  /** Sends an IP packet. */
  send(packet: Uint8Array, now: Instant): void {
    this.ppp.send(packet, now);
    this.#dueAt = now;
  }

  crash(now: Instant): void {
    for (const { line } of this.lines) line.close(now);
  }

  /** When it has something to do; it was reckoned after the last turn. */
  get dueAt(): Instant {
    return this.#dueAt;
  }

  /** A line has something for it. */
  get isReady(): boolean {
    return this.lines.some(({ line }) => line.isReady);
  }

  /** Takes what has come and does what is due, until nothing is left to do. */
  turn(now: Instant): void {
    if (now >= this.ppp.pollTimeout()) this.ppp.handleTimeout(now);
    if (now >= this.#group.pollTimeout()) this.#group.handleTimeout(now);
    for (const each of this.lines) {
      if (now >= each.manager.pollTimeout()) each.manager.handleTimeout(now);
      each.line.handleTimeout(now);
      this.#converse(each, now);
      this.#drain(each, now);
    }
    this.#command(now);
    let next: number = Math.min(this.ppp.pollTimeout(), this.#group.pollTimeout());
    for (const { line, manager } of this.lines) {
      next = Math.min(next, line.pollTimeout(), manager.pollTimeout());
    }
    this.#dueAt = instant(next);
  }

  #converse(each: CallerLine, now: Instant): void {
    const { line, manager } = each;
    if (line.isCut) this.ppp.hangUp(line.index, now);
    line.exchange(now);
    const { dialogue } = each;
    if (dialogue !== null) {
      for (let event = dialogue.pollEvent(); event !== undefined; event = dialogue.pollEvent()) {
        if (event.type === "connected") manager.handleCarrier(event.carrierBps, now);
      }
      if (dialogue.end?.ok === true) manager.handleDialed(now);
      else if (dialogue.end !== null)
        manager.handleDialFailed(dialogue.end.failure, dialogue.end.reason, now);
      if (dialogue.end !== null) each.dialogue = null;
    }
    const isUp = this.ppp.isLineUp(line.index);
    if (isUp && manager.state === "negotiating") manager.handleEnslaved("eql", now);
    else if (!isUp && manager.state === "enslaved") manager.handleRenegotiation("the peer asked for it", now);
    for (const ended of this.ppp.ends.splice(0)) {
      const { manager: other, line: its } = this.lines[ended.line] as CallerLine;
      if (other.state === "hangingUp") {
        its.close(now);
        other.handleClosed(now);
      } else if (ended.end === "unauthenticated") other.handleRefused(ended.reason, now);
      else other.handleLost(ended.reason, now);
    }
  }

  #drain(each: CallerLine, now: Instant): void {
    const { manager } = each;
    for (let action = manager.pollAction(); action !== undefined; action = manager.pollAction()) {
      this.#act(each, action, now);
    }
    for (let event = manager.pollEvent(); event !== undefined; event = manager.pollEvent()) {
      this.#group.handleState(String(each.line.index), event.to, now, manager.retryAt);
    }
  }

  #act(each: CallerLine, action: LineAction, now: Instant): void {
    const { line, manager } = each;
    switch (action.type) {
      case "open":
        line.open(now);
        return manager.handleOpened(now);
      case "dial":
        each.dialogue = makeCall(CALL, action.number);
        return line.talk(each.dialogue, now);
      case "carry":
        return line.carry(manager.carrierBps ?? PPP.bps, now);
      case "hangUp":
        return this.ppp.closeLine(line.index, now);
      case "close":
        each.dialogue = null;
        line.close(now);
        this.ppp.ends.length = 0;
        return manager.handleClosed(now);
    }
  }

  #command(now: Instant): void {
    for (
      let command = this.#group.pollCommand();
      command !== undefined;
      command = this.#group.pollCommand()
    ) {
      const each = this.lines[Number(command.line)] as CallerLine;
      if (command.wanted) each.manager.handleWanted(command.reason, now, command.atOnce);
      else each.manager.handleUnwanted(command.reason, now);
      this.#drain(each, now);
    }
  }
}

interface Station {
  readonly line: SoakLine;
  dialogue: AnswerDialogue | null;
  carrierBps: number;
  /** When its port is opened again. */
  openAt: Instant;
}

/** The daemon that is called, without I/O: a station for each modem, and PPP. It lives until it crashes. */
export class AnswerSide {
  readonly ppp: PppEnd;
  readonly stations: readonly Station[];
  #dueAt: Instant = instant(0);

  constructor(modems: readonly Modem[], random: Random, now: Instant) {
    const auth = authSettings({ name: "server", chapSecrets: SECRETS, require: ["chap-md5"] });
    const network = ipv4({ local: ip("10.0.0.1"), remote: ip("10.0.0.2") });
    const seed = Math.floor(random.next() * 2 ** 32);
    this.ppp = new PppEnd({ ...PPP, lines: modems.length, auth, network, seed });
    this.stations = modems.map((modem, index) => ({
      line: new SoakLine(modem, index, this.ppp),
      dialogue: null,
      carrierBps: 0,
      openAt: now,
    }));
  }

  /** Sends an IP packet. */
  send(packet: Uint8Array, now: Instant): void {
    this.ppp.send(packet, now);
    this.#dueAt = now;
  }

  crash(now: Instant): void {
    for (const { line } of this.stations) line.close(now);
  }

  get dueAt(): Instant {
    return this.#dueAt;
  }

  get isReady(): boolean {
    return this.stations.some(({ line }) => line.isReady);
  }

  turn(now: Instant): void {
    if (now >= this.ppp.pollTimeout()) this.ppp.handleTimeout(now);
    for (const station of this.stations) {
      if (now >= station.openAt) this.#open(station, now);
      station.line.handleTimeout(now);
      if (station.line.isCut) this.ppp.hangUp(station.line.index, now);
      station.line.exchange(now);
      this.#converse(station, now);
    }
    for (const { line } of this.ppp.ends.splice(0)) this.#close(this.stations[line] as Station, now);
    let next: number = this.ppp.pollTimeout();
    for (const { line, openAt } of this.stations) next = Math.min(next, line.pollTimeout(), openAt);
    this.#dueAt = instant(next);
  }

  #open(station: Station, now: Instant): void {
    station.openAt = NEVER;
    station.dialogue = new AnswerDialogue(ANSWER);
    station.line.open(now);
    station.line.talk(station.dialogue, now);
  }

  #close(station: Station, now: Instant): void {
    station.dialogue = null;
    station.line.close(now);
    station.openAt = after(now, REST_MS);
  }

  #converse(station: Station, now: Instant): void {
    const { dialogue, line } = station;
    if (dialogue === null) return;
    for (let event = dialogue.pollEvent(); event !== undefined; event = dialogue.pollEvent()) {
      if (event.type === "connected") station.carrierBps = event.carrierBps ?? PPP.bps;
      if (event.type !== "verify") continue;
      const isRight = event.user === USER && asText(event.password) === PASSWORD;
      dialogue.handleVerdict(isRight ? { ok: true, protocol: "ppp", message: "" } : { ok: false }, now);
      line.exchange(now);
    }
    if (dialogue.end === null) return;
    if (!dialogue.end.ok) return this.#close(station, now);
    station.dialogue = null;
    line.carry(station.carrierBps, now);
  }
}
