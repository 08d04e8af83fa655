import type { Modem } from "../../src/sim/modem.ts";
import { PhoneNetwork } from "../../src/sim/phone-network.ts";
import { Random } from "../../src/sim/random.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";
import { AnswerSide, CallerSide, LINE_BPS } from "./soak-sides.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

const LINES = 4;
const NUMBER = "5551000";
/** Octets are looked at this often at most: a driver makes them wait as long. */
const LOOK_MS = 20;
/** From a crash until the daemon is there again: so long, and on average twice as long. */
const RESTART_MS = 10_000;
const NOISE_ONE_IN = 10_000;
/** Dialing and training, login, and PPP: no line connects sooner. */
const CALL_MS = 40_000;
/** Things that happen at the same moment. */
const MOST_STILL = 1000;
const PROBE_MS = MINUTE_MS;
const PROBE_WAIT_MS = 10_000;

interface Planned {
  readonly at: Instant;
  run(now: Instant): void;
}

/** What came of it, times in milliseconds. */
export class SoakReport {
  calls = 0;
  connected = 0;
  busy = 0;
  noCarrier = 0;
  crashes = 0;
  /** Packets sent while a line was up, and those of them that did not arrive. */
  probes = 0;
  probesLost = 0;
  /** In which a line was up, or might have been. */
  ableMs = 0;
  reachableMs = 0;
  /** The longest that a line was not up though it could connect. */
  longestDownMs = 0;
  mostUp = 0;
}

/** Four lines that dial four others, with all that goes wrong, on virtual time. */
export class DialSoak {
  readonly report: SoakReport = new SoakReport();
  now: Instant = instant(0);
  readonly #network: PhoneNetwork;
  readonly #target: number | null;
  readonly #random: Random;
  readonly #near: readonly Modem[];
  readonly #far: readonly Modem[];
  readonly #plan: Planned[] = [];
  /** Which of the far modems each near one talks with, by their numbers. */
  readonly #peers: (number | null)[] = Array.from({ length: LINES }, () => null);
  /** Since when each line could be up, and is not. */
  readonly #downSince: Instant[];
  #caller: CallerSide | null = null;
  #answerer: AnswerSide | null = null;
  /** Since when both daemons are there; NEVER: they are not. */
  #ableSince: Instant = NEVER;
  #isReachable = false;
  #probe = 0;
  /** Steps since the time last went on. */
  #still = 0;

