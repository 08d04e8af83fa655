import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { ownPublicKey } from "../../../src/cli/own-key.ts";
import type { PathStatus, Status } from "../../../src/control/messages.ts";
import { requireIntact, transferTcp } from "../../../src/lab/transfer.ts";
import { WanEmulator } from "../../../src/lab/wan-emulator.ts";
import { type Side, type TestDaemon, World, worldMissing } from "../world.ts";

/* One bundle of an uplink, of a PPP line, and of two PPP lines that are one multilink bundle (RFC 1990), between two daemons. */

const SPEED = 230_400;
/** So slow that the transfer is still under way when the uplink is cut. */
const UPLINK = { rateBps: 2.5e6, delayMs: 10 };
const SERVER = "198.51.100.1";
const INNER = "10.98.0.1";
/** Far ends of the line alone and of the bundle. */
const [ONE, BOTH] = ["10.96.0.1", "10.97.0.1"];
const BYTES = 1_500_000;
const DEADLINE_MS = 60_000;

const lineTable = (side: Side, line: number, ...more: readonly string[]): string =>
  [
    `[line.tty${line}]`,
    `device = "${side.device(line)}"`,
    'protocol = "ppp"',
    `speed = ${SPEED}`,
    "restart = 0.3",
    ...more,
    "",
  ].join("\n");

const pathsOf = ({ tunnels }: Status): readonly PathStatus[] =>
  tunnels.flatMap(({ peers }) => peers.flatMap(({ paths }) => paths));
const alive = (status: Status): string =>
  pathsOf(status)
    .filter(({ state }) => state === "alive")
    .map(({ name }) => name)
    .toSorted()
    .join();
const sentBy = (status: Status, name: string): number =>
  pathsOf(status).find((path) => path.name === name)?.sent.octets ?? 0;

let world: World;
let emulator: WanEmulator | undefined;
before(async () => {
  if (worldMissing() !== false) return;
  world = await World.create([SPEED, SPEED, SPEED]);
  const [near, far] = [world.near, world.far];
  const end = ({ host: { pid } }: Side) => ({ pid, device: "wan" });
  emulator = await WanEmulator.start([
    { client: end(near), server: end(far), up: UPLINK, down: UPLINK, seed: 1 },
  ]);
  await near.ip("address", "add", "203.0.113.7", "peer", SERVER, "dev", "wan");
  await far.ip("address", "add", SERVER, "peer", "203.0.113.7", "dev", "wan");
  for (const side of [near, far]) await side.ip("link", "set", "wan", "up");
});
after(async () => {
  await emulator?.close();
  await world?.close();
});

function startBoth(): Promise<[TestDaemon, TestDaemon]> {
  const { near, far } = world;
  const [nearKey, farKey] = [near, far].map(({ directory }) => join(directory, "key")) as [string, string];
  const [nearPublic, farPublic] = [ownPublicKey(nearKey), ownPublicKey(farKey)];
  return Promise.all([
    near.up(
      `[master.eql]\nserver = "${SERVER}:7411"\nserver-key = "${farPublic}"\nkey-file = "${nearKey}"`,
      `address = "10.98.0.2"\npeer = "${INNER}"`,
      '[line.wan]\nprotocol = "udp"\ndevice = "wan"\nmaster = "eql"',
      lineTable(near, 0, 'master = "eql"'),
      "[master.modems]",
      ...[1, 2].map((line) => lineTable(near, line, 'master = "modems"')),
      `[line.both]\nprotocol = "udp"\ndevice = "modems"\nserver = "${BOTH}:7411"\nmaster = "eql"`,
    ),
    far.up(
      `[server.eqls]\nkey-file = "${farKey}"\naddress = "${INNER}/24"`,
      `[server.eqls.client.c]\nkey = "${nearPublic}"\naddress = "10.98.0.2"`,
      lineTable(far, 0, `address = "${ONE}"`, 'peer = "10.96.0.2"'),
      `[master.modems]\naddress = "${BOTH}"\npeer = "10.97.0.2"`,
      ...[1, 2].map((line) => lineTable(far, line, 'master = "modems"')),
    ),
  ]);
}

it("goes on by PPP lines alone and in a bundle when the uplink is cut, and by what is left of them", {
  skip: worldMissing(),
}, async () => {
  const [client, server] = await startBoth();
  const all = await client.until(
    "all paths",
    (status) => alive(status) === "both,tty0,wan" && status,
    DEADLINE_MS,
  );
  assert.deepEqual(
    pathsOf(all)
      .map(({ name, device, remote }) => `${name} ${device} ${remote}`)
      .toSorted(),
    [`both modems ${BOTH}:7411`, `tty0 tty0 ${ONE}:7411`, `wan wan ${SERVER}:7411`],
  );
  assert.equal(all.masters.find(({ name }) => name === "modems")?.multilink?.ipv4?.remote, BOTH);

  const transfer = transferTcp(world.near.host, world.far.host, {
    address: INNER,
    bytes: BYTES,
    seed: 1,
    index: 1,
    deadlineMs: DEADLINE_MS,
  });
  await client.until("data by the uplink", (status) => sentBy(status, "wan") > BYTES / 4, DEADLINE_MS);
  await emulator?.change({ link: 0, settings: { outage: true } });
  const cut = await client.until(
    "the uplink is given up",
    (status) => alive(status) === "both,tty0" && status,
    DEADLINE_MS,
  );
  for (const name of ["both", "tty0"]) {
    await client.until(
      `data by ${name}`,
      (status) => sentBy(status, name) > sentBy(cut, name) + 20_000,
      DEADLINE_MS,
    );
  }
  await emulator?.change({ link: 0, settings: { outage: false } });
  requireIntact(await transfer, BYTES);

  await world.lines.hangUp(0);
  await client.until("no path by that line", (status) => alive(status) === "both,wan", DEADLINE_MS);
  await world.lines.restore(0);
  await client.client.request("DELETE", "/lines/wan");
  await client.until("the lines' paths alone", (status) => alive(status) === "both,tty0", DEADLINE_MS);
  const settings = { protocol: "udp", device: "wan", master: "eql" };
  await client.client.request("POST", "/lines", { name: "wan", settings });
  await client.until("all paths again", (status) => alive(status) === "both,tty0,wan", DEADLINE_MS);
  await client.client.request("DELETE", "/lines/tty0");
  await client.until("no path by what is no line", (status) => alive(status) === "both,wan", DEADLINE_MS);
  assert.deepEqual(await Promise.all([client.stop(), server.stop()]), [0, 0]);
});
