import { type PhoneEvent, PhoneNetwork, type PhoneNetworkSettings } from "../../src/sim/phone-network.ts";
import { after, type Instant, instant } from "../../src/time.ts";

const CHUNK = 512;

/** A host at its modem: what it is to send, and what has come, with the time of each octet. */
export class PhoneHost {
  readonly name: string;
  waiting: Uint8Array = new Uint8Array(0);
  received: number[] = [];
  times: Instant[] = [];
  /** RTS */
  reads = true;

  constructor(name: string) {
    this.name = name;
  }

  get text(): string {
    return String.fromCharCode(...this.received);
  }

  send(what: string | Uint8Array): void {
    const octets = typeof what === "string" ? new TextEncoder().encode(what) : what;
    this.waiting = Uint8Array.from([...this.waiting, ...octets]);
  }

  /** What came since the last call. */
  takeText(): string {
    const { text } = this;
    this.received = [];
    this.times = [];
    return text;
  }
}

/** A network and a host at each modem, on virtual time; nothing happens but at the moments that are asked for. */
export class PhoneWorld {
  readonly network: PhoneNetwork;
  readonly hosts: readonly PhoneHost[];
  readonly events: PhoneEvent[] = [];
  now: Instant = instant(0);
  readonly #into = new Uint8Array(CHUNK);

  constructor(settings: PhoneNetworkSettings) {
    this.network = new PhoneNetwork(settings);
    this.hosts = settings.modems.map(({ name }) => new PhoneHost(name));
  }

  host(name: string): PhoneHost {
    return this.hosts.find((host) => host.name === name) as PhoneHost;
  }

  run(ms: number): void {
    const end = after(this.now, ms);
    for (;;) {
      this.#exchange();
      const next = this.network.pollTimeout();
      if (next > end) break;
      this.now = next > this.now ? next : this.now;
      this.network.handleTimeout(this.now);
    }
    this.now = end;
  }

  /** Runs until the host has read this. @returns the moment of its last octet */
  runUntil(host: PhoneHost, pattern: RegExp, withinMs: number): Instant {
    const end = after(this.now, withinMs);
    for (;;) {
      this.#exchange();
      if (pattern.test(host.text)) return this.now;
      const next = this.network.pollTimeout();
      if (next > end) throw new Error(`${host.name} has read only ${JSON.stringify(host.text)}`);
      this.now = next > this.now ? next : this.now;
      this.network.handleTimeout(this.now);
    }
  }

  #exchange(): void {
    for (const host of this.hosts) {
      const modem = this.network.modem(host.name);
      if (host.waiting.length > 0) {
        host.waiting = host.waiting.subarray(modem.send(host.waiting, 0, host.waiting.length, this.now));
      }
      while (host.reads) {
        const count = modem.receive(this.#into, 0, CHUNK, this.now);
        if (count === 0) break;
        for (const octet of this.#into.subarray(0, count)) {
          host.received.push(octet);
          host.times.push(this.now);
        }
      }
    }
    for (let event = this.network.pollEvent(); event !== undefined; event = this.network.pollEvent()) {
      this.events.push(event);
    }
  }
}
