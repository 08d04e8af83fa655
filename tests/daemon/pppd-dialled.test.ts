import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { Host } from "../../src/lab/namespace.ts";
import { PhoneLab } from "../../src/lab/phone-lab.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { requireIntact, transferTcp } from "../../src/lab/transfer.ts";
import type { PhoneEvent } from "../../src/sim/phone-network.ts";
import { ROOT, Running } from "../cli/run.ts";
import { eventually, FAR, NEAR, Side, worldMissing } from "./world.ts";

const PPPD = join(import.meta.dirname, "..", "cli", "pppd-main.js");
const NUMBER = "5551000";
const BUSY = "5559999";
/** As docs/chat.md has it. */
const CALLING = `# the provider
ABORT BUSY
ABORT 'NO CARRIER'
REPORT CONNECT
''       ATZ
OK       ATDT\\T
TIMEOUT  60
CONNECT  \\c
TIMEOUT  20
ogin:--ogin:  joe
ssword:  @password
`;
const ANSWERING = `TIMEOUT 60
''       ATZ
OK       'AT&C1&D2'
OK       \\c
RING     ATA
CONNECT  '\\d\\r\\nlogin: \\c'
joe      '\\r\\nPassword: \\c'
sesame   '\\r\\n\\c'
`;
/** A busy machine takes its time. */
const PATIENCE_MS = 60_000;
const BYTES = 10_000;

describe("eql pppd with eql chat, over modems", { skip: worldMissing() }, () => {
  const scratch = new Scratch("eql-dialled");
  const started: ChildProcess[] = [];
  const happened: PhoneEvent[] = [];
  let phones: PhoneLab;
  let near: Side;
  let far: Side;

  before(async () => {
    const links = ["caller", "isp"].map((modem) => ({ modem, link: join(scratch.path, modem) }));
    phones = await PhoneLab.start({
      network: {
        modems: links.map(({ modem }) => ({ name: modem, portBps: 115_200, carrierBps: 57_600 })),
        numbers: [
          { number: NUMBER, answers: ["isp"] },
          { number: BUSY, answers: "busy" },
        ],
        seed: 1,
        setupMs: 100,
        trainingMs: 300,
        meanCallMs: null,
        noiseOneIn: null,
      },
      links,
      onEvent: (event) => happened.push(event),
    });
    const side = async (name: string, index: number): Promise<Side> =>
      new Side(await Host.create(name), join(scratch.path, name), [links[index]?.link as string]);
    near = await side("near", 0);
    far = await side("far", 1);
    for (const { directory } of [near, far]) {
      const program = join(directory, "eql");
      writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, "bin", "eql")} "$@"\n`);
      chmodSync(program, 0o755);
    }
    writeFileSync(join(near.directory, "calling"), CALLING);
    writeFileSync(join(near.directory, "password"), "sesame\n", { mode: 0o600 });
    writeFileSync(join(far.directory, "answering"), ANSWERING);
  });
  afterEach(async () => {
    const running = started.splice(0).filter((child) => child.exitCode === null && child.signalCode === null);
    for (const child of running) child.kill("SIGTERM");
    for (const child of running) {
      await eventually("it ends", () => child.exitCode !== null || child.signalCode !== null, PATIENCE_MS);
    }
    happened.length = 0;
  });
  after(async () => {
    await Promise.allSettled([near?.host.close(), far?.host.close()]);
    await phones?.close();
    scratch.close();
  });

  /** A pppd in the foreground, at its side's modem. */
  function start(side: Side, ...args: readonly string[]): Running {
    const environment = [
      `EQL_SOCKET=${side.socket}`,
      `EQL_TEST_PLACE=${side.directory}`,
      `PATH=${side.directory}:${process.env["PATH"]}`,
    ];
    const pppd = [process.execPath, PPPD, side.device(0), "115200", "nodetach", "lock", "modem", ...args];
    const child = side.host.spawn(["env", "-C", side.directory, ...environment, ...pppd], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    started.push(child);
    return new Running(child);
  }

  const call = (number: string, ...args: readonly string[]): Running =>
    start(
      near,
      "noipdefault",
      "connect",
      `eql chat -v -s -T ${number} -f calling`,
      "lcp-restart",
      "1",
      ...args,
    );
  const answer = (...args: readonly string[]): Running =>
    start(far, `${FAR}:${NEAR}`, "connect", "eql chat -f answering", ...args);
  const said = (...all: readonly Running[]): string =>
    all.map(({ octets, complaints }) => `${octets.toString()}\n${complaints}`).join("\n---\n");
  const count = (type: PhoneEvent["type"]): number => happened.filter((event) => event.type === type).length;
  const isUp = (side: Side, other: string): Promise<boolean> =>
    eventually("the other side answers", () => side.ping(other), PATIENCE_MS);

  it("dial, log in, carry packets, and dial again when the call is cut", async () => {
    const again = ["persist", "holdoff", "1", "maxfail", "0"];
    const isp = answer(...again);
    const caller = call(NUMBER, ...again);
    const options = { address: FAR, bytes: BYTES, seed: 1, index: 1, deadlineMs: PATIENCE_MS };
    try {
      await isUp(near, FAR);
      requireIntact(await transferTcp(near.host, far.host, options), BYTES);
      const calls = count("connected");
      phones.drop("caller");
      await eventually("the call is made again", () => count("connected") > calls, PATIENCE_MS);
      await isUp(near, FAR);
    } catch (error) {
      throw new Error(said(caller, isp), { cause: error });
    }
    caller.child.kill("SIGTERM");
    const calling = await caller.outcome();
    assert.equal(calling.code, 5);
    assert.match(calling.stderr, / CONNECT 57600$/m);
    assert.match(calling.stderr, /send \(\?{6}\)/);
    assert.doesNotMatch(calling.stdout + calling.stderr, /sesame/);
    await eventually("the modems have hung up", () => count("ended") === count("connected"), PATIENCE_MS);
    isp.child.kill("SIGTERM");
    await isp.outcome();
  });

  it("fail with pppd's exit code, and say which string came, when the number is busy", async () => {
    const { code, stderr } = await call(BUSY).outcome();
    assert.equal(code, 8);
    assert.match(stderr, /Failed \(BUSY\)/);
  });
});
