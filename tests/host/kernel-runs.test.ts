import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  bind,
  close,
  type NativeBuffer,
  nativeBuffer,
  O_NONBLOCK,
  recv,
  sendto,
  setsockopt,
  socket,
} from "../../src/host/libc.ts";
import { type RunFields, runs, segmentsOf } from "../wire/runs.ts";
import { ip, scenario as scenarioIn } from "./netlink-scenario.ts";
import { Carrier, SLOT, tunUp, until } from "./run-carrier.ts";

/*
 * What we cut and join is held against the kernel: it has to make the same segments of a run, to take the runs that we make, and to find
 * nothing amiss when its own sockets talk through both.
 */

/** TUN takes runs of datagrams since Linux 6.2. */
const RUNS_OF_DATAGRAMS = [
  "sh",
  "-c",
  '{ uname -r; echo 6.2; } | sort -rVC || { echo "Linux before 6.2" >&2; false; }',
];
const scenario = (name: string, body: () => Promise<void>): void =>
  scenarioIn(import.meta.url, name, () => void body(), { needs: RUNS_OF_DATAGRAMS });

const FROM = 64;

function set(name: string, value: string): void {
  writeFileSync(`/proc/sys/net/${name}`, value);
}

/** All that the kernel has found wrong: counters by name, of those that are not 0. */
function complaints(): Record<string, number> {
  const found: Record<string, number> = {};
  const lines = readFileSync("/proc/net/snmp", "utf8").trim().split("\n");
  for (let i = 0; i < lines.length; i += 2) {
    const [group = "", ...names] = (lines[i] ?? "").split(" ");
    const [, ...values] = (lines[i + 1] ?? "").split(" ");
    for (const [k, name] of names.entries()) found[`${group}${name}`] = Number(values[k]);
  }
  for (const line of readFileSync("/proc/net/snmp6", "utf8").trim().split("\n")) {
    const [name = "", value] = line.split(/\s+/);
    found[name] = Number(value);
  }
  const wrong = Object.entries(found).filter(
    ([name, value]) => value > 0 && /Csum|InErr|InHdrErr|InTrunc|RcvbufErr|InDiscards/.test(name),
  );
  return Object.fromEntries(wrong);
}

/** Runs that a router passes on unchanged: no options that it acts on. */
const routable: fc.Arbitrary<RunFields> = runs.map((fields) => {
  const isVersion4 = fields.version === 4;
  const ipOptions = fields.ipOptions.slice().fill(isVersion4 ? 1 : 0);
  // PadN, so many octets of it.
  if (!isVersion4 && ipOptions.length > 0) ipOptions.set([0, 0, 1, ipOptions.length - 4]);
  return {
    ...fields,
    ipOptions,
    service: 0,
    flags: fields.flags & ~0x80,
    source: isVersion4 ? Uint8Array.of(10, 77, 0, 2) : address6(0, 2),
    destination: isVersion4 ? Uint8Array.of(10, 77, 1, 2) : address6(1, 2),
  };
});

const address6 = (net: number, host: number): Uint8Array =>
  Uint8Array.of(0xfd, 0x77, 0, 0, 0, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, host);

scenario("the kernel makes of a run what we make of it", async () => {
  const carrier = new Carrier("t0");
  const outside = nativeBuffer(SLOT);
  const outward = tunUp("t1", outside, { header: false });
  for (const net of [0, 1]) {
    ip(`addr add 10.77.${net}.1/24 dev t${net}`);
    ip(`addr add fd77:0:0:${net}::1/64 dev t${net} nodad`);
  }
  set("ipv4/ip_forward", "1");
  set("ipv6/conf/all/forwarding", "1");
  const { memory, coalescer } = carrier;
  const next = (fields: RunFields): Uint8Array | null => {
    const packet = outside.octets.slice(FROM, FROM + outward.read(FROM));
    // The kernel has a few things to say by itself.
    return Buffer.from(packet).includes(Buffer.from(fields.destination)) ? packet : null;
  };
  for (const fields of fc.sample(routable, 60)) {
    carrier.runs = 0;
    for (const [i, segment] of segmentsOf(fields, "partial").entries()) {
      const from = (i + 1) * SLOT + 14;
      memory.octets.set(segment, from);
      coalescer.take(i + 1, from, segment.length, true);
    }
    coalescer.flush();
    assert.equal(carrier.runs, 1);
    for (const expected of segmentsOf({ ...fields, hops: fields.hops - 1 }, "complete")) {
      let found: Uint8Array | null = null;
      await until(() => (found = next(fields)) !== null, `a segment of ${inspect(fields)}`);
      assert.deepEqual(found, expected);
    }
  }
  carrier.close();
  outward.close();
});

