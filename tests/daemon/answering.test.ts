import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
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

const LOGIN = [
  "[dial.isp]",
  "direct = true",
  'user = "joe"',
  `password = "${PASSWORD}"`,
  'login-ready = "beginning"',
  "redial-pause = 0.5",
];

/** Lines between one host that answers, and one that calls. */
class Scene {
  readonly world: World;
  readonly #daemons: TestDaemon[] = [];

  constructor(world: World) {
    this.world = world;
  }

  /** Ends what runs, and forgets the sessions. */
  async end(): Promise<void> {
    for (const daemon of this.#daemons.splice(0)) assert.equal(await daemon.stop(), 0);
    rmSync(this.#accountingFile, { force: true });
  }

  get #usersFile(): string {
    return join(this.world.far.directory, "users.toml");
  }

  get #accountingFile(): string {
    return join(this.world.far.directory, "accounting", "sessions.jsonl");
  }

  get records(): readonly SessionRecord[] {
    const file = this.#accountingFile;
    if (!existsSync(file)) return [];
    const rows = readFileSync(file, "utf8").trim().split("\n");
    return rows.map((row) => JSON.parse(row) as SessionRecord);
  }

  users(...tables: readonly string[]): void {
    writeFileSync(this.#usersFile, tables.join("\n"), { mode: 0o600 });
  }

  /** The far host answers on two lines, or on as many as are given keys of their own. */
  async answer(
    more: readonly string[] = [],
    lines: readonly (readonly string[])[] = [[], []],
  ): Promise<TestDaemon> {
    const { far } = this.world;
    const daemon = await far.up(
      "[answer.main]",
      "direct = true",
      `address = "${FAR}"`,
      `pool = ["10.99.1.1-10.99.1.3"]`,
      `users = "${this.#usersFile}"`,
      `accounting = "${this.#accountingFile}"`,
      ...more,
      ...lines.map((keys, index) =>
        [
          `[line.tty${index}]`,
          `device = "${far.device(index)}"`,
          `speed = ${SPEED}`,
          'role = "answer"',
          'answer = "main"',
          ...keys,
          "",
        ].join("\n"),
      ),
    );
    this.#daemons.push(daemon);
    return daemon;
  }

  async call(...tables: readonly string[]): Promise<TestDaemon> {
    const daemon = await this.world.near.up(...tables);
    this.#daemons.push(daemon);
    return daemon;
  }

  slip(line: number, ...more: readonly string[]): string {
    return this.#table(`sl${line}`, line, ['dial = "isp"', ...more]);
  }

  ppp(line: number, ...more: readonly string[]): string {
    const proof = ["restart = 0.5", 'user = "joe"', `password = "${PASSWORD}"`];
    return this.#table(`ppp${line}`, line, ['protocol = "ppp"', ...proof, ...more]);
  }

  /** PPP after a login: it has nothing to prove itself with. */
  pppLoggedIn(line: number): string {
    return this.#table(`ppp${line}`, line, ['protocol = "ppp"', 'dial = "isp"']);
  }

  #table(name: string, line: number, keys: readonly string[]): string {
    const device = `device = "${this.world.near.device(line)}"`;
    return [`[line.${name}]`, device, `speed = ${SPEED}`, ...keys, ""].join("\n");
  }

  async reached(): Promise<void> {
    await eventually("they talk", () => this.world.near.ping(FAR), CALL_MS);
  }

  /** Waits until so many sessions have ended. */
  ended(daemon: TestDaemon, count: number): Promise<readonly SessionRecord[]> {
    return daemon.until(
      `${count} sessions have ended`,
      () => {
        const stops = this.records.filter(({ event }) => event === "stop");
        return stops.length >= count && stops;
      },
      CALL_MS,
    );
  }
}

const isUp = ({ state }: LineStatus): boolean => state === "alone";

