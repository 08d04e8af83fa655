import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { RadiusConfig } from "../../../src/config/radius-keys.ts";
import type { CallInfo, Grant, Refusal } from "../../../src/daemon/answering/authority.ts";
import { RadiusAuthority } from "../../../src/daemon/answering/radius.ts";
import { RadiusAccounting } from "../../../src/daemon/answering/radius-accounting.ts";
import { RadiusClient } from "../../../src/daemon/answering/radius-client.ts";
import { RadiusService } from "../../../src/daemon/answering/radius-service.ts";
import { Scratch } from "../../../src/lab/scratch.ts";
import type { AuthProtocol } from "../../../src/ppp/settings.ts";
import { eventually, programsMissing } from "../world.ts";
import { FreeRadius, type FreeRadiusUser } from "./freeradius.ts";
import { CALL, Log, NAS, proofOf, satisfies } from "./radius-caller.ts";

const DEADLINE_MS = 60_000;
const LONG = "p".repeat(100);
const USERS: readonly FreeRadiusUser[] = [
  {
    name: "joe",
    password: "sesame",
    reply: [
      "Service-Type = Framed-User",
      "Framed-Protocol = PPP",
      "Framed-IP-Address = 10.9.8.7",
      "Framed-MTU = 1006",
      "Session-Timeout = 3600",
      "Idle-Timeout = 300",
      "Port-Limit = 2",
      'Framed-Route = "192.168.7.0/24 10.9.8.7 1"',
      'Framed-Route += "192.168.8.1"',
      'Framed-Route += "172.16.0.0/12 0.0.0.0 1"',
      "Class = 0x0102ff00",
      'Class = "gold"',
    ],
  },
  { name: "jane", password: LONG, reply: ["Framed-Protocol = SLIP", "Framed-IP-Address = 255.255.255.254"] },
  { name: "operator", password: "sesame", reply: ["Service-Type = Login-User"] },
  { name: "anybody", password: "sesame", reply: ['Filter-Id = "std.ppp"', 'User-Name = "account"'] },
];

async function meet(
  server: FreeRadius,
  use: (authority: RadiusAuthority, log: Log) => Promise<void>,
  { secret = server.secret, mustSign = true }: { readonly secret?: string; readonly mustSign?: boolean } = {},
): Promise<void> {
  const host = "127.0.0.1";
  const client = new RadiusClient([{ host, port: server.authPort, secret: Buffer.from(secret) }], {
    tryMs: 10_000,
    tries: 3,
    mustSign,
  });
  const log = new Log();
  await use(new RadiusAuthority(client, NAS, log), log);
  client.close();
}

function granted(answer: Grant | Refusal): Grant {
  assert.ok(answer.ok, answer.ok ? "" : answer.message);
  return answer;
}

function refused(answer: Grant | Refusal): string {
  assert.ok(!answer.ok);
  return answer.message;
}

