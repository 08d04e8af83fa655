import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { LineStatus, MasterStatus, Status } from "../../src/control/messages.ts";
import { eventually, type TestDaemon } from "../daemon/world.ts";
import { hostMissing } from "./access.ts";
import { CALL_MS, CARRIER_BPS, CallWorld, OUR_NUMBER, THEIR_NUMBER } from "./call-world.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { bundleOwner } from "./ppp-world.ts";
import type { Pppd } from "./pppd-peer.ts";

const US = "10.9.0.1";
const THEM = "10.9.0.2";
const PASSWORD = "sesame";
const MTU = 576;
/** Of a transfer each way, and of one during which a call is dropped and made again. */
const OCTETS = 20_000;
const TRANSFER = 50_000;

/** A call by chat(8), with a login. */
const CALL = `ABORT BUSY ABORT 'NO CARRIER' ABORT 'incorrect' TIMEOUT 60
  '' ATZ OK ATDT${OUR_NUMBER} CONNECT '' ogin: joe ssword: ${PASSWORD} beginning '\\c'`;
/** A terminal server's end of one. */
const ANSWER = `TIMEOUT 600 '' ATZ OK '\\c' RING ATA CONNECT '\\d\\r\\nlogin: \\c' joe 'Password: \\c' ${PASSWORD} '\\r\\nHello\\r\\n\\c'`;

interface SessionRecord {
  readonly event: string;
  readonly bundle: string;
  readonly user: string;
  readonly protocol: string;
  readonly address: string;
  readonly line: string;
  readonly carrierBps: number;
  readonly end?: string;
  readonly sent?: { readonly octets: number };
  readonly received?: { readonly octets: number };
}

/** Octets that a session carried the way that carried fewer. */
const fewestOctets = ({ sent, received }: SessionRecord): number =>
  Math.min(sent?.octets ?? 0, received?.octets ?? 0);

