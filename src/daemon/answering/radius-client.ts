import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { type RadiusReply, type RadiusRequest, readReply } from "./radius-packet.ts";

/** How long a server that did not answer is asked after the others, milliseconds. */
const REST_MS = 60_000;

export interface RadiusServer {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
  readonly secret: Uint8Array;
}

export interface RadiusPatience {
  /** How long a reply is waited for before the request is sent again, and how often it is sent to one server. */
  readonly tryMs: number;
  readonly tries: number;
  /** As with `readReply`. */
  readonly mustSign: boolean;
}

/** Nobody answered: which server did what instead. */
export interface RadiusSilence {
  readonly silence: string;
}

/** Asks servers by UDP (RFC 2865, section 2.4), one after the other until one answers. */
export class RadiusClient {
  readonly #servers: readonly RadiusServer[];
  readonly #patience: RadiusPatience;
  readonly #closing = new AbortController();
  readonly #restsUntil = new Map<RadiusServer, number>();

  /** @param servers the preferred one first */
  constructor(servers: readonly RadiusServer[], patience: RadiusPatience) {
    this.#servers = servers;
    this.#patience = patience;
  }

  /** @param write the request for a server, which has its own secret */
  async ask(write: (id: number, secret: Uint8Array) => RadiusRequest): Promise<RadiusReply | RadiusSilence> {
    const silences: string[] = [];
    for (const server of this.#inTurn()) {
      if (this.#closing.signal.aborted) break;
      const reply = await this.#askOne(server, write(randomInt(256), server.secret));
      if (typeof reply !== "string") {
        this.#restsUntil.delete(server);
        return reply;
      }
      this.#restsUntil.set(server, performance.now() + REST_MS);
      silences.push(`${server.host} port ${server.port}: ${reply}`);
    }
    return { silence: silences.join("; ") || "it is the end" };
  }

  /** What is being asked has no answer. */
  close(): void {
    this.#closing.abort();
  }

  #inTurn(): RadiusServer[] {
    const now = performance.now();
    const rests = (server: RadiusServer): number => ((this.#restsUntil.get(server) ?? 0) > now ? 1 : 0);
    return this.#servers.toSorted((one, other) => rests(one) - rests(other));
  }

  /** From a socket of its own, so that its port is another secret. @returns text: there was no answer, and why */
  async #askOne({ host, port, secret }: RadiusServer, request: RadiusRequest): Promise<RadiusReply | string> {
    const { tryMs, tries, mustSign } = this.#patience;
    const found = await lookup(host).catch((error: Error) => error);
    if (found instanceof Error) return found.message;
    const { signal } = this.#closing;
    if (signal.aborted) return "it is the end";
    const socket = createSocket(found.family === 6 ? "udp6" : "udp4");
    let timer: NodeJS.Timeout | undefined;
    let giveUp = (): void => {};
    const answered = new Promise<RadiusReply | string>((resolve) => {
      let silence = "no answer";
      let sent = 0;
      giveUp = () => resolve(silence);
      const send = (): void => {
        if (sent++ >= tries) return giveUp();
        socket.send(request.octets);
        timer = setTimeout(send, tryMs);
      };
      socket.on("message", (octets) => {
        const reply = readReply(octets, request, secret, mustSign);
        if (typeof reply !== "string") resolve(reply);
        else silence = `what it answers is not to be believed: ${reply}`;
      });
      socket.on("connect", send);
      // It is told that nobody listens there, or that no way leads there.
      socket.on("error", ({ message }) => resolve(message));
      signal.addEventListener("abort", giveUp);
      socket.connect(port, found.address);
    });
    const reply = await answered;
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    socket.close();
    return reply;
  }
}