describe("RADIUS with Debian's freeradius", { skip: programsMissing(["/usr/sbin/freeradius"]) }, () => {
  let server: FreeRadius;
  before(async () => {
    server = await FreeRadius.start(USERS);
  });
  after(async () => {
    await server.stop();
  });

  it("lets a login in, with all that the server says of it", async () => {
    await meet(server, async (authority) => {
      const { accounting: _, ...grant } = granted(await authority.login("joe", "sesame", CALL));
      assert.deepEqual(grant, {
        ok: true,
        user: "joe",
        protocol: "ppp",
        address: "10.9.8.7",
        routes: ["192.168.7.0/24", "172.16.0.0/12"],
        maxLines: 2,
        idleMs: 300_000,
        sessionMs: 3_600_000,
        mtu: 1006,
      });
      const jane = granted(
        await authority.login("jane", LONG, { ...CALL, callerId: null, carrierBps: null }),
      );
      assert.deepEqual([jane.protocol, jane.address, jane.maxLines], ["slip", null, null]);
    });
  });

  it("lets nobody in with a wrong password, an unknown name, or an account for something else", async () => {
    await meet(server, async (authority) => {
      const wrong = refused(await authority.login("joe", "guess", CALL));
      assert.equal(refused(await authority.login("nobody", "guess", CALL)), wrong);
      assert.match(refused(await authority.login("operator", "sesame", CALL)), /Service-Type 1/);
      refused(await authority.login("", "sesame", CALL));
      refused(await authority.login("joe", "p".repeat(129), CALL));
      refused(await authority.login("j".repeat(300), "sesame", CALL));
    });
  });

  for (const method of ["pap", "chap-md5", "mschapv2"] as const satisfies readonly AuthProtocol[]) {
    it(`believes a PPP peer by ${method}, and not one with a wrong secret`, async () => {
      await meet(server, async (authority) => {
        const proof = proofOf(method, "joe", "sesame");
        const { address, success } = granted(await authority.prove(proof, CALL));
        assert.equal(address, "10.9.8.7");
        assert.ok(satisfies(proof, "sesame", success));
        refused(await authority.prove(proofOf(method, "joe", "Sesame"), CALL));
        refused(await authority.prove(proofOf(method, "nobody", "sesame"), CALL));
        assert.match(refused(await authority.prove(proofOf(method, "jane", LONG), CALL)), /SLIP/);
      });
    });
  }

  it("takes the name that the server gives, and says that a filter is not applied", async () => {
    await meet(server, async (authority, log) => {
      const grant = granted(await authority.login("anybody", "sesame", CALL));
      assert.deepEqual([grant.user, grant.protocol], ["account", "any"]);
      assert.deepEqual(log.said, [
        {
          fields: { line: "in1", reason: "std.ppp" },
          message: "RADIUS names a filter, and there are none here",
        },
      ]);
    });
  });

  it("accounts for a session from its beginning to its end", async () => {
    const log = new Log();
    const { accountingPort: port, secret } = server;
    const patience = { tryMs: 10_000, tries: 3, mustSign: true };
    const client = new RadiusClient([{ host: "127.0.0.1", port, secret: Buffer.from(secret) }], patience);
    const accounting = new RadiusAccounting(client, NAS, 50, log);
    let grant: Grant | undefined;
    await meet(server, async (authority) => {
      grant = granted(await authority.login("joe", "sesame", CALL));
    });
    assert.ok(grant !== undefined);
    const session = {
      id: "s-1",
      bundle: "b-1",
      grant,
      about: CALL,
      protocol: "ppp",
      address: "10.9.8.7",
    } as const;
    const half = { seconds: 7, sent: 2 ** 32 + 5, received: 10 };
    const open = accounting.begin(session, async () => Promise.resolve(half));
    const recordOf = (status: string): Promise<string> =>
      eventually(
        `a record that says ${status}`,
        () => server.records.find((record) => record.includes(`Acct-Status-Type = ${status}`)),
        DEADLINE_MS,
      );
    const start = await recordOf("Start");
    for (const said of [
      'User-Name = "joe"',
      'Acct-Session-Id = "s-1"',
      'Acct-Multi-Session-Id = "b-1"',
      "Class = 0x0102ff00",
      "Class = 0x676f6c64",
      "Framed-Protocol = PPP",
      "Framed-IP-Address = 10.9.8.7",
      "Acct-Authentic = RADIUS",
      'NAS-Identifier = "terminal-server"',
      "NAS-IP-Address = 192.0.2.9",
      'NAS-Port-Id = "in1"',
      "NAS-Port-Type = Async",
      'Calling-Station-Id = "5551234"',
      'Connect-Info = "28800"',
      "Acct-Delay-Time = 0",
    ]) {
      assert.ok(start.includes(said), `${said} in ${start}`);
    }
    const interim = await recordOf("Interim-Update");
    assert.match(interim, /Acct-Output-Octets = 5\s/);
    assert.match(interim, /Acct-Output-Gigawords = 1\s/);
    open.end({ seconds: 61.9, sent: 100, received: 200 }, "idle");
    await accounting.close(DEADLINE_MS);
    const stop = await recordOf("Stop");
    for (const said of [
      "Acct-Terminate-Cause = Idle-Timeout",
      "Acct-Session-Time = 61",
      "Acct-Input-Octets = 200",
      "Acct-Output-Octets = 100",
      "Class = 0x0102ff00",
    ]) {
      assert.ok(stop.includes(said), `${said} in ${stop}`);
    }
    assert.equal(server.records.filter((record) => record.includes("= Stop")).length, 1);
    assert.deepEqual(log.said, []);
  });

  it("has an accountant who says who was let in by others than the server", async () => {
    const { accountingPort: port, secret } = server;
    const patience = { tryMs: 10_000, tries: 3, mustSign: true };
    const client = new RadiusClient([{ host: "127.0.0.1", port, secret: Buffer.from(secret) }], patience);
    const accounting = new RadiusAccounting(client, { ...NAS, address: null }, null, new Log());
    const about: CallInfo = { ...CALL, carrierBps: null };
    const grant: Grant = {
      ok: true,
      user: "local",
      protocol: "any",
      address: null,
      maxLines: null,
      idleMs: null,
      sessionMs: null,
      mtu: null,
    };
    const session = { id: "s-2", bundle: null, grant, about, protocol: "slip", address: null } as const;
    const usage = { seconds: 0, sent: 0, received: 0 };
    accounting.begin(session, async () => Promise.resolve(usage)).end(usage, "carrier");
    await accounting.close(DEADLINE_MS);
    const stop = await eventually(
      "a record",
      () => server.records.find((record) => record.includes("s-2") && record.includes("= Stop")),
      DEADLINE_MS,
    );
    for (const said of [
      "Acct-Authentic = Local",
      "Framed-Protocol = SLIP",
      "Acct-Terminate-Cause = Lost-Carrier",
    ]) {
      assert.ok(stop.includes(said), `${said} in ${stop}`);
    }
  });
});

