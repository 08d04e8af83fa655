import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, describe, it } from "node:test";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { Status } from "../../src/control/messages.ts";
import { EqlError } from "../../src/errors.ts";
import { Pty } from "../../src/host/pty.ts";
import { lockNames } from "../../src/host/uucp-lock.ts";
import { eventually, FAR, masterTable, NEAR, type Side, TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 1_000_000;
/** No user in particular: it may not make interfaces. */
const NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];

/** Two hosts, of which the near one has nothing but what a test starts there. */
class Scene {
  readonly world: World;
  readonly #links: string;
  readonly #started: TestDaemon[] = [];

  private constructor(world: World, links: string) {
    this.world = world;
    this.#links = links;
  }

  static async create(): Promise<Scene> {
    const world = await World.create([SPEED, SPEED]);
    chmodSync(join(world.near.directory, ".."), 0o755);
    return new Scene(world, await world.near.ip("-o", "link"));
  }

  get near(): Side {
    return this.world.near;
  }

  /** Ends what runs. */
  async end(): Promise<void> {
    for (const daemon of this.#started.splice(0)) if (daemon.isRunning) await daemon.stop();
  }

  /** Interfaces are there that were not there before. */
  async hasInterfaces(): Promise<boolean> {
    return (await this.near.ip("-o", "link")) !== this.#links;
  }

  /** No interface, route, lock, socket or pipe. */
  async leftNothing(): Promise<void> {
    const { near } = this;
    assert.equal(await near.ip("-o", "link"), this.#links);
    assert.equal(await near.ip("route"), "");
    assert.deepEqual(readdirSync(near.locks), []);
    assert.deepEqual(
      readdirSync(near.directory).filter((name) => name !== "locks" && name !== "eql.toml"),
      [],
    );
  }

  start(tables: readonly string[], before: readonly string[] = []): TestDaemon {
    const { near } = this;
    return this.adopt(new TestDaemon(near, ["up", "-c", near.configure(...tables)], before));
  }

  /** Ends it with the test. */
  adopt(daemon: TestDaemon): TestDaemon {
    this.#started.push(daemon);
    return daemon;
  }

  get bond(): readonly string[] {
    return [
      masterTable(NEAR, FAR, "default-route = true", 'routes = ["10.42.0.0/16"]'),
      ...[0, 1].map((line) => this.near.lineTable(line, `speed = ${SPEED}`, 'master = "eql"')),
    ];
  }

  /** It says so on standard error in words of one message, exits 1 and leaves nothing. */
  async refused(daemon: TestDaemon, message: RegExp): Promise<void> {
    assert.equal(await daemon.exit(), 1, daemon.said);
    const words = daemon.said.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.match(words[0] ?? "", /^eql: /);
    assert.match(words.join("\n"), message);
    assert.doesNotMatch(daemon.said, /\n {4}at /);
    await this.leftNothing();
  }
}

/** Some at once: a daemon that begins or ends waits for much. */
describe("start and end of a daemon", { skip: worldMissing(), concurrency: 3 }, () => {
  /** Those that no test uses now. */
  const scenes: Scene[] = [];
  after(async () => {
    for (const { world } of scenes) await world.close();
  });

  async function inScene(work: (scene: Scene) => Promise<void>): Promise<void> {
    const scene = scenes.pop() ?? (await Scene.create());
    try {
      await work(scene);
      await scene.end();
      await scene.leftNothing();
    } catch (error) {
      await scene.world.close();
      throw error;
    }
    scenes.push(scene);
  }

  for (const how of ["SIGTERM", "SIGINT", "eql down"] as const) {
    it(`leaves nothing after ${how}`, () =>
      inScene(async (scene) => {
        const { near } = scene;
        const daemon = scene.start(scene.bond);
        await daemon.ready();
        await daemon.untilSlaves(["sl0", "sl1"]);
        assert.deepEqual(await near.routes("eql"), [FAR, "10.42.0.0/16", "default"].toSorted());
        if (how === "eql down") {
          assert.deepEqual(await near.eql("eql", "down"), { code: 0, stdout: "", stderr: "" });
          // When the command returns, everything is gone.
          assert.ok(!(await scene.hasInterfaces()));
          assert.deepEqual(readdirSync(near.locks), []);
        } else daemon.kill(how);
        assert.equal(await daemon.exit(), 0);
        await scene.leftNothing();
      }));
  }

  it("reads its configuration again on SIGHUP, which says what it does not apply", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const daemon = scene.start(scene.bond);
      await daemon.ready();
      near.configure(...scene.bond, "[master.other]");
      daemon.kill("SIGHUP");
      await eventually("the new configuration", () => daemon.said.includes("master.other: added"));
      near.configure("nonsense");
      daemon.kill("SIGHUP");
      await eventually("a complaint", () => daemon.said.includes("nothing is changed"));
      assert.equal(await daemon.stop(), 0);
      await scene.leftNothing();
    }));

  it("leaves nothing when its terminal is closed", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const terminal = Pty.open();
      const child = near.startEql(["up", "-c", near.configure(...scene.bond)], [], terminal.slave);
      const client = new ControlClient(near.socket);
      await eventually("it answers", () => client.request<Status>("GET", "/status"));
      terminal.close();
      await client.request("POST", "/emancipate", { master: "eql", slave: "sl0" }); // which is logged, in vain
      child.kill("SIGHUP"); // as the kernel does to those whose controlling terminal it was
      await eventually("it ends", () => child.exitCode !== null || child.signalCode !== null);
      assert.deepEqual([child.exitCode, child.signalCode], [0, null]);
      await scene.leftNothing();
    }));

  it("can be ended while it starts, while a line is closed and while a capture runs", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const early = scene.start(scene.bond);
      await eventually("it has begun", () => scene.hasInterfaces());
      early.kill("SIGTERM");
      assert.equal(await early.exit(), 0);
      await scene.leftNothing();
      const daemon = scene.start(scene.bond);
      await daemon.ready();
      const capture = near.startEql(["capture", "sl0", "-w", "/dev/null"]);
      await eventually("the capture runs", () =>
        readdirSync(near.directory).some((name) => name.includes(".capture-")),
      );
      await scene.world.lines.hangUp(1);
      await daemon.untilLine("sl1", "is closed", ({ state }) => state === "closed");
      assert.equal(await daemon.stop(), 0);
      await scene.world.lines.restore(1);
      await eventually("the capture ends", () => capture.exitCode === 0);
    }));

  it("ends as well when it is told twice, and once more when all is down", () =>
    inScene(async (scene) => {
      const { near } = scene;
      // The process waits a little for such a one, before it kills it.
      const stubborn = `up-command = "trap '' TERM; echo yes > ${join(near.directory, "runs")}; sleep 1000"`;
      const daemon = scene.start([near.lineTable(0, `speed = ${SPEED}`, stubborn)]);
      await daemon.ready();
      await eventually("the command runs", () => existsSync(join(near.directory, "runs")));
      rmSync(join(near.directory, "runs"));
      daemon.kill("SIGTERM");
      daemon.kill("SIGINT");
      await eventually("all is down", () => !existsSync(`${near.socket}.lock`));
      assert.ok(!(await scene.hasInterfaces()));
      daemon.kill("SIGTERM");
      assert.equal(await daemon.exit(), 0, daemon.said);
    }));

  it("takes down what is being added when it ends, and adds nothing more", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const daemon = scene.start(["[dial.other]", 'connect = "sleep 1000"']);
      await daemon.ready();
      // Two things that no program has any more keep the engine waiting: a lock, and its directory.
      const [lock = ""] = lockNames(near.device(0));
      writeFileSync(join(near.locks, `LCK..${lock}`), "   4194303\n");
      const holder = near.host.spawn(["flock", near.locks, "sh", "-c", "echo held; exec sleep 1"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(holder.stdout as Readable, "data");
      const add = (name: string, line: number, more: object): Promise<object | Error> => {
        const settings = { device: near.device(line), speed: SPEED, ...more };
        const body = { name, settings };
        return daemon.client.request<object>("POST", "/lines", body).catch((error: Error) => error);
      };
      const dialing = { protocol: "ppp", dial: "other" };
      const added = [add("sl0", 0, {}), add("ppp1", 1, dialing)];
      // By then it knows what it was asked before.
      await assert.rejects(daemon.client.request("POST", "/lines", {}), { code: "REQUEST_INVALID" });
      daemon.kill("SIGTERM");
      const tellsEnd = (said: object | Error): boolean =>
        said instanceof EqlError && /^DAEMON_(ENDING|NOT_RUNNING)$/.test(said.code);
      await eventually("it ends", () =>
        daemon.client.request<object>("POST", "/reload").then(() => false, tellsEnd),
      );
      const late = await add("ppp2", 1, dialing);
      assert.ok(tellsEnd(late), JSON.stringify(late));
      assert.equal(await daemon.exit(), 0, daemon.said);
      await Promise.all(added);
    }));

  it("starts again at once after a kill -9", () =>
    inScene(async (scene) => {
      const { near } = scene;
      for (let round = 0; round < 2; round++) {
        const killed = scene.start(scene.bond);
        await killed.ready();
        await killed.untilSlaves(["sl0", "sl1"]);
        killed.kill("SIGKILL");
        await killed.exit();
        assert.notDeepEqual(readdirSync(near.locks), []);
      }
      const daemon = scene.start(scene.bond);
      await daemon.ready();
      await daemon.untilSlaves(["sl0", "sl1"]);
      assert.equal(await daemon.stop(), 0);
    }));

  it("is one for each socket", () =>
    inScene(async (scene) => {
      const first = scene.start(scene.bond);
      await first.ready();
      const second = scene.start(scene.bond);
      assert.equal(await second.exit(), 1);
      assert.match(second.said, new RegExp(`^eql: an EQL daemon \\(process ${first.pid}\\) runs at`));
      assert.deepEqual((await first.untilSlaves(["sl0", "sl1"])).slaves.length, 2);
    }));

  it("says what is wrong with a device, and takes back what it had set up", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const first = near.lineTable(0, `speed = ${SPEED}`, 'master = "eql"');
      const line = (device: string, ...more: readonly string[]): readonly string[] => [
        masterTable(NEAR, FAR),
        first,
        [`[line.sl1]`, `device = "${device}"`, ...more].join("\n"),
      ];
      await scene.refused(
        scene.start(line(join(near.directory, "no-such"))),
        /no-such does not exist: is the adapter plugged in/,
      );
      await scene.refused(scene.start(line("/dev/null")), /\/dev\/null is not a terminal line/);
      await scene.refused(scene.start(line(near.directory)), /is not a serial device/);
      await scene.refused(scene.start(line("/etc/hostname")), /is not a serial device/);
      await scene.refused(
        scene.start(line(near.device(1), "mtu = 500", 'master = "eql"')),
        /MTU settings do not match/,
      );
      await scene.refused(
        scene.start([masterTable(NEAR, FAR), '[line.x]\ninterface = "no7"\nrate = 9600']),
        /no interface no7/,
      );
    }));

  it("says what is wrong with the configuration", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const missing = new TestDaemon(near, ["up", "-c", join(near.directory, "none.toml")]);
      await scene.refused(missing, /cannot read the configuration .*none\.toml: there is no such file/);
      await scene.refused(scene.start(["[master.eql]\nmtuu = 5"]), /eql\.toml: .*mtuu/);
      await scene.refused(scene.start(["[master.eql"]), /eql\.toml:\d+:\d+: not TOML/);
    }));

  it("says that a name is taken", () =>
    inScene(async (scene) => {
      const { near } = scene;
      await near.ip("tuntap", "add", "mode", "tun", "name", "sl1");
      try {
        const daemon = scene.start(scene.bond);
        assert.equal(await daemon.exit(), 1);
        assert.match(daemon.said, /eql: There is an interface sl1 already/);
      } finally {
        await near.ip("tuntap", "del", "mode", "tun", "name", "sl1");
      }
      const daemon = scene.start([masterTable(NEAR, FAR)]);
      await daemon.ready();
      for (const name of ["eql", "lo"]) {
        const { code, stderr } = await near.eql("eql", "line", "add", name, "--device", near.device(0));
        assert.equal(code, 1);
        assert.match(stderr, name === "eql" ? /taken by|master eql already/ : /interface lo already/);
      }
      assert.deepEqual((await daemon.status()).lines, []);
      assert.deepEqual(readdirSync(near.locks), []);
    }));

  it("says that the directory of the locks is missing", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const config = join(near.directory, "eql.toml");
      writeFileSync(
        config,
        `daemon = { socket = "${near.socket}", lock-directory = "/no/locks" }\n${near.lineTable(0)}`,
      );
      const daemon = new TestDaemon(near, ["up", "-c", config]);
      await scene.refused(daemon, /lock directory \/no\/locks does not exist/);
    }));

  it("says that /dev/net/tun is missing, or may not be used", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];
      await scene.refused(
        scene.start([masterTable(NEAR, FAR)], hidden),
        /\/dev\/net\/tun is missing: load the driver/,
      );
      const locked = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200 && exec "$@"',
        "sh",
      ];
      const own = join(near.directory, "run");
      mkdirSync(own);
      chmodSync(own, 0o777);
      const socket = join(own, "eql.sock");
      const config = near.configure(masterTable(NEAR, FAR));
      chmodSync(config, 0o644);
      for (const [before, message] of [
        [[...locked, ...NOBODY], /\/dev\/net\/tun cannot be opened: EACCES.*run as root/],
        [
          [
            "unshare",
            "--mount",
            "sh",
            "-c",
            'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec "$@"',
            "sh",
            ...NOBODY,
          ],
          /interface eql cannot be made: EPERM.*run as root/,
        ],
      ] as const) {
        const daemon = new TestDaemon(near, ["up", "-c", config, "--socket", socket], before, socket);
        assert.equal(await daemon.exit(), 1, daemon.said);
        assert.match(daemon.said, message);
        assert.deepEqual(readdirSync(own), []);
      }
      const noSocket = new TestDaemon(near, ["up", "-c", config], NOBODY);
      assert.equal(await noSocket.exit(), 1);
      assert.match(noSocket.said, /^eql: cannot open the lock of the control socket: EACCES.*run as root/);
      await near.host.must(["rmdir", own]);
    }));

  it("answers nonsense on its socket, and carries on", () =>
    inScene(async (scene) => {
      const { near } = scene;
      const [daemon, far] = await scene.world.upBoth((side, address, peer) => [
        masterTable(address, peer),
        ...[0, 1].map((line) => side.lineTable(line, `speed = ${SPEED}`, 'master = "eql"')),
      ]);
      for (const each of [daemon, far]) scene.adopt(each);
      await Promise.all([daemon, far].map((each) => each.untilSlaves(["sl0", "sl1"])));
      const transfer = scene.world.transfer(200_000);
      const say = (octets: string | Uint8Array): Promise<string> =>
        new Promise((resolve, reject) => {
          let answer = "";
          const socket = connect(near.socket, () => socket.write(octets));
          socket.on("data", (part: Buffer) => {
            answer += part.toString("latin1");
          });
          socket.on("close", () => resolve(answer)).on("error", reject);
        });
      const post = (path: string, body: string, method = "POST"): Promise<string> =>
        say(
          `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      for (const [answer, code] of [
        [await say(Uint8Array.from({ length: 3000 }, (_, at) => (at * 7) & 0xff)), 400],
        [await post("/enslave", "{"), 400],
        [await post("/enslave", '{"master":"eql","slave":"sl0","bps":"many"}'), 400],
        [await post("/enslave", '{"master":"eql","slave":"sl0","bps":1e99}'), 400],
        [await post("/enslave", '{"master":"__proto__","slave":"constructor","bps":9600}'), 404],
        [await post("/lines", '{"name":"x","settings":{"device":"/dev/ttyS0","__proto__":{"a":1}}}'), 400],
        [await post("/lines", '{"name":"../x","settings":{}}'), 400],
        [await post("/masters/eql", '{"scheduler":"best"}', "PATCH"), 400],
        [await post("/masters/eql", '{"maxSlaves":0}', "PATCH"), 400],
        [await post("/lines/%00", "", "DELETE"), 400],
        [await post("/nothing", "{}"), 404],
        [await post("/capture", '{"link":"eql"}'), 404],
      ] as const) {
        assert.match(answer, new RegExp(`^HTTP/1.1 ${code} `), answer);
        assert.match(answer, /"code":"[A-Z_]+","message":".+"/);
      }
      const open = connect(near.socket);
      await eventually("a connection that says nothing", () => !open.connecting);
      await transfer;
      assert.deepEqual((await daemon.master()).slaves, ["sl0", "sl1"]);
      assert.equal(await daemon.stop(), 0);
      open.destroy();
      assert.doesNotMatch(daemon.said, /"level":[56]0/);
    }));

  it("removes an old socket, and nothing else", () =>
    inScene(async (scene) => {
      const { near } = scene;
      writeFileSync(near.socket, "a file of somebody");
      const daemon = scene.start([masterTable(NEAR, FAR)]);
      assert.equal(await daemon.exit(), 1);
      assert.match(daemon.said, /is there already and is no socket/);
      assert.ok(existsSync(near.socket));
      await near.host.must(["rm", near.socket]);
    }));
});
