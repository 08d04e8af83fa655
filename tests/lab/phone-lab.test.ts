import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { monotonicNow } from "../../src/host/clock.ts";
import {
  check,
  close,
  EAGAIN,
  nativeBuffer,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  open,
  read,
  write,
} from "../../src/host/libc.ts";
import { Termios } from "../../src/host/termios.ts";
import { PhoneLab } from "../../src/lab/phone-lab.ts";
import type { PhoneEvent } from "../../src/sim/phone-network.ts";
import { after } from "../../src/time.ts";

const CHAT = "/usr/sbin/chat";
const chatMissing =
  existsSync(CHAT) || process.env["EQL_REQUIRE_ALL"] === "1" ? false : "needs chat, of the package ppp";

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** A program that has a device open. */
class Host {
  readonly fd: number;
  readonly #memory = nativeBuffer(1024);
  text = "";
  ended = false;
  /** Octets that the device has taken. */
  taken = 0;

  constructor(path: string) {
    this.fd = check(open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), `opening ${path}`);
  }

  /** Takes all of it, or fails in time. */
  async send(octets: Uint8Array): Promise<void> {
    const memory = nativeBuffer(octets.length);
    memory.octets.set(octets);
    const deadline = after(monotonicNow(), 60_000);
    for (let sent = 0; sent < octets.length; ) {
      const took = write(this.fd, memory.address + sent, octets.length - sent);
      if (took > 0) {
        sent += took;
        this.taken += took;
      }
      assert.ok(monotonicNow() < deadline, `only ${sent} octets were taken`);
      await turn();
    }
  }

  say(text: string): Promise<void> {
    return this.send(new TextEncoder().encode(text));
  }

  async until(done: (text: string) => boolean, withinMs = 60_000): Promise<void> {
    const deadline = after(monotonicNow(), withinMs);
    while (!done(this.text)) {
      const got = read(this.fd, this.#memory.address, this.#memory.octets.length);
      if (got > 0) this.text += Buffer.from(this.#memory.octets.subarray(0, got)).toString("latin1");
      else if (got !== -EAGAIN) this.ended = true;
      assert.ok(monotonicNow() < deadline, JSON.stringify(this.text.slice(-200)));
      await turn();
    }
  }

  close(): void {
    close(this.fd);
  }
}

/** Octets that wait in terminals and modems, and some. */
const BUFFERED = 32_000;

describe("modems on ptys", () => {
  let folder: string;
  let lab: PhoneLab | null;
  let events: PhoneEvent[];
  let hosts: Host[];
  let children: ChildProcess[];
  const path = (name: string): string => join(folder, name);
  const host = (name: string): Host => {
    const made = new Host(path(name));
    hosts.push(made);
    return made;
  };
  const start = async (carrierBps = 28_800): Promise<PhoneLab> => {
    const names = ["caller", "isp"];
    lab = await PhoneLab.start({
      network: {
        modems: names.map((name) => ({ name, portBps: 4 * carrierBps, carrierBps })),
        numbers: [
          { number: "5", answers: ["isp"] },
          { number: "6", answers: "busy" },
        ],
        seed: 1,
        setupMs: 50,
        trainingMs: 100,
        meanCallMs: null,
        noiseOneIn: null,
      },
      links: names.map((name) => ({ modem: name, link: path(name) })),
      onEvent: (event) => events.push(event),
    });
    return lab;
  };
  /** Both are connected, and have read what the modems said. */
  const call = async (): Promise<[Host, Host]> => {
    const [caller, isp] = [host("caller"), host("isp")];
    await caller.say("ATX1S6=0DT5\r");
    await isp.until((text) => text.includes("RING\r\n"));
    await isp.say("ATA\r");
    await caller.until((text) => /CONNECT \d+\r\n$/.test(text));
    await isp.until((text) => /CONNECT \d+\r\n$/.test(text));
    caller.text = isp.text = "";
    return [caller, isp];
  };
  const until = async (done: () => boolean, what: string): Promise<void> => {
    const deadline = after(monotonicNow(), 60_000);
    while (!done()) {
      assert.ok(monotonicNow() < deadline, what);
      await turn();
    }
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eql-phone-"));
    lab = null;
    events = [];
    hosts = [];
    children = [];
  });
  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    for (const one of hosts) one.close();
    await lab?.close();
    assert.deepEqual(readdirSync(folder), [], "no link is left");
    rmSync(folder, { recursive: true, force: true });
  });

  it("are dialed and answered by chat(8), and carry octets intact both ways", {
    skip: chatMissing,
  }, async () => {
    await start();
    const [caller, isp] = [host("caller"), host("isp")];
    const chat = (one: Host, ...script: string[]): Promise<number | null> => {
      const child = spawn(CHAT, ["-t", "10", "ABORT", "BUSY", "ABORT", "NO CARRIER", ...script], {
        stdio: [one.fd, one.fd, "ignore"],
      });
      children.push(child);
      return new Promise((resolve) => child.once("close", resolve));
    };
    assert.equal(
      await chat(caller, "", "ATZ", "OK", "AT&C1&D2W1L1S0=0%E2", "OK", "ATDT6", "CONNECT", "\\c"),
      4,
    );
    const answered = chat(isp, "", "ATZ", "OK", "", "RING", "ATA", "CONNECT", "\\c");
    assert.equal(await chat(caller, "", "ATZ", "OK", "ATDT5", "CONNECT", "\\c"), 0);
    assert.equal(await answered, 0);
    await caller.until((text) => text.endsWith(" 28800\r\n"));
    await isp.until((text) => text.endsWith(" 28800\r\n"));
    caller.text = isp.text = "";
    const [forth, back] = [randomBytes(4000), randomBytes(3000)];
    const started = monotonicNow();
    await Promise.all([
      caller.send(forth),
      isp.send(back),
      caller.until((text) => text.length === back.length),
      isp.until((text) => text.length === forth.length),
    ]);
    assert.ok(monotonicNow() - started >= 4000 / 2.88, "not faster than the carrier");
    assert.ok(Buffer.from(isp.text, "latin1").equals(forth));
    assert.ok(Buffer.from(caller.text, "latin1").equals(back));
    assert.deepEqual(
      events.map(({ type }) => type),
      ["dialed", "failed", "ended", "dialed", "ringing", "connected"],
    );
  });

  it("hang up when their device is closed, as by DTR", async () => {
    await start();
    const [caller, isp] = await call();
    hosts.splice(hosts.indexOf(caller), 1);
    caller.close();
    await isp.until((text) => text.endsWith("\r\nNO CARRIER\r\n"));
    assert.equal(isp.ended, false, "a device with CLOCAL stays");
    await until(() => events.at(-1)?.type === "ended", "told");
    await call(); // and can be called again
  });

  it("hang up at speed 0, as by DTR", async () => {
    await start();
    const [caller, isp] = await call();
    const settings = Termios.get(caller.fd, "caller");
    settings.setSpeed(0);
    check(settings.set(caller.fd), "B0");
    await isp.until((text) => text.endsWith("\r\nNO CARRIER\r\n"));
  });

  it("hang their device up when the carrier is lost and CLOCAL is off, and have a new one under the link", async () => {
    const phones = await start();
    const [caller] = await call();
    const settings = Termios.get(caller.fd, "caller");
    settings.setCarrier(true);
    check(settings.set(caller.fd), "without CLOCAL");
    const before = readlinkSync(path("caller"));
    phones.drop("isp");
    await caller.until(() => caller.ended);
    await until(() => existsSync(path("caller")) && readlinkSync(path("caller")) !== before, "a new device");
    const again = host("caller");
    await again.say("AT\r");
    await again.until((text) => text.endsWith("OK\r\n"));
  });

  it("hold up a host that sends too fast, and lose nothing to one that reads late", async () => {
    await start(115_200);
    const [caller, isp] = await call();
    const octets = randomBytes(40_000);
    const before = { taken: caller.taken, at: monotonicNow() };
    const sent = caller.send(octets);
    const later = after(before.at, 300);
    while (monotonicNow() < later) await turn();
    const taken = caller.taken - before.taken;
    // By its clock, which may have gone on while nothing else did.
    const carried = (monotonicNow() - before.at) * 11.52;
    assert.ok(taken < carried + BUFFERED, `${taken} octets were taken, and ${carried} carried`);
    await Promise.all([sent, isp.until((text) => text.length === octets.length, 60_000)]);
    assert.ok(Buffer.from(isp.text, "latin1").equals(octets));
  });

  it("do not start where a file is in the way", async () => {
    writeFileSync(path("isp"), "");
    await assert.rejects(start(), { code: "NAME_TAKEN" });
    rmSync(path("isp"));
  });
});