describe("calls between ours and pppd", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let world: CallWorld;
  let daemon: TestDaemon | undefined;

  before(async () => {
    world = await CallWorld.create();
    writeFileSync(join(world.peer.kernel.directory, "call.chat"), CALL);
    writeFileSync(join(world.peer.kernel.directory, "answer.chat"), ANSWER);
  });
  afterEach(async () => {
    try {
      await world.peer.stopAll();
    } finally {
      await daemon?.stop();
      daemon = undefined;
    }
    await world.hungUp();
    rmSync(accounting(), { force: true });
  });
  after(() => world?.close());

  const accounting = (): string => join(world.us.directory, "sessions.jsonl");
  const records = (): SessionRecord[] =>
    existsSync(accounting())
      ? readFileSync(accounting(), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as SessionRecord)
      : [];
  /** Waits until so many sessions have ended. */
  const ended = (count: number): Promise<SessionRecord[]> =>
    eventually(
      `${count} sessions have ended`,
      () => {
        const stops = records().filter(({ event }) => event === "stop");
        return stops.length >= count && stops;
      },
      CALL_MS,
    );

  /** Our daemon with lines `tty0`, … on our modems. */
  async function up(tables: readonly string[], count: number, line: readonly string[]): Promise<TestDaemon> {
    const lines = Array.from({ length: count }, (_, index) =>
      [
        `[line.tty${index}]`,
        `device = "${world.us.device(index)}"`,
        "speed = 460800",
        "rtscts = true",
        ...line,
        "",
      ].join("\n"),
    );
    daemon = await world.us.up(...tables, ...lines);
    return daemon;
  }

  /** A terminal server that knows one user. */
  function answer(...account: readonly string[]): Promise<TestDaemon> {
    const users = join(world.us.directory, "users.toml");
    const joe = ["[user.joe]", `secret = "${PASSWORD}"`, `address = "${THEM}"`, ...account];
    writeFileSync(users, joe.join("\n"), { mode: 0o600 });
    const modems = [
      "[answer.modems]",
      `address = "${US}"`,
      `users = "${users}"`,
      `accounting = "${accounting()}"`,
    ];
    return up(modems, 2, ['role = "answer"', 'answer = "modems"']);
  }

  /** A pppd that calls, or waits for a call. */
  const pppdBehind = (line: number, script: "call" | "answer", options: string): Promise<Pppd> =>
    world.peer.pppd(line, `modem connect "chat -s -v -f /mnt/${script}.chat" ${options}`);

  const connected = (pppd: Pppd): Promise<string> => pppd.saw(/^Serial connection established/, 1, CALL_MS);

  /**
   * Transfers both ways at once, ours first: once the guest sends, its queue is full of seconds of data. A repeated SYN-ACK that finds no
   * room there makes Linux forget the request, and answer the next SYN by other numbers: the connection is then reset.
   */
  async function transferBothWays(server: TestDaemon, octets: number): Promise<void> {
    const sent = ({ masters }: Status): number => masters[0]?.sent.octets ?? 0;
    const before = sent(await server.status());
    const ours = world.transfer("from-us", THEM, octets);
    await Promise.race([
      ours, // which may fail
      server.until("ours is under way", (status) => sent(status) > before + octets / 8, CALL_MS),
    ]);
    await Promise.all([ours, world.transfer("to-us", US, octets)]);
  }

  async function carries(server: TestDaemon): Promise<void> {
    await Promise.all([
      world.us.host.must(["ping", "-c", "2", "-i", "0.2", "-W", "5", THEM]),
      world.peer.ping(US),
    ]);
    await transferBothWays(server, OCTETS);
  }

  it("make one bundle of two calls that pppd makes to our terminal server", async () => {
    const server = await answer();
    const multilink = "multilink noipdefault";
    const calls = await Promise.all([0, 1].map((line) => pppdBehind(line, "call", multilink)));
    await Promise.all(calls.map(connected));
    const owner = await bundleOwner(calls);
    assert.deepEqual(await owner.up(), { local: THEM, remote: US });
    const master = await server.untilSlaves(["tty0", "tty1"], CALL_MS);
    assert.deepEqual(master.multilink?.ipv4, { local: US, remote: THEM, dns: [] });
    const other = calls.find((pppd) => pppd !== owner) as Pppd;
    const transfers = transferBothWays(server, TRANSFER);
    const underWay = ({ sent, received }: MasterStatus): boolean =>
      Math.min(sent.octets, received.octets) > TRANSFER / 8;
    await Promise.race([
      transfers, // which may fail
      server.until("both transfers are under way", ({ masters }) => masters.some(underWay), CALL_MS),
    ]);
    await world.drop(other.line);
    await other.saw(/^Modem hangup/, 1, CALL_MS);
    await other.ended();
    await ended(1);
    const again = await pppdBehind(other.line, "call", multilink);
    await again.saw(/^Link attached to ppp0$/, 1, CALL_MS);
    await server.untilSlaves(["tty0", "tty1"], CALL_MS);
    await transfers;
    await carries(server);
    await world.peer.stopAll();
    const stops = await ended(3);
    assert.deepEqual(
      stops.map(({ end, user, protocol, address, carrierBps }) => [end, user, protocol, address, carrierBps]),
      ["carrier", "user", "user"].map((end) => [end, "joe", "ppp", THEM, CARRIER_BPS]),
    );
    assert.equal(stops.length, records().filter(({ event }) => event === "start").length);
    assert.equal(new Set(records().map(({ bundle }) => bundle)).size, 1);
    for (const stop of stops) assert.ok(fewestOctets(stop) > 1000, JSON.stringify(stop));
  });

  it("make one bundle of two calls that end in SLIP on the original drivers", async () => {
    const server = await answer('protocol = "slip"', `mtu = ${MTU}`);
    const { kernel } = world.peer;
    const login = (line: number): Promise<string> =>
      kernel.must(
        `stty -F /dev/ttyS${line} raw -echo
        exec chat -s -v -f /mnt/call.chat </dev/ttyS${line} >/dev/ttyS${line}`,
        CALL_MS,
      );
    await Promise.all([0, 1].map(login));
    await kernel.slip(THEM, US, [CARRIER_BPS, CARRIER_BPS], MTU);
    const { multilink } = await server.untilSlaves(["tty0", "tty1"], CALL_MS);
    assert.equal(multilink, null);
    await carries(server);
    await world.drop(0, 1);
    const stops = await ended(2);
    assert.deepEqual(
      stops.map(({ end, protocol, address }) => [end, protocol, address]),
      [0, 1].map(() => ["carrier", "slip", THEM]),
    );
    assert.equal(new Set(stops.map(({ bundle }) => bundle)).size, 1);
    for (const stop of stops) assert.ok(fewestOctets(stop) > OCTETS / 8, JSON.stringify(stop));
    await kernel.must("ip link set eql down; ip addr flush dev eql; busybox killall slattach");
  });

  const isUp = ({ state }: LineStatus): boolean => state === "alone";

  it("come to pppd, which answers, and are made again when the carrier is lost", async () => {
    await world.peer.secrets("chap", [`joe them ${PASSWORD} *`]);
    const options = `persist holdoff 1 maxfail 0 auth require-chap name them ${THEM}:${US}`;
    const pppd = await pppdBehind(0, "answer", options);
    const near = await up(
      [
        "[dial.pppd]",
        `numbers = ["${THEIR_NUMBER}"]`,
        'user = "joe"',
        `password = "${PASSWORD}"`,
        "redial-pause = 0.5",
      ],
      1,
      ['protocol = "ppp"', 'dial = "pppd"', 'user = "joe"', `password = "${PASSWORD}"`],
    );
    const line = await near.untilLine("tty0", "is up", isUp, CALL_MS);
    assert.deepEqual(line.ppp?.ipv4, { local: US, remote: THEM, dns: [] });
    assert.equal(line.rateGivenBps, CARRIER_BPS);
    const transfer = world.transfer("from-us", THEM, OCTETS);
    await Promise.race([
      transfer,
      near.untilLine("tty0", "carries it", ({ sent }) => sent.octets > OCTETS / 4, CALL_MS),
    ]);
    await world.drop(0);
    await pppd.saw(/^Modem hangup/, 1, CALL_MS);
    await pppd.saw(/^local {2}IP address /, 2, CALL_MS);
    await near.untilLine("tty0", "is up again", isUp, CALL_MS);
    await transfer;
    assert.equal(pppd.count(/^rcvd \[CHAP Response .*name = "joe"\]$/), 2);
    const { life } = await near.line("tty0");
    const call = ["locking", "dialing", "login", "negotiating", "up"];
    assert.deepEqual(
      life?.history.map(({ to }) => to),
      [...call, "negotiating", "waiting", ...call],
    );
  });
});
