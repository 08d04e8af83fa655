import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { forEachPiece } from "../../src/lab/transfer-data.ts";
import type { KernelPeer } from "./kernel-peer.ts";

const SEED = 1995;
/** How long a busy machine may take to listen. */
const LISTEN_MS = 60_000;
const LIMIT_MS = 120_000;
/** Of a flow: octets of a piece, and the pause after it, in seconds. */
const PIECE = 3000;
const PAUSE = 0.25;

/** One end of a transfer: where its commands run, and where the kernel peer's directory is there. */
interface TransferEnd {
  readonly folder: string;
  must(shell: string, limitMs: number): Promise<string>;
}

export interface FlowOptions {
  readonly peer: KernelPeer;
  readonly from: TransferEnd;
  readonly to: TransferEnd;
  /** Of `to`. */
  readonly address: string;
  /** Of each transfer of a peer another one. */
  readonly port: number;
}

interface TransferOptions extends FlowOptions {
  readonly octets: number;
  readonly limitMs?: number;
}

/** Sends random octets over TCP and asserts that all arrive unchanged. @returns seconds, from the first packet to the last */
export async function transferIntact(options: TransferOptions): Promise<number> {
  const { from, address, port, octets, limitMs = LIMIT_MS } = options;
  const { file, sha256 } = randomFile(options, octets);
  const received = await receiver(options, limitMs);
  const report = await from.must(
    `${from.folder}/bin/tcpx send ${address} ${port} <${from.folder}/${file} 2>&1`,
    limitMs,
  );
  assert.equal(await received.sha256, sha256, "what arrived is what was sent");
  return Number(report.trim().split(" ")[1]);
}

/** A transfer that goes on until it is told to end, somewhat faster than a line of 57600 bit/s and slower than two. */
export class Flow {
  readonly #from: TransferEnd;
  readonly #port: number;
  readonly #limitMs: number;
  readonly #sent: Promise<string>;
  readonly #received: Promise<string>;

  private constructor(options: FlowOptions, limitMs: number, file: string, received: Promise<string>) {
    const { from, address, port } = options;
    this.#from = from;
    this.#port = port;
    this.#limitMs = limitMs;
    this.#received = received;
    const [end, sent] = [this.#file("end"), this.#file("sent")];
    // Numbered, so that a piece in the place of another one is found.
    const pieces = `i=0; until [ -e ${end} ]; do echo $i; cat ${from.folder}/${file}; i=$((i + 1)); sleep ${PAUSE}; done`;
    this.#sent = from.must(
      `{ ${pieces}; } | tee ${sent} | ${from.folder}/bin/tcpx send ${address} ${port} && sha256sum <${sent}`,
      limitMs,
    );
    this.#sent.catch(() => undefined); // it is asked for at the end, if that comes
  }

  static async start(options: FlowOptions, limitMs = LIMIT_MS): Promise<Flow> {
    const { file } = randomFile(options, PIECE);
    const received = await receiver(options, limitMs);
    return new Flow(options, limitMs, file, received.sha256);
  }

  /** Sends no more, and asserts that all that was sent arrived unchanged. */
  async end(): Promise<void> {
    await this.#from.must(`touch ${this.#file("end")}`, this.#limitMs);
    const [sent, received] = await Promise.all([this.#sent, this.#received]);
    assert.equal(received, sent.split(" ")[0], "what arrived is what was sent");
  }

  #file(what: string): string {
    return `${this.#from.folder}/flow-${this.#port}-${what}`;
  }
}

/** Writes random octets where both ends find them. */
function randomFile({ peer, port }: FlowOptions, octets: number): { file: string; sha256: string } {
  const hash = createHash("sha256");
  const pieces: Buffer[] = [];
  forEachPiece(octets, SEED, (piece) => {
    hash.update(piece);
    pieces.push(Buffer.from(piece));
  });
  const file = `data-${port}`;
  writeFileSync(join(peer.directory, file), Buffer.concat(pieces));
  return { file, sha256: hash.digest("hex") };
}

/** Waits until the other end listens. */
async function receiver(
  { to, port }: FlowOptions,
  limitMs: number,
): Promise<{ readonly sha256: Promise<string> }> {
  const received = to.must(`${to.folder}/bin/tcpx recv ${port} 2>/dev/null | sha256sum`, limitMs);
  const sha256 = received.then((text) => text.split(" ")[0] ?? "");
  sha256.catch(() => undefined); // it is asked for below, unless the sending failed
  const listens = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  await to.must(`until grep -q '${listens}' /proc/net/tcp; do sleep 0.05; done`, LISTEN_MS);
  return { sha256 };
}
