import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { ownPublicKey } from "../../../src/cli/own-key.ts";
import type { PathStatus, Status } from "../../../src/control/messages.ts";
import { Host } from "../../../src/lab/namespace.ts";
import { Scratch } from "../../../src/lab/scratch.ts";
import { findTool } from "../../../src/lab/tool.ts";
import { requireIntact, transferTcp } from "../../../src/lab/transfer.ts";
import { DaemonOnHost } from "../../interop/daemon-on-host.ts";
import { worldMissing } from "../world.ts";

/* A client with three cables to its server: cable N is 10.77.N.2 ═ 10.77.N.1. */

const SERVER = "198.51.100.1";
const INNER = "10.98.0.1";
const BYTES = 10_000_000;
/** With both paths it would take 20 s. */
const LIMIT = "send-limit = 2_000_000\n";

const paths = ({ tunnels }: Status): readonly PathStatus[] =>
  tunnels.flatMap(({ peers }) => peers.flatMap((peer) => peer.paths));
const path = (status: Status, name: string): PathStatus | undefined =>
  paths(status).find((each) => each.name === name);
const names = (status: Status): string =>
  paths(status)
    .map(({ name, state }) => `${name} ${state}`)
    .join();

async function layCable(near: Host, far: Host, n: number): Promise<void> {
  const ip = findTool("ip");
  await near.must([
    ip,
    "link",
    "add",
    `up${n}`,
    "type",
    "veth",
    "peer",
    "name",
    `down${n}`,
    "netns",
    `${far.pid}`,
  ]);
  for (const [host, name, last] of [
    [near, `up${n}`, 2],
    [far, `down${n}`, 1],
  ] as const) {
    await host.must([ip, "address", "add", `10.77.${n}.${last}/24`, "dev", name]);
    await host.must([ip, "link", "set", name, "up"]);
  }
  await near.must([
    ip,
    "route",
    "add",
    "default",
    "via",
    `10.77.${n}.1`,
    "dev",
    `up${n}`,
    "metric",
    `${100 + n}`,
  ]);
}

const line = (n: number, more = LIMIT): string =>
  `[line.dsl${n}]\nprotocol = "udp"\ndevice = "up${n}"\nmaster = "eql"\n${more}`;

let scratch: Scratch;
let hosts: readonly Host[] = [];
const daemons: DaemonOnHost[] = [];
before(async () => {
  scratch = new Scratch("eql-path-reload");
  if (worldMissing() === false) hosts = await Promise.all(["near", "far"].map((name) => Host.create(name)));
});
after(async () => {
  await Promise.all(daemons.map((daemon) => daemon.close()));
  await Promise.all(hosts.map((host) => host.close()));
  scratch.close();
});

it("a client is given a path, and another one is taken from it, in the middle of a transfer", {
  skip: worldMissing(),
}, async () => {
  const [near, far] = hosts as [Host, Host];
  await far.must([findTool("ip"), "address", "add", `${SERVER}/32`, "dev", "lo"]);
  for (const n of [0, 1, 2]) await layCable(near, far, n);
  const [nearKey, farKey] = ["near", "far"].map((name) => join(scratch.path, `${name}.key`)) as [
    string,
    string,
  ];
  const server = `[server.eqls]\nkey-file = "${farKey}"\naddress = "${INNER}/24"\n`;
  const who = `[server.eqls.client.c]\nkey = "${ownPublicKey(nearKey)}"\naddress = "10.98.0.2"\n`;
  const master = [
    `[master.eql]\nserver = "${SERVER}:7411"\nserver-key = "${ownPublicKey(farKey)}"\nkey-file = "${nearKey}"`,
    `address = "10.98.0.2"\npeer = "${INNER}"\n`,
  ].join("\n");
  daemons.push(await DaemonOnHost.start(far, server + who, ({ tunnels }) => tunnels[0]?.up === true));
  const client = await DaemonOnHost.start(
    near,
    master + line(0) + line(1),
    (status) => names(status) === "dsl0 alive,dsl1 alive",
  );
  daemons.push(client);

  const first = await client.status();
  let received = 0;
  const transfer = transferTcp(near, far, {
    address: INNER,
    bytes: BYTES,
    seed: 1,
    deadlineMs: 180_000,
    onProgress: (octets) => {
      received = octets;
    },
  });
  const carries = (name: string) => (status: Status) => (path(status, name)?.sent.octets ?? 0) > 50_000;
  await client.until(carries("dsl1"), "dsl1 to carry some of it");
  assert.deepEqual(await client.reload(master + line(0) + line(1) + line(2)), {
    applied: ["line.dsl2: added"],
    restart: [],
  });
  await client.until(carries("dsl2"), "dsl2 to carry some of it");
  assert.deepEqual((await client.reload(master + line(0) + line(2))).applied, ["line.dsl1: removed"]);
  assert.ok(received < BYTES, "the transfer was over before");
  // What cannot be is refused as a whole.
  await assert.rejects(client.reload(master + line(0) + line(0).replace("dsl0", "dsl9")), {
    code: "CONFIG_INVALID",
    message: /line\.dsl9.*line\.dsl0 is the same path/s,
  });
  assert.deepEqual((await client.reload(master + line(0, "") + line(2, ""))).applied, [
    "line.dsl0: send-limit",
    "line.dsl2: send-limit",
  ]);
  requireIntact(await transfer, BYTES);
  const last = await client.status();
  assert.equal(names(last), "dsl0 alive,dsl2 alive");
  // The path that stayed did not begin anew, nor did the session.
  assert.equal(path(last, "dsl0")?.local, path(first, "dsl0")?.local);
  const sent = (status: Status): number => status.tunnels[0]?.peers[0]?.sent.octets ?? 0;
  assert.ok(sent(last) >= sent(first) + BYTES);
});
