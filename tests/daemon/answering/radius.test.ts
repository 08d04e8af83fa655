import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Grant, Refusal } from "../../../src/daemon/answering/authority.ts";
import { RadiusAuthority, RadiusMark } from "../../../src/daemon/answering/radius.ts";
import { RadiusAccounting } from "../../../src/daemon/answering/radius-accounting.ts";
import { RadiusClient, type RadiusServer } from "../../../src/daemon/answering/radius-client.ts";
import { vendorAttribute } from "../../../src/daemon/answering/radius-packet.ts";
import { utf8Octets, utf8Text } from "../../../src/ppp/text.ts";
import { eventually } from "../world.ts";
import { CALL, Log, NAS, proofOf } from "./radius-caller.ts";

const SECRET = Buffer.from("of the test");
const DEADLINE_MS = 60_000;
const ACCEPT = 2;
const REJECT = 3;
const CHALLENGE = 11;
const ACCOUNTED = 5;

/** What a server does with a request. */
type Habit = (request: Buffer, answer: (octets: Buffer) => void) => void;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that is made up. */
class FakeServer implements RadiusServer {
  readonly host = "127.0.0.1";
  readonly secret = SECRET;
  readonly port: number;
  readonly asked: Buffer[] = [];
  habit: Habit;

  private constructor(socket: Socket, habit: Habit) {
    this.port = socket.address().port;
    this.habit = habit;
    socket.on("message", (octets: Buffer, from: RemoteInfo) => {
      this.asked.push(octets);
      this.habit(octets, (answer) => socket.send(answer, from.port, from.address));
    });
    closing.push(async () => new Promise((resolve) => socket.close(resolve)));
  }

  static async start(habit: Habit): Promise<FakeServer> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new FakeServer(socket, habit);
  }
}

const silent: Habit = () => {};
const says =
  (code: number, ...attributes: readonly { readonly type: number; readonly value: Uint8Array }[]): Habit =>
  (request, answer) =>
    answer(reply(request, code, attributes));

function reply(
  request: Buffer,
  code: number,
  attributes: readonly { readonly type: number; readonly value: Uint8Array }[],
  secret = SECRET,
): Buffer {
  const parts = attributes.flatMap(({ type, value }) => [Buffer.of(type, 2 + value.length), value]);
  const octets = Buffer.concat([
    Buffer.of(code, request[1] as number, 0, 0),
    request.subarray(4, 20),
    Buffer.of(80, 18),
    Buffer.alloc(16),
    ...parts,
  ]);
  octets.writeUInt16BE(octets.length, 2);
  octets.set(createHmac("md5", secret).update(octets).digest(), 22);
  octets.set(createHash("md5").update(octets).update(secret).digest(), 4);
  return octets;
}

const patience = { tryMs: 200, tries: 3, mustSign: true };

function clientOf(servers: readonly RadiusServer[]): RadiusClient {
  const client = new RadiusClient(servers, patience);
  closing.push(async () => Promise.resolve(client.close()));
  return client;
}

const authorityOf = (...servers: readonly RadiusServer[]): RadiusAuthority =>
  new RadiusAuthority(clientOf(servers), NAS, new Log());

const refusal = (answer: Grant | Refusal): string => (answer.ok ? "granted" : answer.message);

/** A port where nobody listens. */
async function deadEnd(): Promise<RadiusServer> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return { host: "127.0.0.1", port, secret: SECRET };
}

