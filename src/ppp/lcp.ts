import { type Instant, instant, NEVER } from "../time.ts";
import { PPP_LCP } from "../wire/ppp-packet.ts";
import { CODE_REJECT, CONTROL_HEADER, type ControlPacket, readControlPacket } from "./control-packet.ts";
import { ControlProtocol } from "./control-protocol.ts";
import { longAt, wordAt } from "./describe-text.ts";
import { EchoMonitor } from "./echo-monitor.ts";
import {
  agreedFraming,
  agreedMultilink,
  DEFAULT_FRAMING,
  type Framing,
  type LcpOptions,
  lcpOptions,
  type MultilinkAgreement,
} from "./lcp-agreement.ts";
import { type AuthDemand, DEFAULT_MRU, writeLong } from "./lcp-options.ts";
import type { ConfigOption } from "./option.ts";
import { RateLimit } from "./rate-limit.ts";
import type { AuthProtocol, LcpSettings } from "./settings.ts";
import { printable, utf8Octets, utf8Text } from "./text.ts";

/** Codes of LCP's own (RFC 1661, sections 5.7 to 5.9; RFC 1570, section 1). */
const PROTOCOL_REJECT = 8;
const ECHO_REQUEST = 9;
const ECHO_REPLY = 10;
const DISCARD_REQUEST = 11;
const IDENTIFICATION = 12;
const TIME_REMAINING = 13;

/** Packets in a row that only we can have sent, after which the line is known to lead back. */
const MOST_LOOPS = 5;
/** Identifications that are logged at once, and then one each time that so long has passed, milliseconds. */
const MOST_IDENTIFICATIONS = 5;
const IDENTIFICATION_EACH_MS = 60_000;
type LcpEnd = "peer" | "negotiation" | "peer-unauthenticated" | "unauthenticated" | "echo" | "loopback";

export type LcpEvent =
  | { readonly type: "up" }
  | { readonly type: "down" }
  | { readonly type: "finished" }
  | { readonly type: "log"; readonly text: string }
  | { readonly type: "protocolRejected"; readonly protocol: number };

/** The Link Control Protocol (RFC 1661, sections 5 and 6): one control protocol with its options, and the packets that it alone has. */
export class Lcp {
  framing: Framing = DEFAULT_FRAMING;
  readonly #settings: LcpSettings;
  readonly #protocol: ControlProtocol;
  readonly #options: LcpOptions;
  readonly #echo: EchoMonitor | null;
  readonly #events: LcpEvent[] = [];
  /** Why we closed it; null: we did not, or were asked to. */
  #cause: { readonly end: LcpEnd; readonly reason: string } | null = null;
  /** Echo-Requests of our own that came back, in a row. */
  #ownEchoes = 0;
  #identification = "";
  readonly #identifications = new RateLimit(MOST_IDENTIFICATIONS, IDENTIFICATION_EACH_MS);