describe("RADIUS as it is configured", { skip: programsMissing(["/usr/sbin/freeradius"]) }, () => {
  it("takes its secret from a file, asks and tells", async () => {
    const scratch = new Scratch("eql-radius-secret");
    const server = await FreeRadius.start(USERS);
    try {
      const secretFile = join(scratch.path, "secret");
      writeFileSync(secretFile, `${server.secret}\n`, { mode: 0o600 });
      const config: RadiusConfig = {
        servers: ["127.0.0.1"],
        secretFile,
        authPort: server.authPort,
        accountingPort: server.accountingPort,
        interimMs: null,
        tryMs: 10_000,
        tries: 3,
        mustSign: true,
        identifier: null,
        address: null,
      };
      const service = new RadiusService(config, new Log());
      const grant = granted(await service.authority.login("joe", "sesame", CALL));
      const usage = { seconds: 1, sent: 1, received: 1 };
      const session = {
        id: "s-3",
        bundle: null,
        grant,
        about: CALL,
        protocol: "ppp",
        address: null,
      } as const;
      service.accounting?.begin(session, async () => Promise.resolve(usage)).end(usage, "user");
      await service.close(DEADLINE_MS);
      await eventually(
        "the record",
        () => server.records.some((record) => record.includes("= Stop") && record.includes(hostname())),
        DEADLINE_MS,
      );
      assert.equal(new RadiusService({ ...config, accountingPort: null }, new Log()).accounting, null);
    } finally {
      await server.stop();
      scratch.close();
    }
  });
});

describe("RADIUS with a freeradius that does not sign", {
  skip: programsMissing(["/usr/sbin/freeradius"]),
}, () => {
  let server: FreeRadius;
  before(async () => {
    server = await FreeRadius.start(USERS, false);
  });
  after(async () => {
    await server.stop();
  });

  it("believes it only if it is told to", async () => {
    await meet(
      server,
      async (authority) => {
        granted(await authority.login("joe", "sesame", CALL));
        refused(await authority.login("joe", "guess", CALL));
      },
      { mustSign: false },
    );
  });
});
