import { utf8Octets } from "../../ppp/text.ts";
import type { CallInfo, Grant } from "./authority.ts";
import { nasAttributes, type RadiusLog, RadiusMark, type RadiusNas } from "./radius.ts";
import {
  ACCT_AUTHENTIC,
  ACCT_DELAY_TIME,
  ACCT_INPUT_GIGAWORDS,
  ACCT_INPUT_OCTETS,
  ACCT_MULTI_SESSION_ID,
  ACCT_OUTPUT_GIGAWORDS,
  ACCT_OUTPUT_OCTETS,
  ACCT_SESSION_ID,
  ACCT_SESSION_TIME,
  ACCT_STATUS_TYPE,
  ACCT_TERMINATE_CAUSE,
  addressAttribute,
  CLASS,
  EVENT_TIMESTAMP,
  FRAMED_IP_ADDRESS,
  FRAMED_PPP,
  FRAMED_PROTOCOL,
  FRAMED_SLIP,
  FRAMED_USER,
  integerAttribute,
  octetsAttribute,
  SERVICE_TYPE,
  textAttribute,
  USER_NAME,
} from "./radius-attributes.ts";
import type { RadiusClient } from "./radius-client.ts";
import { type RadiusAttribute, writeAccountingRequest } from "./radius-packet.ts";

/** Pauses between attempts to tell a record, milliseconds. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;
/** Records that wait to be told; beyond that the oldest is given up. */
const MOST_WAITING = 1_000;
const GIGAWORD = 2 ** 32;

/** Acct-Status-Type (RFC 2866, section 5.1). */
const START = 1;
const STOP = 2;
const INTERIM = 3;

/** Why a session ended, as Acct-Terminate-Cause (RFC 2866, section 5.10). */
const CAUSES = {
  user: 1,
  carrier: 2,
  service: 3,
  idle: 4,
  session: 5,
  admin: 6,
  shutdown: 7,
  error: 9,
} as const;
export type SessionEnd = keyof typeof CAUSES;

/** A caller who was let in. */
export interface AccountedSession {
  /** Nobody else's, also not after the daemon was started again. */
  readonly id: string;
  /** The same for all lines of one bundle; null: it is in none. */
  readonly bundle: string | null;
  readonly grant: Grant;
  readonly about: CallInfo;
  readonly protocol: "slip" | "ppp";
  /** IPv4; null: none yet. */
  readonly address: string | null;
}

export interface SessionUsage {
  readonly seconds: number;
  /** Octets of packets, to the caller and from him. */
  readonly sent: number;
  readonly received: number;
}

export interface OpenSession {
  end(usage: SessionUsage, why: SessionEnd): void;
}

/** Tells RADIUS servers of sessions (RFC 2866), each record until one of them has it. */
export class RadiusAccounting {
  readonly #client: RadiusClient;
  readonly #nas: RadiusNas;
  readonly #log: RadiusLog;
  readonly #interimMs: number | null;
  /** Records that nobody has taken yet. */
  readonly #waiting = new Map<object, { readonly giveUp: () => void; readonly told: Promise<void> }>();
  readonly #open = new Set<NodeJS.Timeout>();

  /** @param interimMs how often servers hear of a session that goes on, unless they say themselves; null: never */
  constructor(client: RadiusClient, nas: RadiusNas, interimMs: number | null, log: RadiusLog) {
    this.#client = client;
    this.#nas = nas;
    this.#interimMs = interimMs;
    this.#log = log;
  }

  /** @param usage what the session has had so far */
  begin(session: AccountedSession, usage: () => Promise<SessionUsage>): OpenSession {
    const mark = session.grant.accounting instanceof RadiusMark ? session.grant.accounting : null;
    const common = this.#describe(session, mark);
    const tell = (status: number, more: readonly RadiusAttribute[]): void =>
      this.#tell([integerAttribute(ACCT_STATUS_TYPE, status), ...common, ...more], session.about.line);
    tell(START, []);
    const interimMs = mark?.interimMs ?? this.#interimMs;
    const timer =
      interimMs === null
        ? undefined
        : setInterval(() => {
            usage().then(
              (had) => this.#open.has(timer as NodeJS.Timeout) && tell(INTERIM, usageAttributes(had)),
              (error: Error) =>
                this.#log.warn({ line: session.about.line, error: error.message }, "not accounted"),
            );
          }, interimMs);
    if (timer !== undefined) this.#open.add(timer);
    return {
      end: (had, why) => {
        if (timer !== undefined) this.#forget(timer);
        tell(STOP, [...usageAttributes(had), integerAttribute(ACCT_TERMINATE_CAUSE, CAUSES[why])]);
      },
    };
  }