  /**
   * @param demanded how the peer has to prove itself, any one of them; empty: not at all
   * @param isOffered how we can prove ourselves
   */
  constructor(
    settings: LcpSettings,
    demanded: readonly AuthProtocol[],
    isOffered: (protocol: AuthProtocol) => boolean,
    random: (count: number) => Uint8Array,
  ) {
    this.#settings = settings;
    this.#options = lcpOptions(settings, demanded, isOffered, random);
    const options: readonly ConfigOption<unknown>[] = Object.values(this.#options);
    this.#protocol = new ControlProtocol(settings, options, settings.start);
    this.#echo = settings.echo && new EchoMonitor(settings.echo);
  }

  get isOpen(): boolean {
    return this.#protocol.state === "opened";
  }

  /** The end is being negotiated, by either side. */
  get isClosing(): boolean {
    return this.#protocol.state === "closing" || this.#protocol.state === "stopping";
  }

  /** Closed before there was anything to finish. */
  get isClosed(): boolean {
    return this.#protocol.state === "closed" || this.#protocol.state === "initial";
  }

  get echoMs(): number | null {
    return this.#echo?.roundTripMs ?? null;
  }

  /** How the peer proves itself. */
  get peerProves(): AuthProtocol | null {
    return protocolOf(this.#protocol.ours(this.#options.auth));
  }

  /** How we prove ourselves. */
  get weProve(): AuthProtocol | null {
    return protocolOf(this.#protocol.theirs(this.#options.auth));
  }

  /** Only if both sides have agreed to it. */
  get multilink(): MultilinkAgreement | null {
    return agreedMultilink(this.#options, this.#protocol);
  }

  /** Why it ended without having been asked to; null: the line is gone. */
  get cause(): { readonly end: LcpEnd; readonly reason: string } | null {
    const { peerTerminated, refused, reason } = this.#protocol;
    if (this.#cause !== null) return this.#cause;
    if (refused === this.#options.auth.name) {
      return { end: "peer-unauthenticated", reason: "the peer refuses to authenticate itself" };
    }
    if (this.#options.auth.isUnmet && reason !== "") {
      return { end: "unauthenticated", reason: `the peer demands a proof that we cannot give (${reason})` };
    }
    if (peerTerminated) return { end: "peer", reason };
    return reason === "" ? null : { end: "negotiation", reason };
  }

  describe(): ReturnType<ControlProtocol["describe"]> {
    return this.isOpen ? this.#protocol.describe() : { ours: {}, theirs: {} };
  }

  /** The line carries octets. */
  lowerUp(now: Instant): void {
    this.#protocol.open(now);
    this.#protocol.lowerUp(now);
    this.#drain(now);
  }

  /** @param reason told to the peer */
  close(reason: string, now: Instant): void {
    this.#protocol.close(reason, now);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    this.#protocol.handleTimeout(now);
    const asked = this.#echo?.handleTimeout(now) ?? null;
    if (asked === "silent") this.#end("echo", "the peer does not answer echoes", "Peer not responding", now);
    else if (asked !== null) this.#protocol.send(ECHO_REQUEST, asked, writeLong(this.#ourMagic));
    this.#drain(now);
  }

  pollTimeout(): Instant {
    return instant(Math.min(this.#protocol.pollTimeout(), this.#echo?.pollTimeout() ?? NEVER));
  }

  pollPacket(): Uint8Array | undefined {
    return this.#protocol.pollPacket();
  }

  pollEvent(): LcpEvent | undefined {
    return this.#events.shift();
  }

  handlePacket(octets: Uint8Array, from: number, to: number, now: Instant): void {
    const packet = readControlPacket(octets, from, to);
    if (packet === null || !this.#handleOwnCode(packet, now)) {
      this.#protocol.handlePacket(octets, from, to, now);
    }
    if (this.#options.magic.loops >= Math.min(MOST_LOOPS, this.#settings.maxFailure)) this.#endLoop(now);
    this.#drain(now);
  }

  /** Tells the peer that nobody takes a protocol (RFC 1661, section 5.7). @param octets the packet behind its protocol field */
  rejectProtocol(protocol: number, octets: Uint8Array, from: number, to: number): void {
    if (!this.isOpen) return;
    const end = Math.min(to, from + this.framing.peerMru - CONTROL_HEADER - 2);
    const data = new Uint8Array(2 + end - from);
    data[0] = protocol >> 8;
    data[1] = protocol & 0xff;
    data.set(octets.subarray(from, end), 2);
    this.#protocol.send(PROTOCOL_REJECT, null, data);
  }

  /** @returns false: it is one of the codes that all control protocols have, or nobody's */
  #handleOwnCode({ code, id, data }: ControlPacket, now: Instant): boolean {
    switch (code) {
      case PROTOCOL_REJECT:
        if (this.isOpen && data.length >= 2) this.#handleProtocolReject(wordAt(data, 0), now);
        return true;
      case ECHO_REQUEST:
        if (this.#protocol.answersQueries && data.length >= 4) this.#handleEchoRequest(id, data, now);
        return true;
      case ECHO_REPLY:
        if (this.isOpen && data.length >= 4 && !this.#isOurMagic(data)) {
          this.#ownEchoes = 0;
          this.#echo?.handleReply(id, now);
        }
        return true;
      case IDENTIFICATION:
        if (data.length >= 4) this.#handleIdentification(printable(utf8Text(data.subarray(4))), now);
        return true;
      case DISCARD_REQUEST:
      case TIME_REMAINING:
        return true;
      case CODE_REJECT:
        // It is there, but does not know echoes: its silence means nothing.
        if (data[0] === ECHO_REQUEST) this.#echo?.handleDown();
        return false;
      default:
        return false;
    }
  }

  #handleProtocolReject(protocol: number, now: Instant): void {
    if (protocol === PPP_LCP) this.#protocol.handleProtocolReject(now);
    else this.#events.push({ type: "protocolRejected", protocol });
  }

  #handleEchoRequest(id: number, data: Uint8Array, now: Instant): void {
    if (this.#isOurMagic(data)) {
      if (++this.#ownEchoes >= MOST_LOOPS) this.#endLoop(now);
      return;
    }
    const answer = data.slice(0, this.framing.peerMru - CONTROL_HEADER);
    answer.set(writeLong(this.#ourMagic));
    this.#protocol.send(ECHO_REPLY, id, answer);
  }

  #handleIdentification(text: string, now: Instant): void {
    if (text === this.#identification || !this.#identifications.take(now)) return;
    this.#identification = text;
    this.#log(`the peer's identification: ${text}`);
  }

  /** 0: none was agreed on. */
  get #ourMagic(): number {
    return this.#protocol.ours(this.#options.magic) ?? 0;
  }

  #isOurMagic(data: Uint8Array): boolean {
    return this.#ourMagic !== 0 && longAt(data, 0) === this.#ourMagic;
  }

  #endLoop(now: Instant): void {
    if (this.#cause === null) this.#log("Serial line is looped back");
    this.#end("loopback", "the line is looped back", "Loopback detected", now);
  }

  #end(end: LcpEnd, reason: string, farewell: string, now: Instant): void {
    this.#cause ??= { end, reason };
    this.#protocol.close(farewell, now);
  }

  #log(text: string): void {
    this.#events.push({ type: "log", text });
  }

  #drain(now: Instant): void {
    for (let event = this.#protocol.pollEvent(); event !== undefined; event = this.#protocol.pollEvent()) {
      if (event === "up") this.#handleUp(now);
      if (event === "down") this.#handleDown();
      if (event !== "started") this.#events.push({ type: event });
    }
  }

  #handleUp(now: Instant): void {
    this.framing = agreedFraming(this.#options, this.#protocol, this.#settings.asyncMap ?? 0);
    this.#protocol.peerMru = this.framing.peerMru;
    this.#ownEchoes = 0;
    this.#echo?.handleUp(now);
    const { identification } = this.#settings;
    if (identification !== null) {
      const text = utf8Octets(identification);
      const data = new Uint8Array(4 + text.length);
      data.set(writeLong(this.#ourMagic));
      data.set(text, 4);
      this.#protocol.send(IDENTIFICATION, null, data.subarray(0, this.framing.peerMru - CONTROL_HEADER));
    }
  }

  #handleDown(): void {
    this.framing = DEFAULT_FRAMING;
    this.#protocol.peerMru = DEFAULT_MRU;
    this.#echo?.handleDown();
  }
}

const protocolOf = (demand: AuthDemand | undefined): AuthProtocol | null =>
  demand === undefined || demand === "unknown" ? null : demand;
