import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { transferLimit } from "../../src/lab/limit.ts";
import { Host } from "../../src/lab/namespace.ts";
import { forEachPiece } from "../../src/lab/transfer-data.ts";
import { hostMissing } from "./access.ts";
import { DaemonOnHost } from "./daemon-on-host.ts";
import { KernelPeer, kernelPeerMissing } from "./kernel-peer.ts";

const SPEEDS = [57600, 14400] as const;
const MTU = 576;
const SEED = 1995;
const TRANSFER_MS = 120_000;
const [GUEST, US] = ["10.8.0.1", "10.8.0.2"];
const [PLAIN_GUEST, PLAIN_US] = ["10.8.1.1", "10.8.1.2"];
const [CSLIP_GUEST, CSLIP_US] = ["10.8.2.1", "10.8.2.2"];

/** One guest with the original drivers: lines 0 and 1 bonded, 2 plain SLIP, 3 CSLIP. Our daemon on a host of its own. */
describe("our daemon and the original drivers", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let peer: KernelPeer;
  let us: Host;
  let daemon: DaemonOnHost;

  before(async () => {
    peer = await KernelPeer.start({ lines: 4 });
    us = await Host.create("us");
    const speeds = [...SPEEDS, 115200, 115200];
    const ptys = await Promise.all(speeds.map((bps, line) => peer.expose(line, bps)));
    await peer.slip(GUEST, US, SPEEDS, MTU);
    await peer.attach(2, { local: PLAIN_GUEST, remote: PLAIN_US, mtu: MTU });
    await peer.attach(3, { local: CSLIP_GUEST, remote: CSLIP_US, mtu: MTU, protocol: "cslip" });
    const table = (line: number, more: string): string =>
      `[line.sl${line}]\ndevice = "${ptys[line]}"\nspeed = ${speeds[line]}\nmtu = ${MTU}\n${more}\n`;
    const config = [
      `[master.eql]\naddress = "${US}"\npeer = "${GUEST}"\nmtu = ${MTU}`,
      table(0, `master = "eql"`),
      table(1, `master = "eql"`),
      table(2, `address = "${PLAIN_US}"\npeer = "${PLAIN_GUEST}"`),
      table(3, `address = "${CSLIP_US}"\npeer = "${CSLIP_GUEST}"`),
    ].join("\n");
    daemon = await DaemonOnHost.start(us, config, ({ lines }) => {
      const states = lines.map(({ name, state }) => `${name} ${state}`).sort();
      return states.join() === "sl0 enslaved,sl1 enslaved,sl2 alone,sl3 alone";
    });
  });

  after(async () => {
    await daemon?.close();
    await us?.close();
    await peer?.close();
  });

  /** Random octets as a file that both sides can read, and what they hash to. */
  function data(octets: number): { path: string; guestPath: string; sha256: string } {
    const hash = createHash("sha256");
    const pieces: Buffer[] = [];
    forEachPiece(octets, SEED, (piece) => {
      hash.update(piece);
      pieces.push(Buffer.from(piece));
    });
    writeFileSync(join(peer.directory, `data-${octets}`), Buffer.concat(pieces));
    return {
      path: join(peer.directory, `data-${octets}`),
      guestPath: `/mnt/data-${octets}`,
      sha256: hash.digest("hex"),
    };
  }

  const tcpx = (): string => join(peer.directory, "bin/tcpx");
  const here = (shell: string): Promise<string> => us.must(["sh", "-c", shell]);

  it("ping each other over the bond", async () => {
    await us.must(["ping", "-c", "4", "-i", "0.2", "-W", "20", GUEST]);
    await peer.must(`ping -c 4 -i 0.2 -W 20 ${US}`);
  });

  it("carry a transfer to the original by both lines as they are fast, intact", async (t) => {
    const bytes = 60_000;
    const { path, sha256 } = data(bytes);
    const sent = async (): Promise<number[]> =>
      await Promise.all(["sl0", "sl1"].map(async (name) => (await daemon.line(name))?.lineOctets.sent ?? 0));
    const before = await sent();
    const received = peer.must("tcpx recv 9000 | sha256sum", TRANSFER_MS);
    await peer.must("until grep -q ':2328 ' /proc/net/tcp; do sleep 0.05; done"); // it listens
    const report = await here(`${tcpx()} send ${GUEST} 9000 < ${path} 2>&1`);
    assert.equal((await received).split(" ")[0], sha256);
    const limit = transferLimit({ bytes, mtu: MTU, speeds: SPEEDS, seed: SEED });
    const percent = (100 * limit.seconds) / Number(report.trim().split(" ")[1]);
    t.diagnostic(`${percent.toFixed(1)} % of the limit`);
    assert.ok(percent <= 100, `${percent.toFixed(1)} % of the limit`);
    // That none of them waits for the other is seen in this: how long it takes is up to the machine, too.
    const [fast = NaN, slow = NaN] = (await sent()).map((octets, line) => octets - (before[line] ?? 0));
    const share = slow / (fast + slow);
    assert.ok(share > 0.14 && share < 0.26, `${(100 * share).toFixed(1)} % by the line that has a fifth`);
  });

  it("carry a transfer from the original, intact", async () => {
    const { guestPath, sha256 } = data(20_000);
    const received = here(
      `${tcpx()} recv 9001 2>&1 >${peer.directory}/got && sha256sum ${peer.directory}/got`,
    );
    await here("until grep -q ':2329 ' /proc/net/tcp; do sleep 0.05; done");
    await peer.must(`tcpx send ${US} 9001 < ${guestPath}`, TRANSFER_MS);
    assert.match(await received, new RegExp(sha256));
  });

  it("ping each other over a plain SLIP line", async () => {
    await us.must(["ping", "-c", "3", "-i", "0.2", "-W", "20", PLAIN_GUEST]);
    await peer.must(`ping -c 3 -i 0.2 -W 20 ${PLAIN_US}`);
  });

  it("say of compressed headers what they are and what to do", async () => {
    await us.must(["ping", "-c", "1", "-W", "20", CSLIP_GUEST]); // not TCP: not compressed
    const listener = us.spawn([tcpx(), "recv", "9002"], { stdio: "ignore" });
    await here("until grep -q ':232A ' /proc/net/tcp; do sleep 0.05; done");
    const sending = peer.exec(`tcpx send ${CSLIP_US} 9002 < /mnt/init`, TRANSFER_MS);
    const status = await daemon.until(
      ({ lines }) => (lines.find(({ name }) => name === "sl3")?.drops["vjCompressed"] ?? 0) > 0,
      "compressed headers to be counted",
    );
    const hints = status.lines.find(({ name }) => name === "sl3")?.hints.join("\n") ?? "";
    assert.match(hints, /cslip|RFC 1144|compress/i);
    listener.kill("SIGKILL");
    await peer.exec("busybox killall tcpx"); // unless it has heard that already, it waits for an answer
    await sending;
  });

  it("leave nothing behind", async () => {
    assert.equal(await daemon.close(), 0);
    assert.doesNotMatch(await here("ip -o link"), /eql|sl\d/);
  });
});
