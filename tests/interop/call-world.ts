import { join } from "node:path";
import { Host } from "../../src/lab/namespace.ts";
import { PhoneLab } from "../../src/lab/phone-lab.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import type { PhoneEvent } from "../../src/sim/phone-network.ts";
import { eventually, Side } from "../daemon/world.ts";
import { transferIntact } from "./intact-transfer.ts";
import { PppdPeer } from "./pppd-peer.ts";

/** How long a call may take on a busy machine, from dialing to the link. */
export const CALL_MS = 60_000;
/** Numbers, with the modems of ours or of the guest that answer there. */
export const NUMBERS = {
  "51": ["us0", "us1"],
  "52": ["us2", "us3"],
  "53": ["guest4"],
} as const;
export const CARRIER_BPS = 57_600;

const PORT_BPS = 460_800;
const LINES = [0, 1, 2, 3, 4] as const;

/** A guest for pppds and a host for our daemon, with five modems each, and a telephone network between them. */
export class CallWorld {
  readonly peer: PppdPeer;
  readonly us: Side;
  readonly #phones: PhoneLab;
  readonly #scratch: Scratch;
  /** The guest's lines that have a call, or are not ready for one yet. */
  readonly #called: ReadonlySet<number>;
  #port = 9000;

  private constructor(
    peer: PppdPeer,
    us: Side,
    phones: PhoneLab,
    scratch: Scratch,
    called: ReadonlySet<number>,
  ) {
    this.peer = peer;
    this.us = us;
    this.#phones = phones;
    this.#scratch = scratch;
    this.#called = called;
  }

  static async create(): Promise<CallWorld> {
    const scratch = new Scratch("eql-calls");
    const [ours, theirs] = ["us", "guest"].map((side) => LINES.map((line) => `${side}${line}`)) as [
      string[],
      string[],
    ];
    const device = (modem: string): string => join(scratch.path, modem);
    const called = new Set<number>(LINES);
    const handleEvent = (event: PhoneEvent): void => {
      if (event.type === "connected")
        called.add(Math.max(theirs.indexOf(event.modem), theirs.indexOf(event.to)));
    };
    const phones = await PhoneLab.start({
      network: {
        modems: [...ours, ...theirs].map((name) => ({ name, portBps: PORT_BPS, carrierBps: CARRIER_BPS })),
        numbers: Object.entries(NUMBERS).map(([number, answers]) => ({ number, answers })),
        seed: 1,
        setupMs: 100,
        trainingMs: 300,
        meanCallMs: null,
        noiseOneIn: null,
      },
      links: [...ours, ...theirs].map((modem) => ({ modem, link: device(modem) })),
      onEvent: handleEvent,
    });
    let host: Host | undefined;
    try {
      host = await Host.create("us");
      const peer = await PppdPeer.start({ lines: LINES.length });
      for (const [line, modem] of theirs.entries()) {
        peer.kernel.connect(line, device(modem), CARRIER_BPS, () => called.delete(line));
      }
      const us = new Side(host, join(scratch.path, "files"), ours.map(device));
      const world = new CallWorld(peer, us, phones, scratch, called);
      await world.hungUp();
      return world;
    } catch (error) {
      await host?.close();
      await phones.close();
      scratch.close();
      throw error;
    }
  }

  /** Cuts the calls of these lines of the guest, and waits until it knows. */
  async drop(...lines: readonly number[]): Promise<void> {
    for (const line of lines) this.#phones.drop(`guest${line}`);
    await this.hungUp(...lines);
  }

  /** Waits until these lines of the guest, or all, have no call, and are ready for the next. */
  async hungUp(...lines: readonly number[]): Promise<void> {
    const waited = lines.length > 0 ? lines : LINES;
    await eventually("the calls have ended", () => !waited.some((line) => this.#called.has(line)), CALL_MS);
  }

  /** Sends random octets over TCP to `address` of ours, or of the guest. */
  async transfer(direction: "to-us" | "from-us", address: string, octets: number): Promise<void> {
    const { kernel } = this.peer;
    const guest = { folder: "/mnt", must: (shell: string, limitMs: number) => kernel.must(shell, limitMs) };
    const us = {
      folder: kernel.directory,
      must: (shell: string) => this.us.host.must(["sh", "-c", shell]),
    };
    const [from, to] = direction === "to-us" ? [guest, us] : [us, guest];
    const port = ++this.#port;
    await transferIntact({ peer: kernel, from, to, address, port, octets, limitMs: 2 * CALL_MS });
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.us.host.close(), this.peer.close()]);
    await this.#phones.close();
    this.#scratch.close();
  }
}
