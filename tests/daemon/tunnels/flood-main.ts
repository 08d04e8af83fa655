import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Initiation } from "../../../src/crypto/handshake.ts";
import { DatagramOutbox } from "../../../src/host/engine/datagram-outbox.ts";
import { Routes } from "../../../src/host/engine/routes.ts";
import { nativeBuffer, recv, socket } from "../../../src/host/libc.ts";
import { newPrivateKey, tunnelCrypto } from "../../../src/host/tunnel-crypto.ts";
import { UdpSocket } from "../../../src/host/udp-socket.ts";
import type { FloodRole, RecordRole } from "./flood-roles.ts";

/*
 * A stranger on the wire: `record` keeps datagrams that somebody on this host sends, `flood` sends those again, and others that it makes up, as fast as it
 * can. Its argument is what it is to do, and it writes JSON when it is done.
 */

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
/** ETH_P_ALL in network byte order: outgoing packets too. */
const ALL = 0x0300;
const IP_AND_UDP = 28;
const UDP = 17;
const INITIATION = 0xe1;
const TRANSPORT = 0xe4;

const POOL = 1024;
const ROOM = 2048;
const STAGING = 4 << 20;
const SOCKETS = 16;
const AT_ONCE = 512;

function record({ port, initiations, transports }: RecordRole): readonly string[] {
  const fd = socket(AF_PACKET, SOCK_DGRAM, ALL);
  assert.ok(fd >= 0);
  writeSync(1, "\n");
  const buffer = nativeBuffer(65_536);
  const kept: string[] = [];
  let wanted = { [INITIATION]: initiations, [TRANSPORT]: transports } as Record<number, number>;
  while (Object.values(wanted).some((count) => count > 0)) {
    const length = recv(fd, buffer.address, 65_536, 0);
    const { octets, view } = buffer;
    if (length <= IP_AND_UDP || length > 1500 || octets[0] !== 0x45 || octets[9] !== UDP) continue;
    const type = octets[IP_AND_UDP] as number;
    if (view.getUint16(22) !== port || !((wanted[type] ?? 0) > 0)) continue;
    wanted = { ...wanted, [type]: (wanted[type] as number) - 1 };
    kept.push(Buffer.from(octets.subarray(IP_AND_UDP, length)).toString("base64"));
  }
  return kept;
}

/** Of each kind in turn: nothing at all, what begins like ours, an initiation of nobody, what was recorded. */
function made({ serverKey, recorded }: FloodRole, n: number, mark: Uint8Array): Uint8Array {
  if (n % 8 < 2) return randomBytes(randomInt(1, 1400));
  if (n % 8 < 6) {
    const lengths = [152, 80, 56, randomInt(26, 1400)] as const;
    const octets = randomBytes(lengths[n % 4] as number);
    octets[0] = 0xe1 + (n % 4);
    if (n % 4 === 0) octets.set(mark, 1);
    else if (n % 4 < 3) octets.fill(0, 1, 4);
    return octets;
  }
  if (n % 8 === 6) return stranger(Buffer.from(serverKey, "base64"));
  return Buffer.from(recorded[n % recorded.length] as string, "base64");
}

const primitives = tunnelCrypto(null);

function stranger(publicKey: Uint8Array): Uint8Array {
  const own = primitives.keyPair(newPrivateKey());
  const identity = { primitives, own, cipher: "aes-256-gcm" as const, epoch: randomBytes(8) };
  const options = { localIndex: randomInt(2 ** 31), sequence: 1, cookie: null };
  const initiation = Initiation.make(identity, { publicKey, presharedKey: null }, options);
  assert.ok(initiation);
  return initiation.datagram;
}

/** Until its standard input ends. @returns how many datagrams it has sent */
async function flood(role: FloodRole): Promise<{ readonly datagrams: number }> {
  const memory = nativeBuffer(STAGING + POOL * ROOM);
  const lengths: number[] = [];
  const mark = stranger(Buffer.from(role.serverKey, "base64")).subarray(1, 4);
  for (let n = 0; n < POOL; n++) {
    const datagram = made(role, n, mark);
    memory.octets.set(datagram, STAGING + n * ROOM);
    lengths.push(datagram.length);
  }
  const routes = new Routes();
  const outbox = new DatagramOutbox(memory, 0, STAGING, routes, { failed: () => {} });
  const ways = Array.from({ length: SOCKETS }, () => {
    const from = new UdpSocket({ family: 4, device: null, address: null, port: 0 });
    return routes.routeFor(from, role.target, null);
  });
  writeSync(1, "\n");
  let datagrams = 0;
  let isOver = false;
  process.stdin.resume().once("end", () => {
    isOver = true;
  });
  for (; !isOver; await nextTurn()) {
    for (let i = 0; i < AT_ONCE; i++) {
      const n = datagrams++ % POOL;
      const length = lengths[n] as number;
      const at = outbox.reserve(ways[randomInt(SOCKETS)] as number, length);
      memory.octets.copyWithin(at, STAGING + n * ROOM, STAGING + n * ROOM + length);
      outbox.commit(length);
    }
    outbox.flush();
  }
  return { datagrams };
}

const role = JSON.parse(process.argv[2] ?? "{}") as RecordRole | FloodRole;
writeSync(1, `${JSON.stringify(role.role === "record" ? record(role) : await flood(role))}\n`);
process.exit(0);
