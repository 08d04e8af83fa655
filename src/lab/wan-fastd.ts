import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EqlError } from "../errors.ts";
import type { Host } from "./namespace.ts";
import { type ProcessUsage, processUsage } from "./process-usage.ts";
import { Scratch } from "./scratch.ts";
import { findTool } from "./tool.ts";
import type { WanTunnel } from "./wan-tunnel.ts";
import { serverAddress, type WanWorld } from "./wan-world.ts";

/**
 * fastd, a tunnel written in C, between the hosts of a {@link WanWorld}: packets of layer 3 over the first link (it
 * bonds none), with the method that costs it least without instructions of the processor for it.
 */

const METHOD = "salsa2012+umac";
/** Its datagrams have 52 octets more: those fill a link of 1500. */
const MTU = 1448;
const PORT = 10_000;
const DEVICE = "ftun";
const FASTD_CLIENT = "10.97.0.2";
const FASTD_SERVER = "10.97.0.1";
const READY_MS = 60_000;
const LOOK_MS = 20;
const STOP_MS = 5000;
const SAID_LENGTH = 4000;

interface FastdKeys {
  readonly secret: string;
  readonly publicKey: string;
}

export class Fastd implements WanTunnel {
  readonly address = FASTD_SERVER;
  readonly #ends: readonly FastdProcess[];
  readonly #scratch: Scratch;
  #closing: Promise<void> | null = null;

  private constructor(ends: readonly FastdProcess[], scratch: Scratch) {
    this.#ends = ends;
    this.#scratch = scratch;
  }

  /**
   * Resolves when both ends have a session.
   * @throws EqlError SYSTEM_CALL_FAILED, TOOL_MISSING, TRANSFER_FAILED
   */
  static async start({ client, server }: WanWorld): Promise<Fastd> {
    const [own, far] = await Promise.all([newKeys(client), newKeys(server)]);
    const scratch = new Scratch("eql-fastd");
    const start = (host: Host, address: string, lines: readonly string[]): FastdProcess => {
      const file = join(scratch.path, `${host.name}.conf`);
      writeFileSync(file, [...commonConfig(address), ...lines, ""].join("\n"), { mode: 0o600 });
      return new FastdProcess(host, file);
    };
    const remote = `remote ipv4 "${serverAddress(0)}" port ${PORT};`;
    const ends: FastdProcess[] = [];
    const fastd = new Fastd(ends, scratch);
    try {
      ends.push(
        start(server, FASTD_SERVER, [
          `bind ${serverAddress(0)}:${PORT};`,
          `secret "${far.secret}";`,
          `peer "client" { key "${own.publicKey}"; }`,
        ]),
      );
      // A client whose first call comes too early waits for about 20 s before it calls again.
      await ends[0]?.until(/bound to /, "does not listen");
      ends.push(
        start(client, FASTD_CLIENT, [
          "bind any;",
          `secret "${own.secret}";`,
          `peer "server" { key "${far.publicKey}"; ${remote} }`,
        ]),
      );
      await Promise.all(ends.map((end) => end.until(/connection with .* established/, "has no connection")));
      return fastd;
    } catch (error) {
      await fastd.close();
      throw error;
    }
  }

  usage(): readonly (ProcessUsage | null)[] {
    return this.#ends.map((end) => end.usage());
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#ends.map((end) => end.stop())).then(() => this.#scratch.close());
    return this.#closing;
  }
}

const commonConfig = (address: string): readonly string[] => {
  const ip = findTool("ip");
  return [
    "mode tun;",
    `interface "${DEVICE}";`,
    `method "${METHOD}";`,
    `mtu ${MTU};`,
    `on up "${ip} address add ${address}/24 dev ${DEVICE} && ${ip} link set ${DEVICE} up";`,
  ];
};

async function newKeys(host: Host): Promise<FastdKeys> {
  const said = await host.must([findTool("fastd"), "--generate-key"]);
  const find = (name: string): string => new RegExp(`^${name}: ([0-9a-f]{64})$`, "m").exec(said)?.[1] ?? "";
  return { secret: find("Secret"), publicKey: find("Public") };
}

/** One end, in the foreground. */
class FastdProcess {
  readonly #host: Host;
  readonly #child: ChildProcess;
  #said = "";
  #ended = false;

  constructor(host: Host, config: string) {
    this.#host = host;
    this.#child = host.spawn([findTool("fastd"), "--config", config], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (octets: Buffer) => {
        this.#said = (this.#said + octets.toString()).slice(-SAID_LENGTH);
      });
    }
    const end = (): void => {
      this.#ended = true;
    };
    this.#child.once("exit", end);
    this.#child.once("error", end);
  }

  /** Until it says something. @throws EqlError TRANSFER_FAILED */
  async until(what: RegExp, otherwise: string): Promise<void> {
    for (const end = performance.now() + READY_MS; !what.test(this.#said); ) {
      if (this.#ended || performance.now() > end) {
        const why = this.#ended ? "has ended" : otherwise;
        throw new EqlError(
          "TRANSFER_FAILED",
          `fastd on host ${this.#host.name} ${why}: ${this.#said.trim()}`,
        );
      }
      await delay(LOOK_MS);
    }
  }

  usage(): ProcessUsage | null {
    return processUsage(this.#child.pid ?? 0);
  }

  /** One that hangs is killed with its host. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    const exit = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await Promise.race([exit, delay(STOP_MS, undefined, { ref: false })]);
  }
}