  /** Waits until everything is told, but not longer than a limit. */
  async close(limitMs: number): Promise<void> {
    for (const timer of this.#open) this.#forget(timer);
    const records = [...this.#waiting.values()];
    const limit = setTimeout(() => {
      this.#client.close();
      for (const { giveUp } of records) giveUp();
    }, limitMs);
    await Promise.all(records.map(({ told }) => told));
    clearTimeout(limit);
    this.#client.close();
  }

  #forget(timer: NodeJS.Timeout): void {
    clearInterval(timer);
    this.#open.delete(timer);
  }

  #describe(session: AccountedSession, mark: RadiusMark | null): RadiusAttribute[] {
    const { id, bundle, grant, about, protocol, address } = session;
    return [
      textAttribute(ACCT_SESSION_ID, id),
      ...(bundle === null ? [] : [textAttribute(ACCT_MULTI_SESSION_ID, bundle)]),
      octetsAttribute(USER_NAME, utf8Octets(grant.user)),
      integerAttribute(SERVICE_TYPE, FRAMED_USER),
      integerAttribute(FRAMED_PROTOCOL, protocol === "ppp" ? FRAMED_PPP : FRAMED_SLIP),
      ...(address === null ? [] : [addressAttribute(FRAMED_IP_ADDRESS, address)]),
      integerAttribute(ACCT_AUTHENTIC, mark === null ? 2 : 1),
      ...(mark?.classes ?? []).map((value) => octetsAttribute(CLASS, value)),
      ...nasAttributes(this.#nas, about),
    ];
  }

  #tell(attributes: readonly RadiusAttribute[], line: string): void {
    const record = {};
    const giveUp = new AbortController();
    const told = this.#tellUntilTaken(attributes, line, giveUp.signal).finally(() =>
      this.#waiting.delete(record),
    );
    this.#waiting.set(record, { giveUp: () => giveUp.abort(), told });
    if (this.#waiting.size > MOST_WAITING) this.#waiting.values().next().value?.giveUp();
  }

  async #tellUntilTaken(
    attributes: readonly RadiusAttribute[],
    line: string,
    signal: AbortSignal,
  ): Promise<void> {
    const happened = Date.now();
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      const delay = Math.floor((Date.now() - happened) / 1000);
      const timed = [
        ...attributes,
        integerAttribute(EVENT_TIMESTAMP, Math.floor(happened / 1000)),
        integerAttribute(ACCT_DELAY_TIME, Math.max(0, delay)),
      ];
      const reply = await this.#client.ask((id, secret) => writeAccountingRequest(id, timed, secret));
      if (!("silence" in reply)) return;
      this.#log.warn({ line, reason: reply.silence, retryMs: pauseMs }, "RADIUS accounting is not taken");
      await pause(pauseMs, signal);
    }
    this.#log.warn({ line }, "RADIUS accounting is given up");
  }
}

/** RFC 2866, section 5.3 and RFC 2869, section 5.1: of octets, input is what the caller sent. */
function usageAttributes({ seconds, sent, received }: SessionUsage): RadiusAttribute[] {
  return [
    integerAttribute(ACCT_SESSION_TIME, Math.max(0, Math.floor(seconds))),
    integerAttribute(ACCT_INPUT_OCTETS, received % GIGAWORD),
    integerAttribute(ACCT_INPUT_GIGAWORDS, Math.floor(received / GIGAWORD)),
    integerAttribute(ACCT_OUTPUT_OCTETS, sent % GIGAWORD),
    integerAttribute(ACCT_OUTPUT_GIGAWORDS, Math.floor(sent / GIGAWORD)),
  ];
}

/** Ends early when the signal comes. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
