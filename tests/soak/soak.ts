import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Status } from "../../src/control/messages.ts";
import { hashPassword } from "../../src/host/password.ts";
import type { Host } from "../../src/lab/namespace.ts";
import { Random } from "../../src/sim/random.ts";
import { NUMBER, PhoneWorld } from "../daemon/phone-world.ts";
import { FAR, NEAR } from "../daemon/world.ts";
import type { Conversation } from "./conversation.ts";
import { type ConversationResult, Conversations } from "./conversations.ts";
import { LineRecord, shareWithOneUp } from "./line-record.ts";
import { SoakDaemon } from "./soak-daemon.ts";

/** Of a line, however unlucky its calls and however busy the machine: eight attempts and more. */
export const LONGEST_OUTAGE_MS = 90_000;

const CARRIERS: readonly number[] = [57_600, 57_600, 57_600, 57_600];
const USER = "joe";
const PASSWORD = "open-sesame";
const NEAR_LINES = CARRIERS.map((_, index) => `sl${index}`);
const FAR_LINES = CARRIERS.map((_, index) => `tty${index}`);

/**
 * Modems that lose no time: a carrier is there within 8 s (two rings and training) or none, also where a call is taken
 * whose caller has gone; one that is lost is lost at once.
 */
const QUICK = "S7=8S10=2";
/** Who calls knows busy tones, waits for no dial tone, and dials quickly. */
const QUICK_DIALING = "X3S6=0S11=50";
/** One octet of so many is spoiled. */
const NOISE_ONE_IN = 2000;
/** What is in sockets when the soak is over has to arrive yet. */
const DRAIN_MS = 180_000;

export interface SoakOptions {
  /** How long there is trouble. */
  readonly seconds: number;
  readonly seed: number;
  /** When daemons are killed, as parts of that time. */
  readonly crashes: readonly { readonly side: "near" | "far"; readonly at: number }[];
}

export interface SoakReport {
  readonly seconds: number;
  readonly drops: number;
  readonly noises: number;
  readonly dials: number;
  readonly busy: number;
  readonly noCarrier: number;
  readonly calls: number;
  /** From 0 to 1: of the time, at least one line was up. */
  readonly reachable: number;
  /** From 0 to 1: of the lines' time, they were up. */
  readonly up: number;
  /** How long each line was not up each time, in milliseconds. */
  readonly outages: readonly (readonly number[])[];
  readonly conversations: readonly ConversationResult[];
}

/** Two hosts, four telephone lines, daemons and conversations, and all the trouble that lines and daemons have. */
export class Soak {
  readonly near: SoakDaemon;
  readonly far: SoakDaemon;
  readonly world: PhoneWorld;
  readonly #options: SoakOptions;
  readonly #records = CARRIERS.map(() => new LineRecord());
  readonly #stop = new AbortController();
  #troubles: readonly Promise<void>[] = [];
  #drops = 0;
  #noises = 0;