describe("asking RADIUS servers", () => {
  it("says the same again to one that is silent, then asks the next", async () => {
    const first = await FakeServer.start(silent);
    const second = await FakeServer.start(says(ACCEPT));
    const authority = authorityOf(first, second);
    assert.ok((await authority.login("joe", "sesame", CALL)).ok);
    assert.equal(first.asked.length, 3);
    assert.deepEqual(first.asked[1], first.asked[0]);
    // It rests: the next one is asked first.
    assert.ok((await authority.login("joe", "sesame", CALL)).ok);
    assert.equal(first.asked.length, 3);
    assert.notDeepEqual(second.asked[0]?.subarray(4, 20), second.asked.at(-1)?.subarray(4, 20));
  });

  it("goes on at once where nobody listens or no name is", async () => {
    const nowhere = { host: "no..name", port: 1812, secret: SECRET };
    const last = await FakeServer.start(says(ACCEPT));
    assert.ok((await authorityOf(await deadEnd(), nowhere, last).login("joe", "sesame", CALL)).ok);
  });

  it("lets nobody in when none answers, and says why", async () => {
    const server = await FakeServer.start(silent);
    const log = new Log();
    const authority = new RadiusAuthority(clientOf([server]), NAS, log);
    const answer = await authority.login("joe", "sesame", CALL);
    assert.match(refusal(answer), /^no RADIUS server answers \(127\.0\.0\.1 port \d+: no answer\)$/);
    assert.equal(log.said[0]?.message, "no RADIUS server answers");
    assert.ok(!JSON.stringify(log.said).includes("sesame"));
  });

  it("asks those that rest when all do", async () => {
    const server = await FakeServer.start(silent);
    const authority = authorityOf(server);
    assert.ok(!(await authority.login("joe", "sesame", CALL)).ok);
    server.habit = says(ACCEPT);
    assert.ok((await authority.login("joe", "sesame", CALL)).ok);
  });

  it("does not believe what is forged, and waits for what is not", async () => {
    const forged = await FakeServer.start((request, answer) => {
      answer(reply(request, ACCEPT, [], Buffer.from("guessed")));
      answer(Buffer.alloc(3));
      answer(reply(request, REJECT, []));
    });
    assert.equal(refusal(await authorityOf(forged).login("joe", "sesame", CALL)), "the server rejects it");
    const only = await FakeServer.start((request, answer) =>
      answer(reply(request, ACCEPT, [], Buffer.from("guessed"))),
    );
    assert.match(refusal(await authorityOf(only).login("joe", "sesame", CALL)), /the secret may be another/);
  });

  it("ends with the client", async () => {
    const server = await FakeServer.start(silent);
    const client = new RadiusClient([server], { tryMs: 3_600_000, tries: 3, mustSign: true });
    const answer = new RadiusAuthority(client, NAS, new Log()).login("joe", "sesame", CALL);
    await eventually("the request", () => server.asked.length > 0, DEADLINE_MS);
    client.close();
    assert.ok(!(await answer).ok);
    assert.ok(!(await new RadiusAuthority(client, NAS, new Log()).login("joe", "sesame", CALL)).ok);
    assert.equal(server.asked.length, 1);
  });

  it("ends with the client also while a server's name is looked up", async () => {
    const server = await FakeServer.start(silent);
    const client = new RadiusClient([server], { tryMs: 3_600_000, tries: 3, mustSign: true });
    const answer = new RadiusAuthority(client, NAS, new Log()).login("joe", "sesame", CALL);
    client.close();
    const late = delay(DEADLINE_MS, "late", { ref: false });
    assert.notEqual(await Promise.race([answer, late]), "late");
    assert.equal(server.asked.length, 0);
  });
});

describe("what a RADIUS server says", () => {
  const text = (type: number, said: string) => ({ type, value: Buffer.from(said) });
  const word = (type: number, value: number) => ({ type, value: Buffer.of(0, 0, value >> 8, value & 0xff) });

  const login = async (habit: Habit): Promise<Grant | Refusal> =>
    authorityOf(await FakeServer.start(habit)).login("joe", "sesame", CALL);

  it("is a refusal with its words, or of its own kind", async () => {
    assert.equal(refusal(await login(says(REJECT, text(18, "Too late\n")))), "Too late\\u{a}");
    assert.equal(refusal(await login(says(CHALLENGE))), "the server asks for more, which is not known here");
    const error = vendorAttribute(311, 2, Buffer.from("\u0001E=691 R=0"));
    assert.equal(refusal(await login(says(REJECT, error))), "E=691 R=0");
    assert.match(refusal(await login(says(ACCEPT, word(7, 3)))), /Framed-Protocol 3/);
  });

  it("has no limits that it does not say, or that are 0", async () => {
    const answer = await login(says(ACCEPT, word(27, 0), word(28, 0), word(12, 5), text(1, "")));
    assert.ok(answer.ok);
    const { user, protocol, address, idleMs, sessionMs, mtu } = answer;
    assert.deepEqual(
      [user, protocol, address, idleMs, sessionMs, mtu],
      ["joe", "any", null, null, null, null],
    );
  });

  it("is no account's name that a terminal would obey or a program's environment cannot have", async () => {
    for (const name of ["joe\0", "joe\n", "\u001b[2Jjoe", "jo\u009be"]) {
      assert.match(refusal(await login(says(ACCEPT, text(1, name)))), /no name/, JSON.stringify(name));
    }
    const latin1 = await login(says(ACCEPT, { type: 1, value: Buffer.from("j\u00f6rg", "latin1") }));
    assert.ok(latin1.ok);
    assert.deepEqual(Buffer.from(utf8Octets(latin1.user)), Buffer.from("j\u00f6rg", "latin1"));
  });

  it("is told of sessions as often as RFC 2869 allows, however often it wants to be", async () => {
    const cases: readonly [said: number, intervalMs: number | null][] = [
      [0, null],
      [1, 60_000],
      [600, 600_000],
      [0xffff_ffff, 86_400_000],
    ];
    for (const [said, intervalMs] of cases) {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(said);
      const answer = await login(says(ACCEPT, { type: 85, value }));
      assert.ok(answer.ok && answer.accounting instanceof RadiusMark);
      assert.equal(answer.accounting.interimMs, intervalMs);
    }
  });

  it("is nothing where its values are malformed", async () => {
    const answer = await login(says(ACCEPT, text(8, "abc"), text(27, "abc"), text(62, "abcde")));
    assert.ok(answer.ok);
    assert.deepEqual([answer.address, answer.sessionMs, answer.maxLines], [null, null, null]);
  });

  it("does not let a peer in by MS-CHAPv2 without proof that the server knows the password", async () => {
    const proof = proofOf("mschapv2", "joe", "sesame");
    const success = (said: string): Habit => says(ACCEPT, vendorAttribute(311, 26, Buffer.from(said)));
    const right = `S=${"0123456789ABCDEF0123456789ABCDEF01234567"}`;
    for (const habit of [says(ACCEPT), success(`M${"S=00"}`), success(`N${right}`), success("")]) {
      const server = await FakeServer.start(habit);
      assert.match(refusal(await authorityOf(server).prove(proof, CALL)), /did not prove/);
    }
    const server = await FakeServer.start(success(`M${right.toLowerCase().replace("s=", "S=")} M=ok`));
    const answer = await authorityOf(server).prove(proof, CALL);
    assert.ok(answer.ok, refusal(answer));
    assert.equal(answer.success, right);
  });
});

