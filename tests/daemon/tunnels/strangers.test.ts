import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Host } from "../../../src/lab/namespace.ts";
import { findTool } from "../../../src/lab/tool.ts";
import { requireIntact, transferTcp } from "../../../src/lab/transfer.ts";
import { needsHosts } from "../../lab/lab-support.ts";
import type { FloodRole, RecordRole } from "./flood-roles.ts";
import { client, clientSix, PORT, SERVER, SERVER_SIX, Star } from "./star.ts";

const UDP_PORT = 9000;
const BYTES = 100_000;
const DEADLINE_MS = 150_000;

/** Writes a line for each datagram that comes: who sent it. */
const LISTEN = `const { createSocket } = require("node:dgram");
const s = createSocket({ type: "udp6" });
s.on("message", (_, { address }) => console.log(address.replace("::ffff:", "")));
s.bind(${UDP_PORT}, "::", () => console.log("listening"));`;

/** From each source in turn, to a target, three times each. */
const SEND = `const { createSocket } = require("node:dgram");
const [target, ...sources] = process.argv.slice(1);
for (const source of sources) {
  const s = createSocket(source.includes(":") ? "udp6" : "udp4");
  s.bind(0, source, () => { for (let i = 0; i < 3; i++) s.send("x", ${UDP_PORT}, target, () => i === 2 && s.close()); });
}`;

const send = (host: Host, target: string, sources: readonly string[]): Promise<string> =>
  host.must([process.execPath, "-e", SEND, target, ...sources]);

/** Who sent to a host, as it comes. */
async function* senders(host: Host): AsyncGenerator<string> {
  const child = host.spawn([process.execPath, "-e", LISTEN], { stdio: ["ignore", "pipe", "inherit"] });
  assert.ok(child.stdout);
  try {
    for await (const line of createInterface({ input: child.stdout })) yield line;
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

const FLOOD = fileURLToPath(new URL("flood-main.js", import.meta.url));

/** A stranger on a host: `begun` once it has begun, `done` what it writes in the end. */
function stranger(
  host: Host,
  role: FloodRole | RecordRole,
): { begun: Promise<void>; stop: () => void; done: Promise<unknown> } {
  const child = host.spawn([process.execPath, FLOOD, JSON.stringify(role)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const stop = (): void => void child.stdin?.end();
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const begun = lines.next().then(() => {});
  const done = begun.then(async () => JSON.parse(String((await lines.next()).value)) as unknown);
  return { begun, stop, done };
}

/** Octets that a host's interface has received and sent, with all headers. */
async function traffic(host: Host, device: string): Promise<{ received: number; sent: number }> {
  const line = (await host.must(["cat", "/proc/net/dev"])).split("\n").find((each) => each.includes(device));
  const figures = (line ?? "").replace(/.*:/, "").trim().split(/\s+/).map(Number);
  return { received: figures[0] ?? 0, sent: figures[8] ?? 0 };
}

const resident = (pid: number): number =>
  Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;

describe("strangers and clients of a server", () => {
  let star: Star | null = null;
  let recorded: unknown = [];

  /** Two clients, whose first datagrams are recorded, and somebody else. */
  async function begin(): Promise<Star> {
    star = await Star.start(2, 1);
    const role = { role: "record", port: PORT, initiations: 1, transports: 6 } as const;
    const recorder = stranger(star.hosts[0] as Host, role);
    await recorder.begun;
    await Promise.all([star.join(0), star.join(1)]);
    await send(star.hosts[0] as Host, SERVER, [client(0), client(0), client(0), client(0)]);
    recorded = await recorder.done;
    return star;
  }

  after(() => star?.close());

  it("takes packets only from a client's own addresses, and forwards between clients", {
    timeout: 300_000,
  }, async (t) => {
    if (!needsHosts(t, ["nsenter", "setpriv", "ip"])) return;
    star = await begin();
    const [near, far] = star.hosts as [Host, Host];
    const ip = findTool("ip");
    // An address that is nobody's, and the other client's.
    const wrong = ["10.98.0.77", client(1)];
    const wrongSix = ["fd00:98::77", clientSix(1)];
    for (const address of wrong) await near.must([ip, "address", "add", `${address}/32`, "dev", "eql"]);
    for (const address of wrongSix)
      await near.must([ip, "address", "add", `${address}/128`, "dev", "eql", "nodad"]);

    const atServer = senders(star.server);
    assert.equal((await atServer.next()).value, "listening");
    await send(near, SERVER, wrong);
    await send(near, SERVER_SIX, wrongSix);
    const isCounted = ({ foreignSource = 0 }: Readonly<Record<string, number>>): boolean =>
      foreignSource >= 12;
    await star.daemon.until(({ tunnels }) => isCounted(tunnels[0]?.peers[0]?.drops ?? {}), "all are dropped");
    await send(near, SERVER, [client(0)]);
    assert.equal((await atServer.next()).value, client(0));
    await atServer.return(undefined);
    assert.equal((await star.peer(1)).drops["foreignSource"], 0);

    await near.must(["sh", "-ec", wrong.map((own) => `${ip} address del ${own}/32 dev eql`).join("\n")]);
    await near.must(["sh", "-ec", wrongSix.map((own) => `${ip} address del ${own}/128 dev eql`).join("\n")]);
    const forward = "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
    await star.server.must(["sh", "-ec", forward]);
    const atFar = senders(far);
    assert.equal((await atFar.next()).value, "listening");
    await send(near, client(1), [client(0)]);
    for (let i = 0; i < 3; i++) assert.equal((await atFar.next()).value, client(0));
    await send(near, clientSix(1), [clientSix(0)]);
    assert.equal((await atFar.next()).value, clientSix(0));
    await atFar.return(undefined);
  });

  it("serves its clients during a flood, which gains nothing and costs no memory", {
    timeout: 300_000,
  }, async (t) => {
    if (!needsHosts(t, ["nsenter", "setpriv", "ip"])) return;
    star ??= await begin();
    const { server, daemon, hosts } = star;
    const near = hosts[0] as Host;
    const dropsOf = async (): Promise<Readonly<Record<string, number>>> =>
      (await daemon.status()).tunnels[0]?.drops ?? {};
    const before = await dropsOf();
    const residentBefore = resident(daemon.pid);
    const role = { role: "flood", target: `10.77.2.1:${PORT}`, serverKey: star.publicKey } as const;
    const flood = stranger(hosts[2] as Host, { ...role, recorded: recorded as string[] });
    await flood.begun;
    const transfer = { address: SERVER, bytes: BYTES, seed: 1, deadlineMs: DEADLINE_MS };
    requireIntact(await transferTcp(near, server, transfer), BYTES);
    const counted = (drops: Readonly<Record<string, number>>, why: string): number =>
      (drops[why] ?? 0) - (before[why] ?? 0);
    const kinds = ["filtered", "wrongMac", "overload", "stranger", "oldHandshake", "replayed"];
    await daemon.until(
      ({ tunnels }) => kinds.every((why) => counted(tunnels[0]?.drops ?? {}, why) > 0),
      "all kinds are counted",
    );
    flood.stop();
    const { datagrams } = (await flood.done) as { datagrams: number };
    const grown = resident(daemon.pid) - residentBefore;
    assert.ok(grown < 64e6, `${grown} octets more`);
    const { received, sent } = await traffic(server, "port2");
    assert.ok(received > 100 * datagrams, `${received} octets of ${datagrams} datagrams`);
    assert.ok(sent < received / 20, `${sent} octets are the answer to ${received}`);
  });
});
