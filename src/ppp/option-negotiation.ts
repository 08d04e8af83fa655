import { type ConfigOption, type RawOption, readOptions, sameOctets, writeOptions } from "./option.ts";

type Shown = string | number | boolean;

export interface Judgement {
  readonly say: "ack" | "nak" | "reject";
  /** Options of the answer, written; of an Ack they are those of the request, octet for octet. */
  readonly options: Uint8Array;
}

/** Naks of the peer in a row after which an option that it Naks is given up, as if it had rejected it. */
const MOST_NAKS = 10;
const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * What both sides ask for and agree on (RFC 1661, sections 5.1 to 5.4): makes our Configure-Requests, judges the peer's, and
 * takes its refusals. Knows nothing of states and timers.
 */
export class OptionNegotiation {
  readonly #options: readonly ConfigOption<unknown>[];
  readonly #maxFailure: number;
  readonly #ours = new Map<number, unknown>();
  #theirs: ReadonlyMap<number, unknown> = new Map();
  #judged: ReadonlyMap<number, unknown> = new Map();
  #request: readonly RawOption[] = [];
  #naksSent = 0;
  #naksTaken = 0;
  #refused: string | null = null;

  constructor(options: readonly ConfigOption<unknown>[], settings: { readonly maxFailure: number }) {
    this.#options = options;
    this.#maxFailure = settings.maxFailure;
  }

  /** Name of the vital option that the peer refused; null: none. */
  get refused(): string | null {
    return this.#refused;
  }

  ours<T>(option: ConfigOption<T>): T | undefined {
    return this.#ours.get(option.type) as T | undefined;
  }

  theirs<T>(option: ConfigOption<T>): T | undefined {
    return this.#theirs.get(option.type) as T | undefined;
  }

  describe(): { readonly ours: Record<string, Shown>; readonly theirs: Record<string, Shown> } {
    const show = (values: ReadonlyMap<number, unknown>): Record<string, Shown> =>
      Object.fromEntries(
        this.#options
          .filter(({ type }) => values.has(type))
          .map((option) => [option.name, option.show(values.get(option.type))]),
      );
    return { ours: show(this.#ours), theirs: show(this.#theirs) };
  }

  /** Forgets what was agreed on: our wishes are the first ones again. */
  begin(): void {
    this.#theirs = new Map();
    this.#judged = this.#theirs;
    this.#naksSent = 0;
    this.#naksTaken = 0;
    this.#refused = null;
    this.#ours.clear();
    for (const option of this.#options) {
      const wish = option.begin();
      if (wish !== undefined) this.#ours.set(option.type, wish);
    }
  }

  /** @returns the options of our Configure-Request, written: the same ones until `begin` or a refusal */
  request(): Uint8Array {
    const wishes = this.#options.filter(({ type }) => this.#ours.has(type));
    this.#request = wishes.map((option) => ({
      type: option.type,
      data: option.write(this.#ours.get(option.type)),
    }));
    return writeOptions(this.#request);
  }

  /** Judges the options of a Configure-Request. Rejects go before Naks: never both in one answer. */
  judge(wishes: readonly RawOption[]): Judgement {
    const values = new Map<number, unknown>();
    const rejected: RawOption[] = [];
    const nakked: RawOption[] = [];
    const instead: RawOption[] = [];
    for (const wish of wishes) {
      const option = this.#option(wish.type);
      const value = values.has(wish.type) ? undefined : option?.read(wish.data);
      if (option === undefined || value === undefined) {
        rejected.push(wish);
        continue;
      }
      values.set(wish.type, value);
      const verdict = option.judge(value, this.#ours.get(wish.type));
      if (verdict.say === "reject") rejected.push(wish);
      if (verdict.say === "nak") {
        nakked.push(wish);
        instead.push({ type: wish.type, data: option.write(verdict.instead) });
      }
    }
    if (rejected.length > 0) return { say: "reject", options: writeOptions(rejected) };
    const patient = this.#naksSent < this.#maxFailure;
    if (patient) instead.push(...this.#missing(values));
    if (instead.length > 0 && patient) {
      this.#naksSent++;
      return { say: "nak", options: writeOptions(instead) };
    }
    // It does not converge (Max-Failure, section 4.6).
    if (nakked.length > 0) return { say: "reject", options: writeOptions(nakked) };
    this.#judged = values;
    return { say: "ack", options: NOTHING };
  }

  /** The Ack of what was judged last has been sent. */
  granted(): void {
    this.#theirs = this.#judged;
    this.#naksSent = 0;
  }

  /** @param data of a Configure-Ack @returns false: it is not what was asked for, octet for octet */
  takeAck(data: Uint8Array): boolean {
    return sameOctets(writeOptions(this.#request), data);
  }

  /** @param data of a Configure-Nak or Configure-Reject @returns false: it makes no sense, and nothing has changed */
  takeRefusal(data: Uint8Array, isReject: boolean): boolean {
    const options = readOptions(data, 0, data.length);
    if (options === null || options.length === 0) return false;
    if (isReject && !this.#wereAsked(options)) return false;
    const isProposal = !isReject && ++this.#naksTaken < MOST_NAKS;
    for (const { type, data: value } of options) {
      const option = this.#option(type);
      if (option !== undefined) this.#revise(option, isProposal ? (option.read(value) ?? null) : null);
    }
    return true;
  }

  /** Whether these are options of our request, as they were and in that order. */
  #wereAsked(options: readonly RawOption[]): boolean {
    let at = 0;
    for (const { type, data } of options) {
      while (at < this.#request.length && this.#request[at]?.type !== type) at++;
      const asked = this.#request[at++];
      if (asked === undefined || !sameOctets(asked.data, data)) return false;
    }
    return true;
  }

  #revise(option: ConfigOption<unknown>, instead: unknown): void {
    const current = this.#ours.get(option.type);
    const next = option.revise(current, instead);
    if (next !== undefined) this.#ours.set(option.type, next);
    else {
      this.#ours.delete(option.type);
      if (option.vital === true && current !== undefined) this.#refused ??= option.name;
    }
  }

  #option(type: number): ConfigOption<unknown> | undefined {
    return this.#options.find((option) => option.type === type);
  }

  #missing(values: ReadonlyMap<number, unknown>): RawOption[] {
    const missing: RawOption[] = [];
    for (const option of this.#options) {
      const value = values.has(option.type) ? undefined : option.missing?.();
      if (value !== undefined) missing.push({ type: option.type, data: option.write(value) });
    }
    return missing;
  }
}
