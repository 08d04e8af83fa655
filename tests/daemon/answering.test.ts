import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { LineStatus } from "../../src/control/messages.ts";
import { hashPassword } from "../../src/host/password.ts";
import {
  eventually,
  FAR,
  masterTable,
  NEAR,
  programsMissing,
  type TestDaemon,
  World,
  worldMissing,
} from "./world.ts";

const SPEED = 460_800;
/** A busy machine's time for a call. */
const CALL_MS = 60_000;
const PASSWORD = "open-sesame";

interface SessionRecord {
  readonly event: string;
  readonly user: string;
  readonly protocol: string;
  readonly address: string;
  readonly line: string;
  readonly seconds?: number;
  readonly end?: string;
  readonly bundle: string;
  readonly received?: { readonly packets: number; readonly octets: number };
}

describe("callers on direct lines", { skip: worldMissing() }, () => {
  let world: World;
  let daemons: TestDaemon[] = [];
  let hash = "";

  before(async () => {
    world = await World.create([SPEED, SPEED, SPEED]);
    hash = await hashPassword(Buffer.from(PASSWORD));
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) assert.equal(await daemon.stop(), 0);
    rmSync(accountingFile(), { force: true });
  });
  after(() => world?.close());

  const usersFile = (): string => join(world.far.directory, "users.toml");
  const accountingFile = (): string => join(world.far.directory, "accounting", "sessions.jsonl");
  const records = (): SessionRecord[] =>
    existsSync(accountingFile())
      ? readFileSync(accountingFile(), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as SessionRecord)
      : [];

  function users(...tables: readonly string[]): void {
    writeFileSync(usersFile(), tables.join("\n"), { mode: 0o600 });
    chmodSync(usersFile(), 0o600);
  }
  const user = (name: string, ...more: readonly string[]): string =>
    [`[user.${name}]`, `password = "${hash}"`, `secret = "${PASSWORD}"`, ...more, ""].join("\n");
  const joe = (...more: readonly string[]): string => user("joe", ...more);

  /** The far host answers on two lines, or on as many as are given keys of their own. */
  async function answer(
    more: readonly string[] = [],
    lines: readonly (readonly string[])[] = [[], []],
  ): Promise<TestDaemon> {
    const daemon = await world.far.up(
      "[answer.main]",
      "direct = true",
      `address = "${FAR}"`,
      `pool = ["10.99.1.1-10.99.1.3"]`,
      `users = "${usersFile()}"`,
      `accounting = "${accountingFile()}"`,
      ...more,
      ...lines.map((keys, index) =>
        [
          `[line.tty${index}]`,
          `device = "${world.far.device(index)}"`,
          `speed = ${SPEED}`,
          'role = "answer"',
          'answer = "main"',
          ...keys,
          "",
        ].join("\n"),
      ),
    );
    daemons.push(daemon);
    return daemon;
  }

  const slip = (line: number, ...more: readonly string[]): string =>
    [
      `[line.sl${line}]`,
      `device = "${world.near.device(line)}"`,
      `speed = ${SPEED}`,
      'dial = "isp"',
      ...more,
      "",
    ].join("\n");
  const LOGIN = [
    "[dial.isp]",
    "direct = true",
    'user = "joe"',
    `password = "${PASSWORD}"`,
    'login-ready = "beginning"',
    "redial-pause = 0.5",
  ];

  async function call(...tables: readonly string[]): Promise<TestDaemon> {
    const daemon = await world.near.up(...tables);
    daemons.push(daemon);
    return daemon;
  }

  const ppp = (line: number, ...more: readonly string[]): string =>
    [
      `[line.ppp${line}]`,
      `device = "${world.near.device(line)}"`,
      `speed = ${SPEED}`,
      'protocol = "ppp"',
      "restart = 0.5",
      'user = "joe"',
      `password = "${PASSWORD}"`,
      ...more,
      "",
    ].join("\n");

  const isUp = ({ state }: LineStatus): boolean => state === "alone";
  const reached = (): Promise<unknown> => eventually("they talk", () => world.near.ping(FAR), CALL_MS);
  /** Waits until so many sessions have ended. */
  const ended = (daemon: TestDaemon, count = 1): Promise<SessionRecord[]> =>
    daemon.until(
      `${count} sessions have ended`,
      () => {
        const stops = records().filter(({ event }) => event === "stop");
        return stops.length >= count && stops;
      },
      CALL_MS,
    );

  it("log in, speak SLIP, and are hung up and written down when no packets come", async () => {
    users(joe('protocol = "slip"', `address = "${NEAR}"`, "idle-limit = 1"));
    const far = await answer();
    const near = await call(...LOGIN, slip(0, `address = "${NEAR}"`, `peer = "${FAR}"`));
    const line = await far.untilLine("tty0", "is up", isUp, CALL_MS);
    assert.equal(line.kind, "slip");
    await reached();
    await world.transfer(50_000);
    const [stop] = await ended(far);
    assert.deepEqual(
      records().map(({ event }) => event),
      ["start", "stop"],
    );
    assert.deepEqual(
      [stop?.user, stop?.protocol, stop?.address, stop?.line, stop?.end],
      ["joe", "slip", NEAR, "tty0", "idle"],
    );
    assert.ok((stop?.received?.octets ?? 0) > 50_000, JSON.stringify(stop));
    assert.ok((stop?.seconds ?? 0) >= 1);
    assert.equal(await world.far.link("tty0"), undefined, "nothing is left of the call");
    assert.ok(!far.said.includes(PASSWORD) && !JSON.stringify(records()).includes(PASSWORD));
    assert.ok(near.isRunning);
  });

  it("have one bundle for all their SLIP lines, made when the second one comes", async () => {
    users(joe('protocol = "slip"', `address = "${NEAR}"`));
    const far = await answer();
    await call(...LOGIN, masterTable(NEAR, FAR), ...[0, 1].map((line) => slip(line, 'master = "eql"')));
    await far.untilSlaves(["tty0", "tty1"], CALL_MS);
    await reached();
    await world.transfer(100_000);
    const counts = (await far.status()).lines.map(({ received }) => received.octets);
    assert.ok(Math.min(...counts) > 30_000, `both lines carry: ${counts.join()}`);
    const master = await far.master("call0");
    assert.equal(master.multilink, null);
    await far.stop();
    const starts = records().filter(({ event }) => event === "start");
    const stops = records().filter(({ event }) => event === "stop");
    assert.deepEqual(
      [starts.length, stops.length, new Set(starts.map(({ bundle }) => bundle)).size],
      [2, 2, 1],
    );
    assert.deepEqual(new Set(stops.map(({ end }) => end)), new Set(["shutdown"]));
    assert.equal(await world.far.link("call0"), undefined);
  });

  it("need no login for PPP, but PAP, CHAP or MS-CHAPv2, and get addresses of the pool", async () => {
    const methods = ["pap", "chap-md5", "mschapv2"];
    const names = ["joe", "jane", "jack"];
    users(...names.map((name) => user(name)));
    const far = await answer(
      [],
      methods.map((method) => [`require-auth = ["${method}"]`]),
    );
    const near = await call(...names.map((name, line) => ppp(line).replace('"joe"', `"${name}"`)));
    const addresses = await Promise.all(
      names.map(async (name, index) => {
        const { ppp: ours } = await near.untilLine(`ppp${index}`, "is up", isUp, CALL_MS);
        const local = ours?.ipv4?.local ?? "";
        assert.deepEqual(ours?.ipv4, { local, remote: FAR, dns: [] });
        await eventually("they talk", () => world.near.ping(FAR, "-I", `ppp${index}`), CALL_MS);
        const { ppp: theirs } = await far.untilLine(`tty${index}`, "is up", isUp);
        assert.equal(theirs?.peerName, name);
        return local;
      }),
    );
    assert.deepEqual(addresses.toSorted(), ["10.99.1.1", "10.99.1.2", "10.99.1.3"]);
    assert.equal(await near.stop(), 0);
    const stops = await ended(far, 3);
    for (const [index, name] of names.entries()) {
      const stop = stops.find((each) => each.user === name);
      assert.deepEqual(
        [stop?.line, stop?.protocol, stop?.address, stop?.end],
        [`tty${index}`, "ppp", addresses[index], "user"],
      );
    }
  });

  it("have one numbered bundle for PPP lines that agree on multilink", async () => {
    users(joe(`address = "${NEAR}"`));
    const far = await answer();
    const near = await call("[master.eql]", ...[0, 1].map((line) => ppp(line, 'master = "eql"')));
    await far.untilSlaves(["tty0", "tty1"], CALL_MS);
    await near.untilSlaves(["ppp0", "ppp1"], CALL_MS);
    await reached();
    await world.transfer(100_000);
    const { multilink } = await far.master("call0");
    assert.equal(multilink?.peerName, "joe");
    assert.ok((multilink?.fragments.received ?? 0) > 50, JSON.stringify(multilink));
    await near.stop();
    const stops = await ended(far, 2);
    assert.equal(new Set(stops.map(({ bundle }) => bundle)).size, 1);
    for (const { received } of stops) assert.ok((received?.octets ?? 0) > 20_000, JSON.stringify(stops));
  });

  it("have one classic bundle for PPP lines that do not", async () => {
    users(joe(`address = "${NEAR}"`));
    const far = await answer();
    const near = await call(
      masterTable(NEAR, FAR),
      ...[0, 1].map((line) => ppp(line, 'master = "eql"', "multilink = false")),
    );
    await far.untilSlaves(["tty0", "tty1"], CALL_MS);
    await near.untilSlaves(["ppp0", "ppp1"], CALL_MS);
    assert.equal((await far.master("call0")).multilink, null);
    await reached();
    await world.transfer(100_000);
  });

  it("log in and speak PPP, without proving themselves once more", async () => {
    users(joe(`address = "${NEAR}"`));
    const far = await answer();
    const near = await call(
      ...LOGIN,
      [
        "[line.ppp0]",
        `device = "${world.near.device(0)}"`,
        `speed = ${SPEED}`,
        'protocol = "ppp"',
        'dial = "isp"',
        "",
      ].join("\n"),
    );
    const line = await near.untilLine("ppp0", "is up", isUp, CALL_MS);
    assert.deepEqual(line.ppp?.ipv4, { local: NEAR, remote: FAR, dns: [] });
    await reached();
    const theirs = await far.untilLine("tty0", "is up", isUp);
    assert.equal(theirs.ppp?.ours["auth"], undefined);
  });

  for (const [how, dial, more] of [
    ["prove themselves", [], []],
    ["have logged in", LOGIN, ['dial = "isp"']],
  ] as const) {
    it(`cannot take another's address when they ${how}`, async () => {
      users(joe(), joe().replace("joe", "jane").concat('address = "10.99.1.77"\n'));
      const far = await answer();
      const near = await call(...dial, ppp(0, 'address = "10.99.1.77"', ...more));
      await far.until(
        "he is refused",
        () => /the peer (wants|insists on) 10\.99\.1\.77/.test(far.said),
        CALL_MS,
      );
      assert.deepEqual(records(), []);
      assert.deepEqual((await near.status()).lines.filter(isUp), []);
      assert.deepEqual(await world.far.routes("tty0"), []);
    });
  }

  it("send under addresses of their own only, where the kernel filters by its routes", async () => {
    const { host } = world.far;
    const settings = "/proc/sys/net/ipv4/conf/default/rp_filter";
    const dropped = async (): Promise<number> => {
      const [names, values] = (await host.must(["grep", "^TcpExt:", "/proc/net/netstat"]))
        .split("\n")
        .map((line) => line.split(" "));
      return Number(values?.[names?.indexOf("IPReversePathFilter") ?? -1]);
    };
    await host.must(["sh", "-c", `echo 1 >${settings}`]);
    users(joe('routes = ["10.98.7.0/24"]'));
    await answer();
    const near = await call(ppp(0));
    await near.untilLine("ppp0", "is up", isUp, CALL_MS);
    await reached();
    for (const address of ["10.98.7.1", "10.98.8.1"])
      await world.near.ip("address", "add", address, "dev", "ppp0");
    const before = await dropped();
    assert.ok(await world.near.ping(FAR, "-I", "10.98.7.1"), "a network behind him");
    assert.equal(await dropped(), before);
    assert.ok(!(await world.near.ping(FAR, "-I", "10.98.8.1", "-W", "1")));
    assert.ok((await dropped()) > before, "somebody else's");
    await host.must(["sh", "-c", `echo 0 >${settings}`]);
  });

  it("have no more lines than their account allows", async () => {
    users(joe("max-lines = 1", 'protocol = "slip"', `address = "${NEAR}"`));
    const far = await answer();
    await call(...LOGIN, masterTable(NEAR, FAR), ...[0, 1].map((line) => slip(line, 'master = "eql"')));
    await far.until("the second is refused", () => far.said.includes("joe has 1 lines"), CALL_MS);
    await reached();
    assert.equal((await far.status()).masters.length, 0);
  });

  it("are hung up at the end of a session's time, and called anew", async () => {
    users(joe("session-limit = 1"));
    const far = await answer();
    await call(ppp(0));
    const stops = await ended(far, 2);
    assert.deepEqual(new Set(stops.map(({ end }) => end)), new Set(["session"]));
  });

  it("with a wrong password do not come in, which is logged, and slowed", async () => {
    users(joe());
    const far = await answer();
    const near = await call(ppp(0, 'name = "near"').replace(PASSWORD, "wrong"));
    await far.until("two are refused", () => far.said.split("wrong name or password").length > 2, CALL_MS);
    assert.match(far.said, /"user":"joe","reason":"wrong name or password","msg":"not let in"/);
    assert.deepEqual(records(), []);
    assert.ok(!(await world.near.ping(FAR, "-W", "1")));
    assert.ok(near.isRunning);
  });

  it("of a pool are masqueraded as long as they are answered", {
    skip: programsMissing(["nft"]),
  }, async () => {
    users(joe());
    const far = await answer(["masquerade = true", "forward = true"]);
    const rules = (): Promise<string> => world.far.host.must(["nft", "list", "ruleset"]);
    assert.match(await rules(), /elements = \{ 10\.99\.1\.1-10\.99\.1\.3 \}[^]*masquerade/);
    await far.stop();
    assert.doesNotMatch(await rules(), /masquerade/);
  });

  it("reach nothing before they are let in", async () => {
    users(joe());
    const far = await answer();
    const device = world.near.device(0);
    const send = (octets: string): Promise<unknown> =>
      world.near.host.run(["bash", "-c", `stty raw -echo <${device}; printf '${octets}' >${device}`]);
    // SLIP, and PPP that negotiates nothing: an ICMP echo to the far host's loopback.
    const echo =
      "E\\0\\0\\034\\0\\0\\0\\0@\\001|\\336\\177\\0\\0\\001\\177\\0\\0\\001\\010\\0\\367\\377\\0\\0\\0\\0";
    await send(`\\300${echo}\\300`);
    await send(`~\\377}#\\300!~~\\377}#\\0!${echo}~`);
    await far.until("it has heard PPP", ({ lines }) => lines.some(({ name }) => name === "tty0"), CALL_MS);
    const link = await world.far.link("tty0");
    assert.equal(link?.stats64.rx.packets ?? 0, 0);
    assert.ok(link === undefined || !link.flags.includes("LOWER_UP"));
  });
});
