import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { ownPublicKey } from "../../../src/cli/own-key.ts";
import type { Status } from "../../../src/control/messages.ts";
import { WanEmulator } from "../../../src/lab/wan-emulator.ts";
import { eventually, FAR, NEAR, type Side, type TestDaemon, World, worldMissing } from "../world.ts";

/* A bundle of an uplink and of a path over a PPP line, which the same two daemons run. */

const SPEED = 115_200;
const UPLINK = { rateBps: 5e6, delayMs: 10 };
const SERVER = "198.51.100.1";
const INNER = "10.98.0.1";
const DEADLINE_MS = 20_000;

const pppTable = (side: Side, ...more: readonly string[]): string =>
  [
    "[line.ppp0]",
    `device = "${side.device(0)}"`,
    'protocol = "ppp"',
    `speed = ${SPEED}`,
    "restart = 0.3",
    ...more,
    "",
  ].join("\n");

const alive = ({ tunnels }: Status): string =>
  tunnels
    .flatMap(({ peers }) => peers.flatMap(({ paths }) => paths))
    .filter(({ state }) => state === "alive")
    .map(({ name, remote }) => `${name} ${remote}`)
    .toSorted()
    .join();

const BOTH = `modem ${FAR}:7411,wan ${SERVER}:7411`;

let world: World;
let emulator: WanEmulator | undefined;
before(async () => {
  if (worldMissing() !== false) return;
  world = await World.create([SPEED]);
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

async function startBoth(): Promise<[TestDaemon, TestDaemon]> {
  const { near, far } = world;
  const [nearKey, farKey] = [near, far].map(({ directory }) => join(directory, "key")) as [string, string];
  const [nearPublic, farPublic] = [ownPublicKey(nearKey), ownPublicKey(farKey)];
  return Promise.all([
    near.up(
      `[master.eql]\nserver = "${SERVER}:7411"\nserver-key = "${farPublic}"\nkey-file = "${nearKey}"`,
      `address = "10.98.0.2"\npeer = "${INNER}"`,
      '[line.wan]\nprotocol = "udp"\ndevice = "wan"\nmaster = "eql"',
      pppTable(near),
      `[line.modem]\nprotocol = "udp"\ndevice = "ppp0"\nserver = "${FAR}:7411"\nmaster = "eql"`,
    ),
    far.up(
      `[server.eqls]\nkey-file = "${farKey}"\naddress = "${INNER}/24"`,
      `[server.eqls.client.c]\nkey = "${nearPublic}"\naddress = "10.98.0.2"`,
      pppTable(far, `address = "${FAR}"`, `peer = "${NEAR}"`),
    ),
  ]);
}

it("goes on by a PPP line when the uplink is cut, and without it when that hangs up", {
  skip: worldMissing(),
}, async () => {
  const [client, server] = await startBoth();
  await client.until("both paths", (status) => alive(status) === BOTH, DEADLINE_MS);
  await eventually("a ping", () => world.near.ping(INNER), DEADLINE_MS);

  await emulator?.change({ link: 0, settings: { outage: true } });
  await eventually("a ping by the modem", () => world.near.ping(INNER), DEADLINE_MS);
  assert.equal(alive(await client.status()), `modem ${FAR}:7411`);

  await emulator?.change({ link: 0, settings: { outage: false } });
  await client.until("both paths again", (status) => alive(status) === BOTH, DEADLINE_MS);

  await world.lines.hangUp(0);
  await client.until("the uplink alone", (status) => alive(status) === `wan ${SERVER}:7411`, DEADLINE_MS);
  // The server may not have noticed yet, and answer by the line that is gone.
  await eventually("a ping by the uplink", () => world.near.ping(INNER), DEADLINE_MS);
  await world.lines.restore(0);
  await client.until("the modem's path again", (status) => alive(status) === BOTH, DEADLINE_MS);
  assert.deepEqual(await Promise.all([client.stop(), server.stop()]), [0, 0]);
});