  /** @param target lines that are to be up; null: all */
  constructor(seed: number, target: number | null = null) {
    this.#target = target;
    this.#random = new Random(seed);
    const names = (side: string): string[] => Array.from({ length: LINES }, (_, index) => `${side}${index}`);
    this.#network = new PhoneNetwork({
      modems: [...names("near"), ...names("far")].map((name, index) => ({
        name,
        portBps: 57_600,
        carrierBps: LINE_BPS[index % 2] as number,
      })),
      numbers: [{ number: NUMBER, answers: names("far"), busyShare: 0.2, noCarrierShare: 0.05 / 0.8 }],
      seed: this.#random.next() * 2 ** 32,
      setupMs: 2000,
      trainingMs: 30_500,
      meanCallMs: 100 * MINUTE_MS,
      noiseOneIn: null,
    });
    this.#near = names("near").map((name) => this.#network.modem(name));
    this.#far = names("far").map((name) => this.#network.modem(name));
    this.#downSince = names("near").map(() => this.now);
    this.#start(this.now);
    this.#planDay(this.now);
    this.#planProbe(this.now);
  }

  run(ms: number): void {
    const end = after(this.now, ms);
    while (this.now < end) this.#step(end);
  }

  #step(end: Instant): void {
    const due = Math.min(this.#caller?.dueAt ?? NEVER, this.#answerer?.dueAt ?? NEVER);
    const network = Math.max(this.#network.pollTimeout(), this.now + LOOK_MS);
    const next = Math.min(end, network, Math.max(this.now, due), this.#plan[0]?.at ?? NEVER);
    this.#still = next > this.now ? 0 : this.#still + 1;
    if (this.#still > MOST_STILL) throw new Error(`the time stands still at ${this.now} ms`);
    this.#count(next - this.now);
    this.now = instant(next);
    const { now } = this;
    while ((this.#plan[0]?.at ?? NEVER) <= now) this.#plan.shift()?.run(now);
    if (now >= this.#network.pollTimeout()) this.#network.handleTimeout(now);
    for (const side of [this.#caller, this.#answerer]) {
      if (side !== null && (now >= side.dueAt || side.isReady)) side.turn(now);
    }
    this.#follow();
    this.#look();
  }

  #count(ms: number): void {
    if (this.#isReachable) this.report.reachableMs += ms;
    if (this.#isReachable || this.now - this.#ableSince >= CALL_MS) this.report.ableMs += ms;
  }

  #follow(): void {
    const { report } = this;
    for (let event = this.#network.pollEvent(); event !== undefined; event = this.#network.pollEvent()) {
      const index = this.#near.findIndex(({ settings }) => settings.name === event.modem);
      if (event.type === "dialed") report.calls++;
      else if (event.type === "failed" && event.why === "busy") report.busy++;
      else if (event.type === "failed") report.noCarrier++;
      else if (event.type === "ended") this.#peers[index] = null;
      else if (event.type === "connected") {
        report.connected++;
        this.#peers[index] = this.#far.findIndex(({ settings }) => settings.name === event.to);
      }
    }
  }

  /** Which lines carry packets from end to end now. */
  #look(): void {
    const [caller, answerer] = [this.#caller, this.#answerer];
    this.#isReachable = false;
    let up = 0;
    for (let index = 0; index < LINES; index++) {
      const peer = this.#peers[index] ?? null;
      const isUp =
        peer !== null && caller?.ppp.isLineUp(index) === true && answerer?.ppp.isLineUp(peer) === true;
      if (isUp) up += 1;
      const downSince = this.#downSince[index] as Instant;
      if (isUp || this.#ableSince === NEVER) this.#downSince[index] = this.now;
      else this.report.longestDownMs = Math.max(this.report.longestDownMs, this.now - downSince);
    }
    this.#isReachable = up > 0;
    this.report.mostUp = Math.max(this.report.mostUp, up);
  }

  #at(at: number, run: (now: Instant) => void): void {
    this.#plan.push({ at: instant(at), run });
    this.#plan.sort((a, b) => a.at - b.at);
  }

  #planDay(from: Instant): void {
    const some = (): number => from + this.#random.next() * DAY_MS;
    this.#at(some(), (now) => {
      this.#caller?.crash(now);
      this.#caller = null;
      this.#crash(now);
    });
    this.#at(some(), (now) => {
      this.#answerer?.crash(now);
      this.#answerer = null;
      this.#crash(now);
    });
    for (const { settings } of this.#near) {
      const at = some();
      this.#at(at, () => this.#network.setNoise(settings.name, NOISE_ONE_IN));
      this.#at(at + HOUR_MS, () => this.#network.setNoise(settings.name, null));
    }
    this.#at(from + DAY_MS, (now) => this.#planDay(now));
  }

  #crash(now: Instant): void {
    this.report.crashes++;
    this.#ableSince = NEVER;
    this.#at(now + RESTART_MS + this.#random.exponential(RESTART_MS), (at) => this.#start(at));
  }

  /** Whichever daemon is not there. */
  #start(now: Instant): void {
    this.#caller ??= new CallerSide(this.#near, this.#target, this.#random, now);
    this.#answerer ??= new AnswerSide(this.#far, this.#random, now);
    this.#ableSince = now;
  }

  /** Packets both ways, of which those count that have a link all the time. */
  #planProbe(from: Instant): void {
    this.#at(from + PROBE_MS, (now) => {
      const sides = [this.#caller, this.#answerer];
      const since = this.report.reachableMs;
      const packet = probePacket(++this.#probe & 0xffff);
      for (const side of sides) {
        side?.ppp.delivered.splice(0);
        if (this.#isReachable) side?.send(packet, now);
      }
      this.#at(now + PROBE_WAIT_MS, () => {
        if (this.report.reachableMs - since < PROBE_WAIT_MS - 1) return;
        for (const side of sides) {
          this.report.probes++;
          const came = side?.ppp.delivered.some((octets) => octets.join() === packet.join());
          if (came !== true) this.report.probesLost++;
        }
      });
      this.#planProbe(now);
    });
  }
}

/** An IPv4 packet with its number. */
function probePacket(number: number): Uint8Array {
  const packet = new Uint8Array(84);
  packet.set([0x45, 0, 0, packet.length, number >> 8, number & 0xff, 0, 0, 64, 17, 0, 0]);
  packet.set([10, 0, 0, 1, 10, 0, 0, 2, number >> 8, number & 0xff, 0, 9], 12);
  return packet;
}
