import { createConnection, createServer, type Socket } from "node:net";
import {
  type Conversation,
  type ConversationReport,
  type ConversationRole,
  type ConversationSide,
  Stream,
} from "./conversation.ts";

/** One end of all conversations, run by Node on a host. A conversation begins with its index as an octet. */

const PIECE = 2048;

const report = (message: ConversationReport): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

class Party {
  readonly #conversation: Conversation;
  readonly #socket: Socket;
  readonly #side: ConversationSide;
  readonly #sent: Stream;
  readonly #received: Stream;
  #isOver = false;
  #hasPeerEnded = false;
  #isLost = false;
  #answers = 0;
  #askedAt = 0;
  #longestWaitMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(role: ConversationRole, index: number, socket: Socket) {
    const { side } = role;
    this.#conversation = role.conversations[index] as Conversation;
    this.#socket = socket;
    this.#side = side;
    this.#sent = new Stream(index, side);
    this.#received = new Stream(index, side === "near" ? "far" : "near");
    socket.on("drain", () => this.#pump());
    socket.on("end", () => this.#handleEnd());
    socket.on("error", (error) => this.#lose(error.message));
    socket.on("close", () => this.#handleClose());
  }

  begin(): void {
    const { kind } = this.#conversation;
    if (kind === "stream") this.#pump();
    else if (this.#side === "near") this.#ask();
  }

  handleOctets(octets: Uint8Array): void {
    try {
      this.#received.check(octets);
    } catch (error) {
      this.#lose((error as Error).message);
      this.#socket.destroy();
      return;
    }
    if (this.#conversation.kind === "questions") this.#converse(this.#conversation);
  }

  /** Says nothing more; the far end answers what was asked, and ends too. */
  finish(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.end();
  }

  #pump(): void {
    const { kind } = this.#conversation;
    if (kind !== "stream" || this.#conversation.from !== this.#side) return;
    while (!this.#isOver && this.#socket.write(this.#sent.next(PIECE)));
  }

  #converse({ question, answer, everyMs }: Extract<Conversation, { kind: "questions" }>): void {
    if (this.#side === "far") {
      while ((this.#answers + 1) * question <= this.#received.octets) {
        this.#answers++;
        this.#socket.write(this.#sent.next(answer));
      }
    } else if (this.#received.octets === (this.#answers + 1) * answer) {
      this.#answers++;
      const waitedMs = performance.now() - this.#askedAt;
      this.#longestWaitMs = Math.max(this.#longestWaitMs, waitedMs);
      if (!this.#isOver) this.#timer = setTimeout(() => this.#ask(), Math.max(0, everyMs - waitedMs));
    }
  }

  #ask(): void {
    if (this.#conversation.kind !== "questions") return;
    this.#askedAt = performance.now();
    this.#socket.write(this.#sent.next(this.#conversation.question));
  }

  #handleEnd(): void {
    this.#hasPeerEnded = true;
    if (this.#side === "far") this.finish();
    else if (!this.#isOver) this.#lose("the far end has closed it");
  }

  #handleClose(): void {
    clearTimeout(this.#timer);
    if (!this.#hasPeerEnded || !this.#isOver) this.#lose("it was closed");
    if (this.#isLost) return;
    report({
      event: "ended",
      name: this.#conversation.name,
      sent: this.#sent.octets,
      received: this.#received.octets,
      answers: this.#answers,
      longestWaitMs: Math.round(this.#longestWaitMs),
    });
  }

  #lose(reason: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    report({ event: "lost", name: this.#conversation.name, reason });
  }
}

function call(role: ConversationRole): void {
  const { address: host, port, conversations } = role;
  const parties = conversations.map(({ name }, index) => {
    const socket = createConnection({ host, port, allowHalfOpen: true });
    const party = new Party(role, index, socket);
    socket.on("data", (octets) => party.handleOctets(octets));
    socket.once("connect", () => {
      report({ event: "connected", name });
      socket.write(Uint8Array.of(index));
      party.begin();
    });
    return party;
  });
  process.stdin.resume().once("end", () => {
    for (const party of parties) party.finish();
  });
}

function answer(role: ConversationRole): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let party: Party | null = null;
    socket.on("data", (octets) => {
      const isFirst = party === null;
      party ??= new Party(role, octets[0] as number, socket);
      const rest = octets.subarray(isFirst ? 1 : 0);
      if (isFirst) party.begin();
      if (rest.length > 0) party.handleOctets(rest);
    });
    socket.on("error", () => {}); // before it is known which one it is
  });
  server.listen(role.port, () => report({ event: "listening" }));
}

const role = JSON.parse(process.argv[2] ?? "{}") as ConversationRole;
if (role.side === "near") call(role);
else answer(role);
