import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Host } from "../../src/lab/namespace.ts";
import { eventually } from "../daemon/world.ts";
import type {
  Conversation,
  ConversationEnded,
  ConversationReport,
  ConversationRole,
} from "./conversation.ts";

const PORT = 10_500;
const START_MS = 60_000;

/** A process that is one end. */
class End {
  readonly #child: ChildProcess;
  readonly #reports: ConversationReport[] = [];
  /** Rejects when a conversation is lost, and never resolves. */
  readonly lost: Promise<never>;
  #complaint = "";

  constructor(host: Host, role: ConversationRole) {
    let lose: (why: string) => void = () => {};
    this.lost = new Promise((_, reject) => {
      lose = (why) => reject(new Error(`a connection is lost: ${why}`));
    });
    this.lost.catch(() => {}); // told to whoever waits
    const script = fileURLToPath(new URL("conversation-main.js", import.meta.url));
    this.#child = host.spawn([process.execPath, script, JSON.stringify(role)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint += text;
    });
    this.#child.once("exit", (code) => {
      if (code !== 0) lose(`the process on ${role.side} has ended: ${this.#complaint}`);
    });
    if (this.#child.stdout === null) return;
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const report = JSON.parse(line) as ConversationReport;
      this.#reports.push(report);
      if (report.event === "lost") lose(`${report.name}, on ${role.side}: ${report.reason}`);
    });
  }

  /** Waits for so many reports of a kind. */
  async all<E extends ConversationReport["event"]>(
    event: E,
    count: number,
    deadlineMs: number,
  ): Promise<readonly Extract<ConversationReport, { event: E }>[]> {
    const found = (): Extract<ConversationReport, { event: E }>[] =>
      this.#reports.filter((each): each is Extract<ConversationReport, { event: E }> => each.event === event);
    return eventually(`${count} are ${event}`, () => found().length >= count && found(), deadlineMs);
  }

  finish(): void {
    this.#child.stdin?.end();
  }
}

export interface ConversationResult {
  readonly name: string;
  /** Octets that arrived, all of them right. */
  readonly toFar: number;
  readonly toNear: number;
  readonly answers: number;
  readonly longestWaitMs: number;
}

/** Long-lived connections between two hosts, watched. */
export class Conversations {
  /** Rejects when one is lost, and never resolves. */
  readonly lost: Promise<never>;
  readonly #ends: readonly End[];
  readonly #conversations: readonly Conversation[];

  private constructor(ends: readonly End[], conversations: readonly Conversation[]) {
    this.#ends = ends;
    this.#conversations = conversations;
    this.lost = Promise.race(ends.map(({ lost }) => lost));
    this.lost.catch(() => {}); // told to whoever waits
  }

  /** @param address of the far host */
  static async start(
    near: Host,
    far: Host,
    address: string,
    conversations: readonly Conversation[],
  ): Promise<Conversations> {
    const role = { address, port: PORT, conversations };
    const farEnd = new End(far, { ...role, side: "far" });
    await farEnd.all("listening", 1, START_MS);
    const nearEnd = new End(near, { ...role, side: "near" });
    const made = new Conversations([nearEnd, farEnd], conversations);
    await Promise.race([nearEnd.all("connected", conversations.length, START_MS), made.lost]);
    return made;
  }

  /** Lets them come to an end, and rejects unless both ends agree on what was said. */
  async finish(deadlineMs: number): Promise<readonly ConversationResult[]> {
    for (const end of this.#ends) end.finish();
    const ends = this.#ends.map((end) => end.all("ended", this.#conversations.length, deadlineMs));
    const [near = [], far = []] = await Promise.race([Promise.all(ends), this.lost]);
    return this.#conversations.map(({ name }) => {
      const named = (reports: readonly ConversationEnded[]): ConversationEnded | undefined =>
        reports.find((report) => report.name === name);
      const [ours, theirs] = [named(near), named(far)];
      if (ours?.sent !== theirs?.received || ours?.received !== theirs?.sent) {
        throw new Error(`${name} is not whole: ${JSON.stringify([ours, theirs])}`);
      }
      return {
        name,
        toFar: theirs?.received ?? 0,
        toNear: ours?.received ?? 0,
        answers: ours?.answers ?? 0,
        longestWaitMs: ours?.longestWaitMs ?? 0,
      };
    });
  }
}
