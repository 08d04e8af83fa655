import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { LineStatus, MasterStatus, Status } from "../../src/control/messages.ts";
import { FAST_INIT } from "../daemon/phone-world.ts";
import { eventually, type TestDaemon } from "../daemon/world.ts";
import { hostMissing } from "./access.ts";
import { CALL_MS, CARRIER_BPS, CallWorld, NUMBERS } from "./call-world.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { bundleOwner } from "./ppp-world.ts";
import type { Pppd } from "./pppd-peer.ts";

const PASSWORD = "sesame";
const MTU = 576;
/** Of a transfer each way, and of one during which a call is dropped and made again. */
const OCTETS = 12_000;
const TRANSFER = 50_000;

/** Of ours and of the guest, with the same numbers, and with addresses and a number of its own for each of what is tested at once. */
interface Lines {
  readonly lines: readonly number[];
  readonly number: keyof typeof NUMBERS;
  readonly us: string;
  readonly them: string;
}

/** The guest attaches its SLIP lines from the first one on. */
const SLIP: Lines = { lines: [0, 1], number: "51", us: "10.9.1.1", them: "10.9.1.2" };
const BUNDLE: Lines = { lines: [2, 3], number: "52", us: "10.9.2.1", them: "10.9.2.2" };
const DIALED: Lines = { lines: [4], number: "53", us: "10.9.3.1", them: "10.9.3.2" };
const slavesOf = ({ lines }: Lines): string[] => lines.map((line) => `tty${line}`);

/** A call by chat(8), with a login. */
const callOf = ({ number }: Lines): string =>
  `ABORT BUSY ABORT 'NO CARRIER' ABORT 'incorrect' TIMEOUT 60
  '' ATZ OK ${FAST_INIT} OK ATDT${number} CONNECT '' ogin: joe ssword: ${PASSWORD} beginning '\\c'`;
/** A terminal server's end of one. */
const ANSWER = `TIMEOUT 600 '' ATZ OK ${FAST_INIT} OK '\\c' RING ATA CONNECT '\\d\\r\\nlogin: \\c' joe 'Password: \\c' ${PASSWORD} '\\r\\nHello\\r\\n\\c'`;

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