const OURS = { 4: "10.77.0.1", 6: "fd77::1" } as const;
const MIRRORED = { 4: "10.77.0.2", 6: "fd77::2" } as const;

/** A host that finds itself behind its interface: what it sends to the mirrored address comes back from there, both ways. */
function mirror(isPlain: boolean): Carrier {
  const carrier = new Carrier("t0", isPlain);
  ip(`addr add ${OURS[4]}/24 dev t0`);
  ip(`addr add ${OURS[6]}/64 dev t0 nodad`);
  return carrier;
}

const OCTETS = 3_000_000;

/** Sends octets both ways by TCP. @returns what came in the end, as hashes, beside what was sent */
async function exchange(version: 4 | 6, carrier: Carrier): Promise<readonly [string[], string[]]> {
  const sent = [randomBytes(OCTETS), randomBytes(OCTETS)] as const;
  const received: Buffer[][] = [[], []];
  const hashes = (all: readonly Buffer[]): string[] =>
    all.map((octets) => createHash("sha256").update(octets).digest("hex"));
  const begin = (talker: Socket, which: 0 | 1): void => {
    talker.on("data", (octets) => received[which]?.push(Buffer.from(octets)));
    talker.end(sent[which]);
  };
  const server = createServer((talker) => begin(talker, 1)).listen(0, OURS[version]);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const talker = connect({ port, host: MIRRORED[version] });
  begin(talker, 0);
  const total = (): number => received.flat().reduce((sum, { length }) => sum + length, 0);
  await until(() => {
    carrier.mirror();
    return total() === 2 * OCTETS;
  }, "all octets, both ways");
  talker.destroy();
  server.close();
  return [hashes([...sent].reverse()), hashes(received.map((parts) => Buffer.concat(parts)))];
}

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const SOCK_DGRAM = 2;
const PORT = 7000;
const DATAGRAM = 1000;
const DATAGRAMS = 41;

const udpSocket = (version: 4 | 6): number => {
  const fd = socket(version === 4 ? 2 : 10, SOCK_DGRAM | O_NONBLOCK, 0);
  assert.ok(fd >= 0);
  return fd;
};

/** A struct sockaddr of an address on this network. */
function socketAddress(version: 4 | 6, host: number, port: number): NativeBuffer {
  const address = nativeBuffer(version === 4 ? 16 : 28);
  address.view.setUint16(0, version === 4 ? 2 : 10, true);
  address.view.setUint16(2, port);
  if (version === 4) address.octets.set([10, 77, 0, host], 4);
  else address.octets.set(address6(0, host), 8);
  return address;
}

/** Sends datagrams by one call, and waits for each of them. */
async function shower(version: 4 | 6, carrier: Carrier): Promise<void> {
  const at = socketAddress(version, 1, PORT);
  const to = socketAddress(version, 2, PORT);
  const receiver = udpSocket(version);
  const sender = udpSocket(version);
  const size = nativeBuffer(4);
  const message = nativeBuffer(DATAGRAMS * DATAGRAM - 500);
  const into = nativeBuffer(2 * DATAGRAM);
  size.view.setInt32(0, DATAGRAM, true);
  message.octets.set(randomBytes(message.octets.length));
  assert.equal(bind(receiver, at.address, at.octets.length), 0);
  assert.equal(setsockopt(sender, SOL_UDP, UDP_SEGMENT, size.address, 4), 0);
  const { length } = message.octets;
  assert.equal(sendto(sender, message.address, length, 0, to.address, to.octets.length), length);
  for (let sent = 0; sent < length; sent += DATAGRAM) {
    let found = 0;
    await until(() => {
      carrier.mirror();
      found = recv(receiver, into.address, into.octets.length, 0);
      return found > 0;
    }, `the datagram from ${sent}`);
    assert.deepEqual(into.octets.subarray(0, found), message.octets.subarray(sent, sent + DATAGRAM));
  }
  for (const fd of [receiver, sender]) close(fd);
}

for (const isPlain of [false, true]) {
  const what = isPlain ? "single packets for an interface without header" : "a run again";
  scenario(`what the kernel's sockets send arrives as it was, cut and made ${what}`, async () => {
    const carrier = mirror(isPlain);
    for (const version of [4, 6] as const) {
      carrier.forget();
      const [sent, received] = await exchange(version, carrier);
      assert.deepEqual(received, sent);
      assert.ok(carrier.mostCut > 2, `${carrier.mostCut} segments of TCP`);
      assert.equal(carrier.mostJoined > 2, !isPlain);
      carrier.forget();
      await shower(version, carrier);
      assert.deepEqual([carrier.mostCut, carrier.mostJoined], [DATAGRAMS, isPlain ? 1 : DATAGRAMS]);
    }
    assert.deepEqual(complaints(), {});
    carrier.close();
  });
}