describe("accounting to RADIUS servers", () => {
  const grant: Grant = {
    ok: true,
    user: "joe",
    protocol: "any",
    address: null,
    maxLines: null,
    idleMs: null,
    sessionMs: null,
    mtu: null,
  };
  const session = { id: "s-1", bundle: null, grant, about: CALL, protocol: "ppp", address: null } as const;
  const usage = { seconds: 1, sent: 2, received: 3 };
  const statusOf = (octets: Buffer): number => octets.readUInt32BE(22);

  it("has a record until a server takes it", async () => {
    const first = await FakeServer.start(silent);
    const second = await FakeServer.start(says(ACCOUNTED));
    const accounting = new RadiusAccounting(clientOf([first, second]), NAS, null, new Log());
    accounting.begin(session, async () => Promise.resolve(usage)).end(usage, "user");
    await accounting.close(DEADLINE_MS);
    assert.deepEqual(new Set(second.asked.map(statusOf)), new Set([1, 2]));
  });

  it("names a user as he was named, whatever octets that were", async () => {
    const server = await FakeServer.start(says(ACCOUNTED));
    const accounting = new RadiusAccounting(clientOf([server]), NAS, null, new Log());
    const name = Buffer.alloc(100, 0xf6);
    accounting.begin({ ...session, grant: { ...grant, user: utf8Text(name) } }, async () => usage);
    await accounting.close(DEADLINE_MS);
    assert.ok(server.asked[0]?.includes(Buffer.concat([Buffer.of(1, 102), name])));
  });

  it("gives up at its end what nobody takes", async () => {
    const server = await FakeServer.start(silent);
    const log = new Log();
    const accounting = new RadiusAccounting(clientOf([server]), NAS, null, log);
    accounting.begin(session, async () => Promise.resolve(usage)).end(usage, "shutdown");
    await eventually("that it is not taken", () => log.said.length > 0, DEADLINE_MS);
    await accounting.close(10);
    assert.deepEqual(
      [...new Set(log.said.map(({ message }) => message))],
      ["RADIUS accounting is not taken", "RADIUS accounting is given up"],
    );
  });

  it("says nothing of a session after its end", async () => {
    const server = await FakeServer.start(says(ACCOUNTED));
    const accounting = new RadiusAccounting(clientOf([server]), NAS, 10, new Log());
    let give: ((had: typeof usage) => void) | undefined;
    const open = accounting.begin(session, () => new Promise((resolve) => (give = resolve)));
    await eventually("the first look", () => give !== undefined && server.asked.length > 0, DEADLINE_MS);
    open.end(usage, "carrier");
    give?.(usage);
    await accounting.close(DEADLINE_MS);
    assert.deepEqual(new Set(server.asked.map(statusOf)), new Set([1, 2]));
  });
});