  private constructor(world: PhoneWorld, options: SoakOptions, hash: string) {
    this.world = world;
    this.#options = options;
    this.near = new SoakDaemon(world.near, this.#callerTables());
    this.far = new SoakDaemon(world.far, this.#answererTables(hash));
  }

  static async create(options: SoakOptions): Promise<Soak> {
    const hash = await hashPassword(Buffer.from(PASSWORD));
    const world = await PhoneWorld.create(CARRIERS, {
      busyShare: 0.2,
      noCarrierShare: 0.05,
      trainingMs: 1000,
      seed: options.seed,
    });
    return new Soak(world, options, hash);
  }

  get lines(): number {
    return CARRIERS.length;
  }

  /** Where accounts of sessions are. */
  get accounting(): string {
    return join(this.world.far.directory, "sessions.jsonl");
  }

  /** Rejects when a connection is lost, a daemon fails, or not all is well again after the trouble. */
  async run(): Promise<SoakReport> {
    const { near, far } = this.world;
    await this.far.start();
    await this.near.start();
    await this.#allUp();
    await Promise.all([near.host, far.host].map(limitSendBuffers));
    const everyMs = Math.min(20_000, this.#options.seconds * 250);
    const conversations = await Conversations.start(near.host, far.host, FAR, conversationsOf(everyMs));
    await this.#look();
    const from = Date.now();
    await Promise.race([this.#trouble(), conversations.lost, this.world.phones.ended()]);
    const to = Date.now();
    await Promise.race([this.#allUp(), conversations.lost]);
    await this.#look();
    return this.#report(from, to, await conversations.finish(DRAIN_MS));
  }

  /** Ends the trouble first: nothing is to be started on hosts that are going away. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#troubles);
    await this.world.close();
  }

  async #trouble(): Promise<void> {
    const { seconds, seed } = this.#options;
    const end = performance.now() + 1000 * seconds;
    this.#troubles = [
      this.#repeat(end, new Random(seed), [3000, 6000], (random) => this.#drop(random)),
      this.#repeat(end, new Random(seed + 1), [8000, 20_000], (random) => this.#makeNoise(random)),
      this.#repeat(end, new Random(seed + 2), [1000, 1000], () => this.#look()),
      this.#crash("near"),
      this.#crash("far"),
    ];
    await Promise.all(this.#troubles);
  }

  /** Acts again and again until the end, after pauses as long as the range says, in milliseconds. */
  async #repeat(
    end: number,
    random: Random,
    [least, most]: readonly [number, number],
    act: (random: Random) => Promise<void> | void,
  ): Promise<void> {
    for (;;) {
      const pause = least + (most - least) * random.next();
      const left = end - performance.now();
      await this.#pause(Math.min(pause, left));
      if (left < pause) return;
      await act(random);
    }
  }

  /** Rejects when the soak is closed. */
  #pause(ms: number): Promise<void> {
    return delay(Math.max(0, ms), undefined, { signal: this.#stop.signal });
  }

  /** Cuts the call of a line that is up. */
  #drop(random: Random): void {
    const up = this.#records.flatMap(({ isUp }, index) => (isUp ? [index] : []));
    const line = up[Math.floor(random.next() * up.length)];
    if (line === undefined) return;
    this.#drops++;
    this.world.phones.drop(`near${line}`);
  }

  async #makeNoise(random: Random): Promise<void> {
    const modem = `near${Math.floor(random.next() * CARRIERS.length)}`;
    this.#noises++;
    this.world.phones.setNoise(modem, NOISE_ONE_IN);
    await this.#pause(2000 + 3000 * random.next());
    this.world.phones.setNoise(modem, null);
  }

  async #crash(side: "near" | "far"): Promise<void> {
    const { crashes, seconds } = this.#options;
    const start = performance.now();
    for (const { at } of crashes.filter((crash) => crash.side === side)) {
      await this.#pause(start + 1000 * seconds * at - performance.now());
      if (side === "near") await this.#look();
      const crashed = this[side].crash();
      if (side === "near") for (const record of this.#records) record.handleCrash(Date.now());
      await crashed;
    }
  }

  async #look(): Promise<void> {
    await Promise.all([this.near.look().then((status) => this.#record(status)), this.far.look()]);
  }

  #record(near: Status | null): void {
    for (const [index, name] of NEAR_LINES.entries()) {
      const life = near?.lines.find((line) => line.name === name)?.life;
      if (life) this.#records[index]?.handleHistory(life.history);
    }
  }

  async #allUp(): Promise<void> {
    await this.near.daemon.untilSlaves(NEAR_LINES, LONGEST_OUTAGE_MS);
    await this.far.daemon.untilSlaves(FAR_LINES, LONGEST_OUTAGE_MS);
  }

  #report(from: number, to: number, conversations: readonly ConversationResult[]): SoakReport {
    const failures = this.world.eventsOf("failed");
    const ups = this.#records.flatMap((record) => record.ups(to));
    const upMs = ups.reduce((sum, up) => sum + Math.max(0, Math.min(to, up.to) - Math.max(from, up.from)), 0);
    return {
      seconds: (to - from) / 1000,
      drops: this.#drops,
      noises: this.#noises,
      dials: this.world.eventsOf("dialed").length,
      busy: failures.filter(({ why }) => why === "busy").length,
      noCarrier: failures.filter(({ why }) => why === "no-carrier").length,
      calls: this.world.eventsOf("connected").length,
      reachable: shareWithOneUp(this.#records, from, to),
      up: upMs / (to - from) / CARRIERS.length,
      outages: this.#records.map((record) => record.outages(to)),
      conversations,
    };
  }

  #callerTables(): string[] {
    return [
      "[master.eql]",
      `address = "${NEAR}"`,
      `peer = "${FAR}"`,
      "[dial.isp]",
      `numbers = ["${NUMBER}"]`,
      `user = "${USER}"`,
      `password = "${PASSWORD}"`,
      `modem-init = ["ATZ", "AT&C1&D2${QUICK}${QUICK_DIALING}"]`,
      "login-wait = 10",
      "link-wait = 15",
      "redial-pause = 0.5",
      "longest-redial-pause = 4",
      ...NEAR_LINES.map((name, index) =>
        [
          `[line.${name}]`,
          `device = "${this.world.near.device(index)}"`,
          "speed = 460800",
          'protocol = "ppp"',
          'master = "eql"',
          'dial = "isp"',
          "",
        ].join("\n"),
      ),
    ];
  }

  #answererTables(hash: string): string[] {
    const users = join(this.world.far.directory, "users.toml");
    const account = [`[user.${USER}]`, `password = "${hash}"`, 'protocol = "ppp"', `address = "${NEAR}"`, ""];
    writeFileSync(users, account.join("\n"));
    chmodSync(users, 0o600);
    return [
      "[answer.modems]",
      `modem-init = ["ATZ", "AT&C1&D2S0=0${QUICK}"]`,
      `address = "${FAR}"`,
      `users = "${users}"`,
      `accounting = "${this.accounting}"`,
      ...FAR_LINES.map((name, index) =>
        [
          `[line.${name}]`,
          `device = "${this.world.far.device(index)}"`,
          "speed = 460800",
          'role = "answer"',
          'answer = "modems"',
          "",
        ].join("\n"),
      ),
    ];
  }
}

const conversationsOf = (everyMs: number): readonly Conversation[] => [
  { name: "upload", kind: "stream", from: "near" },
  { name: "download", kind: "stream", from: "far" },
  { name: "every second", kind: "questions", question: 100, answer: 1000, everyMs: 1000 },
  { name: "mostly idle", kind: "questions", question: 50, answer: 50, everyMs },
];

/** So that not much is left to send when the soak is over. */
async function limitSendBuffers(host: Host): Promise<void> {
  await host.must(["sh", "-c", "echo 4096 16384 131072 >/proc/sys/net/ipv4/tcp_wmem"]);
}
