import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Status } from "../control/messages.ts";
import { type BondOptions, bondConfig, FAR_ADDRESS, NEAR_ADDRESS } from "./bond-config.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { Host } from "./namespace.ts";
import { withOwned } from "./owned.ts";
import { type ProcessUsage, processUsage } from "./process-usage.ts";
import { Scratch } from "./scratch.ts";
import { VirtualLines } from "./virtual-line.ts";

/**
 * Two hosts joined by virtual serial lines, with a daemon on each side that makes one interface of them:
 *
 *   near: eql ─ daemon ─ ptys ═ VirtualLines ═ ptys ─ daemon ─ eql :far
 */

const READY_MS = 60_000;

export interface Side {
  readonly host: Host;
  readonly address: string;
  readonly daemon: DaemonProcess;
}

/** Everything is owned: {@link Bond.close} takes it all down, and so does the end of this process. */
export class Bond {
  readonly options: BondOptions;
  readonly near: Side;
  readonly far: Side;
  readonly lines: VirtualLines;
  readonly #scratch: Scratch;
  #closing: Promise<void> | null = null;

  private constructor(options: BondOptions, near: Side, far: Side, lines: VirtualLines, scratch: Scratch) {
    this.options = options;
    this.near = near;
    this.far = far;
    this.lines = lines;
    this.#scratch = scratch;
  }

  /**
   * Resolves when all lines are enslaved on both sides and, of multilink, the bundle has its addresses.
   * @throws EqlError CAPABILITY_MISSING, TOOL_MISSING, DAEMON_FAILED; then nothing is left
   */
  static async start(options: BondOptions): Promise<Bond> {
    const scratch = new Scratch("eql-lab");
    const undo: (() => Promise<void>)[] = [];
    const owned = async <T extends { close(): Promise<void> }>(making: Promise<T>): Promise<T> => {
      const made = await making;
      undo.push(() => made.close());
      return made;
    };
    try {
      const devices = (side: string): string[] =>
        options.speeds.map((_, line) => join(scratch.path, `${side}-tty${line}`));
      const [nearTtys, farTtys] = [devices("near"), devices("far")];
      const making = [
        owned(
          VirtualLines.start(
            options.speeds.map((rateBps, line) => ({
              near: nearTtys[line] as string,
              far: farTtys[line] as string,
              rateBps,
            })),
          ),
        ),
        owned(Host.create("near")),
        owned(Host.create("far")),
      ] as const;
      await Promise.allSettled(making); // so that what one leaves behind is known when another fails
      const [lines, nearHost, farHost] = await Promise.all(making);
      const near = startSide(options, scratch, nearHost, nearTtys, NEAR_ADDRESS, FAR_ADDRESS);
      const far = startSide(options, scratch, farHost, farTtys, FAR_ADDRESS, NEAR_ADDRESS);
      const bond = new Bond(options, near, far, lines, scratch);
      undo.push(() => bond.#stopDaemons());
      await Promise.all([near, far].map(({ daemon }) => untilBonded(daemon, options)));
      return bond;
    } catch (error) {
      for (const step of undo.toReversed()) await step();
      scratch.close();
      throw error;
    }
  }

  /** Of the daemons, so far; null for one that has ended. */
  usage(): { readonly near: ProcessUsage | null; readonly far: ProcessUsage | null } {
    return { near: processUsage(this.near.daemon.pid), far: processUsage(this.far.daemon.pid) };
  }

  /** Brings the daemons down and takes lines, hosts and files away. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#stopDaemons();
    } finally {
      await Promise.allSettled([this.near.host.close(), this.far.host.close(), this.lines.close()]);
      this.#scratch.close();
    }
  }

  async #stopDaemons(): Promise<void> {
    await Promise.all([this.near.daemon.stop(), this.far.daemon.stop()]);
  }
}

/**
 * Waits until all lines carry packets of the master.
 * @throws EqlError DAEMON_FAILED
 */
export async function untilBonded(daemon: DaemonProcess, options: BondOptions): Promise<void> {
  const { speeds, protocol } = options;
  const isBonded = ({ lines, masters }: Status): boolean =>
    lines.length === speeds.length &&
    lines.every(({ state }) => state === "enslaved") &&
    (protocol !== "mlppp" || (masters[0]?.multilink?.ipv4 ?? null) !== null);
  await daemon.until(isBonded, "all lines enslaved", READY_MS);
}

/** Starts the daemon of one side; it is killed with its host. */
export function startSide(
  options: BondOptions,
  scratch: Scratch,
  host: Host,
  devices: readonly string[],
  address: string,
  peer: string,
): Side {
  const socket = join(scratch.path, `${host.name}.sock`);
  const lockDirectory = join(scratch.path, `${host.name}-lock`);
  const file = join(scratch.path, `${host.name}.toml`);
  mkdirSync(lockDirectory);
  writeFileSync(file, bondConfig(options, { address, peer }, { socket, lockDirectory, devices }));
  return { host, address, daemon: new DaemonProcess(host, file, socket) };
}

/** Runs work on a bond and takes the bond down, whatever happens. */
export const withBond = <T>(
  options: BondOptions,
  work: (bond: Bond) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> => withOwned(() => Bond.start(options), work, signal);
