import { join } from "node:path";
import { Host } from "../../src/lab/namespace.ts";
import { PhoneLab } from "../../src/lab/phone-lab.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { requireIntact, transferTcp } from "../../src/lab/transfer.ts";
import type { NumberSettings, PhoneEvent } from "../../src/sim/phone-network.ts";
import { FAR, Side } from "./world.ts";

/** How long a call may take on a busy machine, from dialing to the link. */
export const CALL_MS = 60_000;
export const NUMBER = "5551000";
export const BUSY = "5559999";
/** What makes a modem of the lab take no longer than it has to: no waiting for a tone, short digits, a lost carrier is told at once. */
export const FAST_INIT = "ATX3S6=0S10=1S11=50";

interface Troubles extends Partial<Pick<NumberSettings, "busyShare" | "noCarrierShare">> {
  readonly seed?: number;
  /** From the answer to the carrier. */
  readonly trainingMs?: number;
}

/** Two hosts with modems and a telephone network between them. */
export class PhoneWorld {
  readonly near: Side;
  readonly far: Side;
  readonly phones: PhoneLab;
  /** Of the near side's modems, in bits per second. */
  readonly carriers: readonly number[];
  readonly #scratch: Scratch;
  readonly #events: readonly PhoneEvent[];
  #transfers = 0;

  private constructor(
    near: Side,
    far: Side,
    phones: PhoneLab,
    carriers: readonly number[],
    scratch: Scratch,
    events: readonly PhoneEvent[],
  ) {
    this.near = near;
    this.far = far;
    this.phones = phones;
    this.carriers = carriers;
    this.#scratch = scratch;
    this.#events = events;
  }

  /**
   * @param carriers of the modems near0, near1, …; those of the far side are faster, and a hunt group at {@link NUMBER}
   * @param troubles what calls to that number meet
   */
  static async create(carriers: readonly number[], troubles: Troubles = {}): Promise<PhoneWorld> {
    const scratch = new Scratch("eql-phones");
    const events: PhoneEvent[] = [];
    const sides = ["near", "far"];
    const modems = sides.flatMap((side) =>
      carriers.map((bps, index) => ({ name: `${side}${index}`, bps: side === "near" ? bps : 460_800 })),
    );
    const phones = await PhoneLab.start({
      network: {
        modems: modems.map(({ name, bps }) => ({ name, portBps: 460_800, carrierBps: bps })),
        numbers: [
          {
            number: NUMBER,
            answers: carriers.map((_, index) => `far${index}`),
            busyShare: troubles.busyShare ?? 0,
            noCarrierShare: troubles.noCarrierShare ?? 0,
          },
          { number: BUSY, answers: "busy" },
        ],
        seed: troubles.seed ?? 1,
        setupMs: 50,
        trainingMs: troubles.trainingMs ?? 100,
        meanCallMs: null,
        noiseOneIn: null,
      },
      links: modems.map(({ name }) => ({ modem: name, link: join(scratch.path, name) })),
      onEvent: (event) => events.push(event),
    });
    const hosts: Host[] = [];
    try {
      for (const name of sides) hosts.push(await Host.create(name));
      const [near, far] = hosts.map((host) => {
        const devices = carriers.map((_, index) => join(scratch.path, `${host.name}${index}`));
        return new Side(host, join(scratch.path, `${host.name}-files`), devices);
      });
      return new PhoneWorld(near as Side, far as Side, phones, carriers, scratch, events);
    } catch (error) {
      for (const made of [...hosts, phones]) await made.close();
      scratch.close();
      throw error;
    }
  }

  /** What the telephone network has seen of one kind. */
  eventsOf<T extends PhoneEvent["type"]>(type: T): Extract<PhoneEvent, { readonly type: T }>[] {
    return this.#events.filter(
      (event): event is Extract<PhoneEvent, { readonly type: T }> => event.type === type,
    );
  }

  /** Sends octets from the near host to the far one; rejects when they do not arrive whole. */
  async transfer(bytes: number, onProgress: (octets: number) => void = () => {}): Promise<void> {
    // Ports of its own, or it would have to wait for the end of TIME-WAIT.
    const index = ++this.#transfers;
    requireIntact(
      await transferTcp(this.near.host, this.far.host, {
        address: FAR,
        bytes,
        seed: index,
        index,
        deadlineMs: 2 * CALL_MS,
        onProgress,
      }),
      bytes,
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.near.host.close(), this.far.host.close()]);
    await this.phones.close();
    this.#scratch.close();
  }
}