describe("calls between ours and pppd, at once", {
  skip: kernelPeerMissing() || hostMissing(),
  concurrency: 3,
}, () => {
  let world: CallWorld;
  /** A terminal server on the lines for SLIP and for a bundle. */
  let daemon: TestDaemon;

  before(async () => {
    world = await CallWorld.create();
    const file = (name: string, text: string): void =>
      writeFileSync(join(world.peer.kernel.directory, name), text);
    file("slip.chat", callOf(SLIP));
    file("bundle.chat", callOf(BUNDLE));
    file("answer.chat", ANSWER);
    await world.peer.secrets("chap", [`joe them ${PASSWORD} *`]);
    const fast = `modem-init = ["ATZ", "${FAST_INIT}"]`;
    daemon = await world.us.up(
      ...station("slip", SLIP, fast, 'protocol = "slip"', `mtu = ${MTU}`),
      ...station("ppp", BUNDLE, fast),
      "[dial.pppd]",
      `numbers = ["${DIALED.number}"]`,
      fast,
      'user = "joe"',
      `password = "${PASSWORD}"`,
      "redial-pause = 0.5",
    );
  });
  after(async () => {
    try {
      await world?.peer.stopAll();
      await daemon?.stop();
    } finally {
      await world?.close();
    }
  });

  const linesOf = ({ lines }: Lines, ...more: readonly string[]): string[] =>
    lines.map((line) =>
      [
        `[line.tty${line}]`,
        `device = "${world.us.device(line)}"`,
        "speed = 460800",
        "rtscts = true",
        ...more,
        "",
      ].join("\n"),
    );

  /** A station that knows one user. */
  function station(name: string, lines: Lines, init: string, ...account: readonly string[]): string[] {
    const users = join(world.us.directory, `${name}.toml`);
    const joe = ["[user.joe]", `secret = "${PASSWORD}"`, `address = "${lines.them}"`, ...account];
    writeFileSync(users, joe.join("\n"), { mode: 0o600 });
    return [
      `[answer.${name}]`,
      `address = "${lines.us}"`,
      `users = "${users}"`,
      `accounting = "${accounting(name)}"`,
      init,
      ...linesOf(lines, 'role = "answer"', `answer = "${name}"`),
    ];
  }

  const accounting = (name: string): string => join(world.us.directory, `${name}.jsonl`);
  const records = (name: string): SessionRecord[] =>
    existsSync(accounting(name))
      ? readFileSync(accounting(name), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as SessionRecord)
      : [];
  /** Waits until so many sessions have ended. */
  const ended = (name: string, count: number): Promise<SessionRecord[]> =>
    eventually(
      `${count} sessions have ended`,
      () => {
        const stops = records(name).filter(({ event }) => event === "stop");
        return stops.length >= count && stops;
      },
      CALL_MS,
    );

  /** A pppd that calls, or waits for a call. */
  const pppdBehind = (line: number, script: "bundle" | "answer", options: string): Promise<Pppd> =>
    world.peer.pppd(line, `modem connect "chat -s -v -f /mnt/${script}.chat" ${options}`);

  const connected = (pppd: Pppd): Promise<string> => pppd.saw(/^Serial connection established/, 1, CALL_MS);

  const masterOf = (lines: Lines, { masters }: Status): MasterStatus | undefined =>
    masters.find(({ slaves }) => slaves.some((name) => slavesOf(lines).includes(name)));

  /**
   * Transfers both ways at once, ours first: once the guest sends, its queue is full of seconds of data. A repeated SYN-ACK that finds no
   * room there makes Linux forget the request, and answer the next SYN by other numbers: the connection is then reset.
   */
  async function transferBothWays(lines: Lines, octets: number): Promise<void> {
    const sent = (status: Status): number => masterOf(lines, status)?.sent.octets ?? 0;
    const already = sent(await daemon.status());
    const ours = world.transfer("from-us", lines.them, octets);
    await Promise.race([
      ours, // which may fail
      daemon.until("ours is under way", (status) => sent(status) > already + octets / 8, CALL_MS),
    ]);
    await Promise.all([ours, world.transfer("to-us", lines.us, octets)]);
  }

  async function carries(lines: Lines): Promise<void> {
    await Promise.all([
      world.us.host.must(["ping", "-c", "2", "-i", "0.2", "-W", "20", lines.them]),
      world.peer.ping(lines.us),
    ]);
    await transferBothWays(lines, OCTETS);
  }

  it("make one bundle of two calls that pppd makes to our terminal server", async () => {
    const { us, them, lines } = BUNDLE;
    const multilink = "multilink noipdefault";
    const calls = await Promise.all(lines.map((line) => pppdBehind(line, "bundle", multilink)));
    await Promise.all(calls.map(connected));
    const owner = await bundleOwner(calls);
    assert.deepEqual(await owner.up(), { local: them, remote: us });
    const master = await daemon.untilSlaves(slavesOf(BUNDLE), CALL_MS);
    assert.deepEqual(master.multilink?.ipv4, { local: us, remote: them, dns: [] });
    const other = calls.find((pppd) => pppd !== owner) as Pppd;
    const transfers = transferBothWays(BUNDLE, TRANSFER);
    await Promise.race([
      transfers, // which may fail
      daemon.until(
        "both transfers are under way",
        (status) => {
          const { sent, received } = masterOf(BUNDLE, status) ?? assert.fail();
          return Math.min(sent.octets, received.octets) > TRANSFER / 8;
        },
        CALL_MS,
      ),
    ]);
    await world.drop(other.line);
    await other.saw(/^Modem hangup/, 1, CALL_MS);
    await other.ended();
    await ended("ppp", 1);
    const again = await pppdBehind(other.line, "bundle", multilink);
    await again.saw(/^Link attached to ppp\d+$/, 1, CALL_MS);
    await daemon.untilSlaves(slavesOf(BUNDLE), CALL_MS);
    await transfers;
    await carries(BUNDLE);
    await Promise.all([owner.stop(), again.stop()]);
    const stops = await ended("ppp", 3);
    assert.deepEqual(
      stops.map(({ end, user, protocol, address, carrierBps }) => [end, user, protocol, address, carrierBps]),
      ["carrier", "user", "user"].map((end) => [end, "joe", "ppp", them, CARRIER_BPS]),
    );
    const all = records("ppp");
    assert.equal(stops.length, all.filter(({ event }) => event === "start").length);
    assert.equal(new Set(all.map(({ bundle }) => bundle)).size, 1);
    for (const stop of stops) assert.ok(fewestOctets(stop) > 1000, JSON.stringify(stop));
  });

  it("make one bundle of two calls that end in SLIP on the original drivers", async () => {
    const { us, them, lines } = SLIP;
    const { kernel } = world.peer;
    const login = (line: number): Promise<string> =>
      kernel.must(
        `stty -F /dev/ttyS${line} raw -echo
        exec chat -s -v -f /mnt/slip.chat </dev/ttyS${line} >/dev/ttyS${line}`,
        CALL_MS,
      );
    await Promise.all(lines.map(login));
    await kernel.slip(them, us, [CARRIER_BPS, CARRIER_BPS], MTU);
    const { multilink } = await daemon.untilSlaves(slavesOf(SLIP), CALL_MS);
    assert.equal(multilink, null);
    await carries(SLIP);
    await world.drop(...lines);
    const stops = await ended("slip", 2);
    assert.deepEqual(
      stops.map(({ end, protocol, address }) => [end, protocol, address]),
      lines.map(() => ["carrier", "slip", them]),
    );
    assert.equal(new Set(stops.map(({ bundle }) => bundle)).size, 1);
    for (const stop of stops) assert.ok(fewestOctets(stop) > OCTETS / 8, JSON.stringify(stop));
  });

  const isUp = ({ state }: LineStatus): boolean => state === "alone";

  it("come to pppd, which answers, and are made again when the carrier is lost", async () => {
    const { us, them, lines } = DIALED;
    const [line] = lines as [number];
    const name = `tty${line}`;
    const options = `persist holdoff 1 maxfail 0 auth require-chap name them ${them}:${us}`;
    const pppd = await pppdBehind(line, "answer", options);
    await pppd.saw(/RING/); // it is waited for
    const device = world.us.device(line);
    const proof = { user: "joe", password: PASSWORD };
    const settings = { device, speed: 460_800, rtscts: true, protocol: "ppp", dial: "pppd", ...proof };
    await daemon.client.request("POST", "/lines", { name, settings });
    const { ppp, rateGivenBps } = await daemon.untilLine(name, "is up", isUp, CALL_MS);
    assert.deepEqual(ppp?.ipv4, { local: us, remote: them, dns: [] });
    assert.equal(rateGivenBps, CARRIER_BPS);
    const transfer = world.transfer("from-us", them, OCTETS);
    await Promise.race([
      transfer,
      daemon.untilLine(name, "carries it", ({ sent }) => sent.octets > OCTETS / 4, CALL_MS),
    ]);
    await world.drop(line);
    await pppd.saw(/^Modem hangup/, 1, CALL_MS);
    await pppd.saw(/^local {2}IP address /, 2, CALL_MS);
    await daemon.untilLine(name, "is up again", isUp, CALL_MS);
    await transfer;
    const proved = pppd.log.filter((text) =>
      /^rcvd \[CHAP Response .*name = "joe"\]$|^Modem hangup/.test(text),
    );
    const hungUp = proved.findIndex((text) => text.startsWith("Modem hangup"));
    assert.ok(hungUp > 0 && hungUp < proved.length - 1, "in each call");
    const { life } = await daemon.line(name);
    const call = ["locking", "dialing", "login", "negotiating", "up"];
    assert.deepEqual(
      life?.history.map(({ to }) => to),
      [...call, "negotiating", "waiting", ...call],
    );
  });
});
