import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { forEachPiece } from "../../src/lab/transfer-data.ts";
import type { KernelPeer } from "./kernel-peer.ts";

const SEED = 1995;

/** One end of a transfer: where its commands run, and where the kernel peer's directory is there. */
interface TransferEnd {
  readonly folder: string;
  must(shell: string, limitMs: number): Promise<string>;
}

export interface TransferOptions {
  readonly peer: KernelPeer;
  readonly from: TransferEnd;
  readonly to: TransferEnd;
  /** Of `to`. */
  readonly address: string;
  readonly port: number;
  readonly octets: number;
  readonly limitMs?: number;
}

/** Sends random octets over TCP and asserts that all arrive unchanged. @returns seconds, from the first packet to the last */
export async function transferIntact(options: TransferOptions): Promise<number> {
  const { peer, from, to, address, port, octets, limitMs = 60_000 } = options;
  const hash = createHash("sha256");
  const pieces: Buffer[] = [];
  forEachPiece(octets, SEED, (piece) => {
    hash.update(piece);
    pieces.push(Buffer.from(piece));
  });
  writeFileSync(join(peer.directory, `data-${octets}`), Buffer.concat(pieces));
  const received = to.must(`${to.folder}/bin/tcpx recv ${port} 2>/dev/null | sha256sum`, limitMs);
  received.catch(() => undefined); // it is asked for below, unless the sending failed
  const listens = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  await to.must(`until grep -q '${listens}' /proc/net/tcp; do sleep 0.05; done`, 10_000);
  const report = await from.must(
    `${from.folder}/bin/tcpx send ${address} ${port} <${from.folder}/data-${octets} 2>&1`,
    limitMs,
  );
  assert.equal((await received).split(" ")[0], hash.digest("hex"), "what arrived is what was sent");
  return Number(report.trim().split(" ")[1]);
}
