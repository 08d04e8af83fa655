import { after, type Instant, NEVER } from "../time.ts";
import { type CpAction, type CpEvent, type CpState, TRANSITIONS } from "./automaton.ts";
import {
  CODE_REJECT,
  CONFIGURE_ACK,
  CONFIGURE_NAK,
  CONFIGURE_REJECT,
  CONFIGURE_REQUEST,
  CONTROL_HEADER,
  type ControlPacket,
  readControlPacket,
  TERMINATE_ACK,
  TERMINATE_REQUEST,
  writeControlPacket,
} from "./control-packet.ts";
import { type ConfigOption, readOptions } from "./option.ts";
import { OptionNegotiation } from "./option-negotiation.ts";
import type { RestartSettings } from "./settings.ts";
import { printable, utf8Octets, utf8Text } from "./text.ts";

export type CpLayerEvent = "up" | "down" | "started" | "finished";
/** `passive` and `silent` as in LcpSettings. */
export type CpStart = "active" | "passive" | "silent";

/** States in which the restart timer runs (RFC 1661, section 4.1). */
const TIMED: ReadonlySet<CpState> = new Set(["closing", "stopping", "reqSent", "ackRcvd", "ackSent"]);
/** States in which a Configure-Request of ours is under way. */
const NEGOTIATING: ReadonlySet<CpState> = new Set(["reqSent", "ackRcvd", "ackSent"]);
const NOTHING: Uint8Array = new Uint8Array(0);
/** Largest packet for a peer of which nothing is known (RFC 1661, section 6.1). */
const DEFAULT_MRU = 1500;

/**
 * One control protocol (RFC 1661): the automaton of section 4, its packets, and the negotiation of its options. LCP, IPCP and IPV6CP
 * differ in their options only.
 *
 * 1. `handle*` and commands find out which event has happened, and `#fire` looks it up in the table.
 * 2. The actions of its cell put packets and events into queues, which `pollPacket` and `pollEvent` empty.
 *
 * What cannot be or comes too late is dropped in silence and counted in `drops`.
 */
export class ControlProtocol {
  /** Why it went down or finished, for our own log; "": it did not, or for no special reason. */
  reason = "";
  /** The peer sent a Terminate-Request. */
  peerTerminated = false;
  /** Largest packet that the peer takes, octets: what is sent back to it is cut to this. */
  peerMru: number = DEFAULT_MRU;
  readonly drops: Record<"malformed" | "unexpected", number> = { malformed: 0, unexpected: 0 };
  readonly #settings: RestartSettings;
  readonly #start: CpStart;
  readonly #negotiation: OptionNegotiation;
  readonly #packets: Uint8Array[] = [];
  readonly #events: CpLayerEvent[] = [];
  #state: CpState = "initial";
  #restartsLeft = 0;
  #deadline: Instant = NEVER;
  #lastId = 0;
  /** Of our last Configure-Request; null: there was none. */
  #requestId: number | null = null;
  /** The request was answered; what else comes with its Identifier is a copy of that answer. */
  #isAnswered = false;
  /** The packet that is being handled, for the actions that answer it. */
  #incoming: { readonly id: number; readonly octets: Uint8Array } = { id: 0, octets: NOTHING };
  #answer: { readonly code: number; readonly options: Uint8Array } = { code: 0, options: NOTHING };
  #farewell = "";
  /** Whether the peer said anything in this negotiation. */
  #heard = false;

  constructor(
    settings: RestartSettings,
    options: readonly ConfigOption<unknown>[],
    start: CpStart = "active",
  ) {
    this.#settings = settings;
    this.#start = start;
    this.#negotiation = new OptionNegotiation(options, settings);
  }

  get state(): CpState {
    return this.#state;
  }

  /** Name of the vital option that the peer refused, for which the negotiation was given up. */
  get refused(): string | null {
    return this.#negotiation.refused;
  }