/** Some at once: most of their time is that of pauses, and of daemons which begin and end. */
describe("callers on direct lines", { skip: worldMissing(), concurrency: 4 }, () => {
  let hash = "";

  /** Those that no test uses now. */
  const scenes: Scene[] = [];

  before(async () => {
    hash = await hashPassword(Buffer.from(PASSWORD));
  });
  after(async () => {
    for (const { world } of scenes) await world.close();
  });

  async function inScene(work: (scene: Scene) => Promise<void>): Promise<void> {
    const scene = scenes.pop() ?? new Scene(await World.create([SPEED, SPEED, SPEED]));
    try {
      await work(scene);
      await scene.end();
    } catch (error) {
      await scene.world.close();
      throw error;
    }
    scenes.push(scene);
  }

  const user = (name: string, ...more: readonly string[]): string =>
    [`[user.${name}]`, `password = "${hash}"`, `secret = "${PASSWORD}"`, ...more, ""].join("\n");
  const joe = (...more: readonly string[]): string => user("joe", ...more);

  it("log in, speak SLIP, and are hung up and written down when no packets come", () =>
    inScene(async (scene) => {
      scene.users(joe('protocol = "slip"', `address = "${NEAR}"`, "idle-limit = 3"));
      const far = await scene.answer();
      const near = await scene.call(...LOGIN, scene.slip(0, `address = "${NEAR}"`, `peer = "${FAR}"`));
      const line = await far.untilLine("tty0", "is up", isUp, CALL_MS);
      assert.equal(line.kind, "slip");
      // A program may take longer to begin than a caller may be idle.
      const pings = scene.world.near.host.spawn(["ping", "-q", "-i", "0.2", FAR], { stdio: "ignore" });
      await scene.reached();
      await scene.world.transfer(50_000);
      pings.kill();
      const [stop] = await scene.ended(far, 1);
      assert.deepEqual(
        scene.records.map(({ event }) => event),
        ["start", "stop"],
      );
      assert.deepEqual(
        [stop?.user, stop?.protocol, stop?.address, stop?.line, stop?.end],
        ["joe", "slip", NEAR, "tty0", "idle"],
      );
      assert.ok((stop?.received?.octets ?? 0) > 50_000, JSON.stringify(stop));
      assert.ok((stop?.seconds ?? 0) >= 3);
      await eventually(
        "nothing is left of the call",
        async () => (await scene.world.far.link("tty0")) === undefined,
        CALL_MS,
      );
      assert.ok(!far.said.includes(PASSWORD) && !JSON.stringify(scene.records).includes(PASSWORD));
      assert.ok(near.isRunning);
    }));

  it("have one bundle for all their SLIP lines, made when the second one comes", () =>
    inScene(async (scene) => {
      scene.users(joe('protocol = "slip"', `address = "${NEAR}"`));
      const far = await scene.answer();
      const near = await scene.call(
        ...LOGIN,
        masterTable(NEAR, FAR),
        ...[0, 1].map((line) => scene.slip(line, 'master = "eql"')),
      );
      await far.untilSlaves(["tty0", "tty1"], CALL_MS);
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      await scene.reached();
      await scene.world.transfer(100_000);
      const counts = (await far.status()).lines.map(({ received }) => received.octets);
      assert.ok(Math.min(...counts) > 30_000, `both lines carry: ${counts.join()}`);
      const master = await far.master("call0");
      assert.equal(master.multilink, null);
      await far.stop();
      const starts = scene.records.filter(({ event }) => event === "start");
      const stops = scene.records.filter(({ event }) => event === "stop");
      assert.deepEqual(
        [starts.length, stops.length, new Set(starts.map(({ bundle }) => bundle)).size],
        [2, 2, 1],
      );
      assert.deepEqual(new Set(stops.map(({ end }) => end)), new Set(["shutdown"]));
      assert.equal(await scene.world.far.link("call0"), undefined);
    }));

  it("need no login for PPP, but PAP, CHAP or MS-CHAPv2, and get addresses of the pool", () =>
    inScene(async (scene) => {
      const methods = ["pap", "chap-md5", "mschapv2"];
      const names = ["joe", "jane", "jack"];
      scene.users(...names.map((name) => user(name)));
      const far = await scene.answer(
        [],
        methods.map((method) => [`require-auth = ["${method}"]`]),
      );
      const near = await scene.call(
        ...names.map((name, line) => scene.ppp(line).replace('"joe"', `"${name}"`)),
      );
      const addresses = await Promise.all(
        names.map(async (name, index) => {
          const { ppp: ours } = await near.untilLine(`ppp${index}`, "is up", isUp, CALL_MS);
          const local = ours?.ipv4?.local ?? "";
          assert.deepEqual(ours?.ipv4, { local, remote: FAR, dns: [] });
          await eventually("they talk", () => scene.world.near.ping(FAR, "-I", `ppp${index}`), CALL_MS);
          const { ppp: theirs } = await far.untilLine(`tty${index}`, "is up", isUp, CALL_MS);
          assert.equal(theirs?.peerName, name);
          return local;
        }),
      );
      assert.deepEqual(addresses.toSorted(), ["10.99.1.1", "10.99.1.2", "10.99.1.3"]);
      assert.equal(await near.stop(), 0);
      const stops = await scene.ended(far, 3);
      for (const [index, name] of names.entries()) {
        const stop = stops.find((each) => each.user === name);
        assert.deepEqual(
          [stop?.line, stop?.protocol, stop?.address, stop?.end],
          [`tty${index}`, "ppp", addresses[index], "user"],
        );
      }
    }));

  it("have one numbered bundle for PPP lines that agree on multilink", () =>
    inScene(async (scene) => {
      scene.users(joe(`address = "${NEAR}"`));
      const far = await scene.answer();
      const near = await scene.call(
        "[master.eql]",
        ...[0, 1].map((line) => scene.ppp(line, 'master = "eql"')),
      );
      await far.untilSlaves(["tty0", "tty1"], CALL_MS);
      await near.untilSlaves(["ppp0", "ppp1"], CALL_MS);
      await scene.reached();
      await scene.world.transfer(100_000);
      const { multilink } = await far.master("call0");
      assert.equal(multilink?.peerName, "joe");
      assert.ok((multilink?.fragments.received ?? 0) > 50, JSON.stringify(multilink));
      await near.stop();
      const stops = await scene.ended(far, 2);
      assert.equal(new Set(stops.map(({ bundle }) => bundle)).size, 1);
      for (const { received } of stops) assert.ok((received?.octets ?? 0) > 20_000, JSON.stringify(stops));
    }));

  it("have one classic bundle for PPP lines that do not", () =>
    inScene(async (scene) => {
      scene.users(joe(`address = "${NEAR}"`));
      const far = await scene.answer();
      const near = await scene.call(
        masterTable(NEAR, FAR),
        ...[0, 1].map((line) => scene.ppp(line, 'master = "eql"', "multilink = false")),
      );
      await far.untilSlaves(["tty0", "tty1"], CALL_MS);
      await near.untilSlaves(["ppp0", "ppp1"], CALL_MS);
      assert.equal((await far.master("call0")).multilink, null);
      await scene.reached();
      await scene.world.transfer(100_000);
    }));

  it("log in and speak PPP, without proving themselves once more", () =>
    inScene(async (scene) => {
      scene.users(joe(`address = "${NEAR}"`));
      const far = await scene.answer();
      const near = await scene.call(...LOGIN, scene.pppLoggedIn(0));
      const line = await near.untilLine("ppp0", "is up", isUp, CALL_MS);
      assert.deepEqual(line.ppp?.ipv4, { local: NEAR, remote: FAR, dns: [] });
      await scene.reached();
      const theirs = await far.untilLine("tty0", "is up", isUp, CALL_MS);
      assert.equal(theirs.ppp?.ours["auth"], undefined);
    }));

  it("cannot take another's address when they prove themselves, nor when they have logged in", () =>
    inScene(async (scene) => {
      scene.users(joe(), user("jane", 'address = "10.99.1.77"'));
      const far = await scene.answer();
      const wrong = 'address = "10.99.1.77"';
      const near = await scene.call(...LOGIN, scene.ppp(0, wrong), scene.ppp(1, wrong, 'dial = "isp"'));
      for (const line of ["tty0", "tty1"]) {
        const refusal = new RegExp(`"interface":"${line}".*the peer (wants|insists on) 10\\.99\\.1\\.77`);
        await far.until("he is refused", () => refusal.test(far.said), CALL_MS);
        assert.deepEqual(await scene.world.far.routes(line), []);
      }
      assert.deepEqual(scene.records, []);
      assert.deepEqual((await near.status()).lines.filter(isUp), []);
    }));

  it("prove themselves in vain to a daemon that ends meanwhile, which it does well", () =>
    inScene(async (scene) => {
      scene.users(joe());
      for (const _ of [1, 2, 3]) {
        const far = await scene.answer();
        await scene.call(scene.ppp(0), scene.ppp(1));
        await far.until("a proof is awaited", () => far.said.includes('"authenticate"'), CALL_MS);
        await scene.end();
      }
    }));

  it("send under addresses of their own only, where the kernel filters by its routes", () =>
    inScene(async (scene) => {
      const { host } = scene.world.far;
      const settings = "/proc/sys/net/ipv4/conf/default/rp_filter";
      const dropped = async (): Promise<number> => {
        const [names, values] = (await host.must(["grep", "^TcpExt:", "/proc/net/netstat"]))
          .split("\n")
          .map((line) => line.split(" "));
        return Number(values?.[names?.indexOf("IPReversePathFilter") ?? -1]);
      };
      await host.must(["sh", "-c", `echo 1 >${settings}`]);
      scene.users(joe('routes = ["10.98.7.0/24"]'));
      await scene.answer();
      const near = await scene.call(scene.ppp(0));
      await near.untilLine("ppp0", "is up", isUp, CALL_MS);
      await scene.reached();
      for (const address of ["10.98.7.1", "10.98.8.1"])
        await scene.world.near.ip("address", "add", address, "dev", "ppp0");
      const before = await dropped();
      assert.ok(await scene.world.near.ping(FAR, "-I", "10.98.7.1"), "a network behind him");
      assert.equal(await dropped(), before);
      assert.ok(!(await scene.world.near.ping(FAR, "-I", "10.98.8.1", "-W", "1")));
      assert.ok((await dropped()) > before, "somebody else's");
      await host.must(["sh", "-c", `echo 0 >${settings}`]);
    }));

  it("have no more lines than their account allows", () =>
    inScene(async (scene) => {
      scene.users(joe("max-lines = 1", 'protocol = "slip"', `address = "${NEAR}"`));
      const far = await scene.answer();
      await scene.call(
        ...LOGIN,
        masterTable(NEAR, FAR),
        ...[0, 1].map((line) => scene.slip(line, 'master = "eql"')),
      );
      await far.until("the second is refused", () => far.said.includes("joe has 1 lines"), CALL_MS);
      await scene.reached();
      assert.equal((await far.status()).masters.length, 0);
    }));

  it("are hung up at the end of a session's time, and called anew", () =>
    inScene(async (scene) => {
      scene.users(joe("session-limit = 1"));
      const far = await scene.answer();
      await scene.call(scene.ppp(0));
      const stops = await scene.ended(far, 2);
      assert.deepEqual(new Set(stops.map(({ end }) => end)), new Set(["session"]));
    }));

  it("with a wrong password do not come in, which is logged, and slowed", () =>
    inScene(async (scene) => {
      scene.users(joe());
      const far = await scene.answer();
      const near = await scene.call(scene.ppp(0, 'name = "near"').replace(PASSWORD, "wrong"));
      await far.until("two are refused", () => far.said.split("wrong name or password").length > 2, CALL_MS);
      assert.match(far.said, /"user":"joe","reason":"wrong name or password","msg":"not let in"/);
      assert.deepEqual(scene.records, []);
      assert.ok(!(await scene.world.near.ping(FAR, "-W", "1")));
      assert.ok(near.isRunning);
    }));

  it(
    "of a pool are masqueraded as long as they are answered",
    {
      skip: programsMissing(["nft"]),
    },
    () =>
      inScene(async (scene) => {
        scene.users(joe());
        const far = await scene.answer(["masquerade = true", "forward = true"]);
        const rules = (): Promise<string> => scene.world.far.host.must(["nft", "list", "ruleset"]);
        assert.match(await rules(), /elements = \{ 10\.99\.1\.1-10\.99\.1\.3 \}[^]*masquerade/);
        await far.stop();
        assert.doesNotMatch(await rules(), /masquerade/);
      }),
  );

  it("reach nothing before they are let in", () =>
    inScene(async (scene) => {
      scene.users(joe());
      const far = await scene.answer();
      const device = scene.world.near.device(0);
      const send = (octets: string): Promise<unknown> =>
        scene.world.near.host.run(["bash", "-c", `stty raw -echo <${device}; printf '${octets}' >${device}`]);
      // SLIP, and PPP that negotiates nothing: an ICMP echo to the far host's loopback.
      const echo =
        "E\\0\\0\\034\\0\\0\\0\\0@\\001|\\336\\177\\0\\0\\001\\177\\0\\0\\001\\010\\0\\367\\377\\0\\0\\0\\0";
      await send(`\\300${echo}\\300`);
      await send(`~\\377}#\\300!~~\\377}#\\0!${echo}~`);
      await far.until("it has heard PPP", ({ lines }) => lines.some(({ name }) => name === "tty0"), CALL_MS);
      const link = await scene.world.far.link("tty0");
      assert.equal(link?.stats64.rx.packets ?? 0, 0);
      assert.ok(link === undefined || !link.flags.includes("LOWER_UP"));
    }));
});
