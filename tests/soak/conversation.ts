import { TransferData } from "../../src/lab/transfer-data.ts";

/** A TCP connection that lasts as long as the soak, and what is said on it. The near host connects. */
export type Conversation =
  /** One end sends as fast as the other takes it. */
  | { readonly name: string; readonly kind: "stream"; readonly from: ConversationSide }
  /** The near host asks, at most so often, and asks again when the answer is there. */
  | {
      readonly name: string;
      readonly kind: "questions";
      readonly question: number;
      readonly answer: number;
      readonly everyMs: number;
    };

export type ConversationSide = "near" | "far";

/** What a process that is one end of all conversations is told, as JSON. */
export interface ConversationRole {
  readonly side: ConversationSide;
  /** The far host's. */
  readonly address: string;
  readonly port: number;
  /** At most 255; both ends have the same ones. */
  readonly conversations: readonly Conversation[];
}

/** What it reports: lines of JSON. The near one is told by the end of its standard input to come to an end. */
export type ConversationReport =
  | { readonly event: "listening" }
  | { readonly event: "connected"; readonly name: string }
  /** It broke, or an octet was wrong. */
  | { readonly event: "lost"; readonly name: string; readonly reason: string }
  | ConversationEnded;

/** Both ends have said that they have no more to say. */
export interface ConversationEnded {
  readonly event: "ended";
  readonly name: string;
  readonly sent: number;
  /** All of them right. */
  readonly received: number;
  readonly answers: number;
  readonly longestWaitMs: number;
}

/** One direction of a conversation: octets that both ends know. */
export class Stream {
  readonly #data: TransferData;
  #octets = 0;

  /** @param index of the conversation */
  constructor(index: number, from: ConversationSide) {
    this.#data = new TransferData(2 * index + (from === "near" ? 0 : 1));
  }

  /** So far. */
  get octets(): number {
    return this.#octets;
  }

  next(length: number): Uint8Array {
    const octets = new Uint8Array(length);
    this.#data.fill(octets);
    this.#octets += length;
    return octets;
  }

  /** @throws Error naming the first octet that is wrong */
  check(received: Uint8Array): void {
    const before = this.#octets;
    const meant = this.next(received.length);
    const wrong = received.findIndex((octet, index) => octet !== meant[index]);
    if (wrong >= 0)
      throw new Error(`octet ${before + wrong} is ${received[wrong]} instead of ${meant[wrong]}`);
  }
}