  /** Whether packets like Echo-Request are answered now (the table's RXR). */
  get answersQueries(): boolean {
    return TRANSITIONS.rxr[this.#state]?.actions.includes("ser") ?? false;
  }

  /** What we asked for last; once opened, what the peer agreed to. Undefined: the default. */
  ours<T>(option: ConfigOption<T>): T | undefined {
    return this.#negotiation.ours(option);
  }

  /** What the peer asked for and we agreed to. Undefined: the default. */
  theirs<T>(option: ConfigOption<T>): T | undefined {
    return this.#negotiation.theirs(option);
  }

  /** What both sides asked for and agreed to, by the options' names. */
  describe(): ReturnType<OptionNegotiation["describe"]> {
    return this.#negotiation.describe();
  }

  open(now: Instant): void {
    if (this.#state === "closed" && this.#start === "silent") this.#state = "stopped";
    else this.#fire("open", now);
  }

  /** @param reason told to the peer */
  close(reason: string, now: Instant): void {
    this.#farewell = reason;
    this.#fire("close", now);
  }

  lowerUp(now: Instant): void {
    if (this.#state === "starting" && this.#start === "silent") this.#state = "stopped";
    else this.#fire("up", now);
  }

  lowerDown(now: Instant): void {
    this.#fire("down", now);
  }

  /** The peer does not know this protocol. */
  handleProtocolReject(now: Instant): void {
    this.#explain("the peer rejects the protocol");
    this.#fire("rxjMinus", now);
  }

  handleTimeout(now: Instant): void {
    if (now < this.#deadline) return;
    if (this.#restartsLeft > 0) this.#fire("toPlus", now);
    else {
      if (NEGOTIATING.has(this.#state))
        this.#explain(this.#heard ? "no agreement in time" : "nobody answers");
      this.#fire("toMinus", now);
    }
  }

  pollTimeout(): Instant {
    return this.#deadline;
  }

  /** The next packet for the peer, from the code on; undefined: none. */
  pollPacket(): Uint8Array | undefined {
    return this.#packets.shift();
  }

  pollEvent(): CpLayerEvent | undefined {
    return this.#events.shift();
  }

  /** Sends a packet of a code of the protocol's own. @param id null: the next Identifier */
  send(code: number, id: number | null, data: Uint8Array): void {
    this.#packets.push(writeControlPacket(code, id ?? this.#nextId(), data));
  }

  /** @param octets from the code on, `[from, to)`, perhaps with padding. Hostile. */
  handlePacket(octets: Uint8Array, from: number, to: number, now: Instant): void {
    const packet = readControlPacket(octets, from, to);
    if (packet === null) this.drops.malformed++;
    else if (this.#state === "initial" || this.#state === "starting") this.drops.unexpected++;
    else {
      this.#heard = true;
      const length = CONTROL_HEADER + packet.data.length;
      this.#incoming = { id: packet.id, octets: octets.subarray(from, from + length) };
      this.#handleCode(packet, now);
    }
  }

  #handleCode(packet: ControlPacket, now: Instant): void {
    switch (packet.code) {
      case CONFIGURE_REQUEST:
        return this.#handleRequest(packet.data, now);
      case CONFIGURE_ACK:
      case CONFIGURE_NAK:
      case CONFIGURE_REJECT:
        return this.#handleAnswer(packet, now);
      case TERMINATE_REQUEST:
        this.peerTerminated = true;
        this.#explain(
          packet.data.length > 0
            ? `terminated by the peer: ${printable(utf8Text(packet.data))}`
            : "terminated by the peer",
        );
        return this.#fire("rtr", now);
      case TERMINATE_ACK:
        return this.#fire("rta", now);
      case CODE_REJECT:
        return this.#handleCodeReject(packet.data, now);
      default:
        return this.#fire("ruc", now);
    }
  }

  #handleRequest(data: Uint8Array, now: Instant): void {
    const wishes = readOptions(data, 0, data.length);
    if (wishes === null) {
      this.drops.malformed++;
      return;
    }
    const state = this.#state;
    // A request where none was under way begins a new negotiation: what it is judged by has to be new as well.
    if (state === "opened" || state === "stopped") this.#begin();
    else if (!NEGOTIATING.has(state)) return this.#fire("rcrMinus", now);
    const { say, options } = this.#negotiation.judge(wishes);
    this.#answer = { code: ANSWERS[say], options: say === "ack" ? data.slice() : options };
    this.#fire(say === "ack" ? "rcrPlus" : "rcrMinus", now);
  }

  #handleAnswer({ code, id, data }: ControlPacket, now: Instant): void {
    const isAck = code === CONFIGURE_ACK;
    if (NEGOTIATING.has(this.#state) || this.#state === "opened") {
      if (id !== this.#requestId || this.#isAnswered) {
        this.drops.unexpected++;
        return;
      }
      this.#isAnswered = isAck
        ? this.#negotiation.takeAck(data)
        : this.#negotiation.takeRefusal(data, code === CONFIGURE_REJECT);
      if (!this.#isAnswered) {
        this.drops.malformed++;
        return;
      }
    }
    this.#fire(isAck ? "rca" : "rcn", now);
    const { refused } = this.#negotiation;
    if (refused === null || !NEGOTIATING.has(this.#state)) return;
    this.#explain(`the peer refuses ${refused}`);
    this.close(`no agreement on ${refused}`, now);
  }

  #handleCodeReject(data: Uint8Array, now: Instant): void {
    const code = data[0];
    if (code === undefined) {
      this.drops.malformed++;
      return;
    }
    const isVital = code >= CONFIGURE_REQUEST && code <= CODE_REJECT;
    if (isVital) this.#explain(`the peer rejects code ${code}`);
    this.#fire(isVital ? "rxjMinus" : "rxjPlus", now);
  }

  /** A negotiation starts anew. */
  #begin(): void {
    this.reason = "";
    this.peerTerminated = false;
    this.#heard = false;
    this.#negotiation.begin();
  }

  #explain(reason: string): void {
    if (this.reason === "") this.reason = reason;
  }

  #fire(event: CpEvent, now: Instant): void {
    const transition = TRANSITIONS[event][this.#state];
    if (transition === null) return;
    const { next, actions } = transition;
    const isReply = event === "rcrPlus" || event === "rcrMinus";
    if (actions.includes("scr") && !isReply && !NEGOTIATING.has(this.#state)) this.#begin();
    this.#state = next;
    for (const action of actions) {
      if (action === "tlf" && transition.note === "passive" && this.#start === "passive") continue;
      this.#act(action, event, next, now);
    }
    if (!TIMED.has(next)) this.#deadline = NEVER;
  }

  #act(action: CpAction, event: CpEvent, next: CpState, now: Instant): void {
    const { restartMs, maxConfigure, maxTerminate } = this.#settings;
    switch (action) {
      case "tlu":
        this.reason = "";
        this.peerTerminated = false;
        return this.#tell("up");
      case "tld":
        return this.#tell("down");
      case "tls":
        return this.#tell("started");
      case "tlf":
        return this.#tell("finished");
      case "irc":
        this.#restartsLeft = next === "closing" || next === "stopping" ? maxTerminate : maxConfigure;
        return;
      case "zrc":
        this.#restartsLeft = 0;
        this.#deadline = after(now, restartMs);
        return;
      case "scr":
        this.#restartsLeft--;
        this.#deadline = after(now, restartMs);
        return this.#sendRequest(event === "toPlus");
      case "str":
        this.#restartsLeft--;
        this.#deadline = after(now, restartMs);
        return this.send(TERMINATE_REQUEST, null, utf8Octets(this.#farewell));
      case "sca":
        this.#negotiation.granted();
        return this.send(CONFIGURE_ACK, this.#incoming.id, this.#answer.options);
      case "scn":
        return this.send(this.#answer.code, this.#incoming.id, this.#answer.options);
      case "sta":
        return this.send(TERMINATE_ACK, this.#incoming.id, NOTHING);
      case "scj":
        return this.send(CODE_REJECT, null, this.#incoming.octets.slice(0, this.peerMru - CONTROL_HEADER));
      case "ser":
        // What it answers with is the business of the protocol that has such packets: see `answersQueries`.
        return;
    }
  }

  #tell(event: CpLayerEvent): void {
    this.#events.push(event);
  }

  /** @param again the same request once more: it keeps its Identifier, so that a late answer still counts */
  #sendRequest(again: boolean): void {
    if (!again || this.#requestId === null) this.#requestId = this.#nextId();
    this.#isAnswered = false;
    this.send(CONFIGURE_REQUEST, this.#requestId, this.#negotiation.request());
  }

  #nextId(): number {
    this.#lastId = (this.#lastId + 1) & 0xff;
    return this.#lastId;
  }
}

const ANSWERS = { ack: CONFIGURE_ACK, nak: CONFIGURE_NAK, reject: CONFIGURE_REJECT } as const;
