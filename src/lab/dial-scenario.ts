import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashPassword } from "../host/password.ts";
import type { PhoneEvent } from "../sim/phone-network.ts";
import type { SideFiles } from "./bond-config.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { farConfig, NUMBER, nearConfig, PASSWORD, PORT_BPS, usersFile } from "./dial-config.ts";
import { Host } from "./namespace.ts";
import { PhoneLab } from "./phone-lab.ts";
import { Scratch } from "./scratch.ts";

/**
 * A home and its provider, with a telephone network between them, and a daemon on each side:
 *
 *   near: eql ─ daemon ─ modems ═ PhoneLab ═ modems ─ daemon ─ call0 :far
 */

/** From the last digit to the first ring. */
const SETUP_MS = 1000;

export interface DialWorldOptions {
  /** The fastest carrier of each of the home's modems; those of the provider are as fast as any. */
  readonly carriers: readonly number[];
  readonly mtu: number;
  /** From the answer to the carrier. */
  readonly trainingMs: number;
  /** Told in order, a moment later; modems are called as {@link nearModem} and {@link farModem} say. */
  readonly onPhoneEvent: (event: PhoneEvent) => void;
}

export const nearModem = (index: number): string => `home${index}`;
export const farModem = (index: number): string => `provider${index}`;

interface DialSide {
  readonly host: Host;
  readonly daemon: DaemonProcess;
}

/** Everything is owned: {@link DialWorld.close} takes it all down, and so does the end of this process. */
export class DialWorld {
  readonly near: DialSide;
  readonly far: DialSide;
  readonly phones: PhoneLab;
  readonly #scratch: Scratch;
  #closing: Promise<void> | null = null;

  private constructor(near: DialSide, far: DialSide, phones: PhoneLab, scratch: Scratch) {
    this.near = near;
    this.far = far;
    this.phones = phones;
    this.#scratch = scratch;
  }

  /**
   * Resolves when both daemons have been started; the near one dials then.
   * @throws EqlError CAPABILITY_MISSING, TOOL_MISSING; then nothing is left
   */
  static async start(options: DialWorldOptions): Promise<DialWorld> {
    const { carriers, mtu } = options;
    const scratch = new Scratch("eql-dial");
    const making = [startPhones(options, scratch), Host.create("near"), Host.create("far")] as const;
    const made = await Promise.allSettled(making); // so that what one leaves behind is known when another fails
    try {
      const hash = await hashPassword(Buffer.from(PASSWORD));
      const [phones, nearHost, farHost] = await Promise.all(making);
      const users = join(scratch.path, "users.toml");
      writeFileSync(users, usersFile(hash, mtu, carriers.length), { mode: 0o600 });
      const modems = (name: (index: number) => string): string[] =>
        carriers.map((_, index) => join(scratch.path, name(index)));
      const far = startSide(farHost, scratch, modems(farModem), (files) => farConfig(files, mtu, users));
      const near = startSide(nearHost, scratch, modems(nearModem), (files) => nearConfig(files, mtu));
      return new DialWorld(near, far, phones, scratch);
    } catch (error) {
      for (const one of made) if (one.status === "fulfilled") await one.value.close();
      scratch.close();
      throw error;
    }
  }

  /** Brings the daemons down and takes modems, hosts and files away. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { near, far } = this;
    try {
      await near.daemon.stop();
      await far.daemon.stop();
    } finally {
      await Promise.allSettled([near.host.close(), far.host.close(), this.phones.close()]);
      this.#scratch.close();
    }
  }
}

function startPhones(
  { carriers, trainingMs, onPhoneEvent }: DialWorldOptions,
  scratch: Scratch,
): Promise<PhoneLab> {
  const home = carriers.map((carrierBps, index) => ({ name: nearModem(index), carrierBps }));
  const provider = carriers.map((_, index) => ({ name: farModem(index), carrierBps: PORT_BPS }));
  const modems = [...home, ...provider].map((modem) => ({ ...modem, portBps: PORT_BPS }));
  return PhoneLab.start({
    network: {
      modems,
      numbers: [{ number: NUMBER, answers: provider.map(({ name }) => name) }],
      seed: 1995,
      setupMs: SETUP_MS,
      trainingMs,
      meanCallMs: null,
      noiseOneIn: null,
    },
    links: modems.map(({ name }) => ({ modem: name, link: join(scratch.path, name) })),
    onEvent: onPhoneEvent,
  });
}

function startSide(
  host: Host,
  scratch: Scratch,
  devices: readonly string[],
  config: (files: SideFiles) => string,
): DialSide {
  const socket = join(scratch.path, `${host.name}.sock`);
  const lockDirectory = join(scratch.path, `${host.name}-lock`);
  const file = join(scratch.path, `${host.name}.toml`);
  mkdirSync(lockDirectory);
  writeFileSync(file, config({ socket, lockDirectory, devices }), { mode: 0o600 });
  return { host, daemon: new DaemonProcess(host, file, socket) };
}
