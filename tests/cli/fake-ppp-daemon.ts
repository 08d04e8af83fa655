import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { PppEnd, PppEvent, PppRequest, Status } from "../../src/control/messages.ts";
import { line, status } from "../daemon/fake-daemon.ts";

const DEADLINE_MS = 60_000;

/** A line that a pppd handed over: what it asked, and what it is told. */
export class FakeLine {
  readonly request: PppRequest;
  readonly #answer: ServerResponse;
  /** Resolves when the client has let go of the line. */
  readonly closed: Promise<unknown>;

  constructor(request: PppRequest, answer: ServerResponse) {
    this.request = request;
    this.#answer = answer;
    this.closed = once(answer, "close");
    answer.writeHead(200, { "content-type": "application/json" });
  }

  get name(): string {
    return this.request.name ?? "ppp9";
  }

  tell(...events: PppEvent[]): void {
    for (const event of events) this.#answer.write(`${JSON.stringify(event)}\n`);
  }

  up(): void {
    this.tell({ event: "up", interface: "ppp9", local: "10.0.0.1", remote: "10.0.0.2" });
  }

  end(end: PppEnd, reason = ""): void {
    this.tell({ event: "ended", end, reason });
    this.#answer.end();
  }

  /** As a daemon that is killed. */
  break(): void {
    this.#answer.destroy();
  }
}

/** The part of the daemon that `eql pppd` talks to, played by a test. */
export class FakePppDaemon {
  readonly #server: Server;
  readonly #waiting: FakeLine[] = [];
  #arrived: () => void = () => {};
  /** Names of lines that were to be ended. */
  readonly removed: string[] = [];
  /** What happens then; by default the line ends. */
  onRemove: (line: FakeLine | undefined) => void = (line) => line?.end("asked", "User request");
  /** Refuses the next line with this. */
  refusal: { readonly code: string; readonly message: string } | null = null;
  /** How many it has refused. */
  refused = 0;
  /** IP packets that the line carried. */
  packets = 0;
  readonly lines: FakeLine[] = [];

  constructor() {
    this.#server = createServer((request, answer) => void this.#serve(request, answer));
  }

  async listen(socket: string): Promise<void> {
    this.#server.listen(socket);
    await once(this.#server, "listening");
  }

  /** The next line that a pppd hands over. */
  async line(): Promise<FakeLine> {
    const end = performance.now() + DEADLINE_MS;
    for (;;) {
      const found = this.#waiting.shift();
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error("no pppd handed a line over");
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
        timer = setTimeout(resolve, end - performance.now());
      });
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    let body = "";
    for await (const part of request.setEncoding("utf8") as AsyncIterable<string>) body += part;
    const { method, url = "" } = request;
    if (url === "/ppp" && this.refusal === null) {
      const accepted = new FakeLine(JSON.parse(body) as PppRequest, answer);
      accepted.tell({ event: "line", line: accepted.name });
      this.lines.push(accepted);
      this.#waiting.push(accepted);
      this.#arrived();
    } else if (url === "/ppp") {
      this.refused++;
      answer.writeHead(409, { "content-type": "application/json" }).end(JSON.stringify(this.refusal));
    } else if (method === "DELETE") {
      const name = decodeURIComponent(url.slice("/lines/".length));
      this.removed.push(name);
      this.onRemove(this.lines.findLast((one) => one.name === name));
      answer.writeHead(200).end("{}");
    } else {
      answer.writeHead(200).end(JSON.stringify(this.#status()));
    }
  }

  #status(): Status {
    const sent = { packets: this.packets, octets: 0 };
    return status({ lines: this.lines.map(({ name }) => line({ name, sent })) });
  }
}
