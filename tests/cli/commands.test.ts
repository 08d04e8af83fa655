import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { formatLines, formatMasters, formatStatus } from "../../src/cli/format-status.ts";
import { EqlError } from "../../src/errors.ts";
import { AT, line, master, status } from "../daemon/fake-daemon.ts";
import { Bench } from "./run.ts";
import { openTerminal } from "./terminal.ts";

let bench: Bench;

beforeEach(async () => {
  bench = new Bench();
  await bench.serve();
});

afterEach(() => bench[Symbol.asyncDispose]());

const silent = { code: 0, stdout: "", stderr: "" };

describe("commands that change something", () => {
  const settings = (found: Record<string, unknown>): unknown[] => [
    "addLine",
    { name: "sl0", settings: found },
  ];
  const cases: readonly [string, unknown[], string][] = [
    ["enslave eql sl0 28800", ["enslave", { master: "eql", slave: "sl0", bps: 28800 }], ""],
    ["emancipate eql sl0", ["emancipate", { master: "eql", slave: "sl0" }], ""],
    ["line remove sl0", ["removeLine", "sl0"], ""],
    ["down", ["down"], ""],
    [
      "master eql --max 8 --min 2 --scheduler weighted",
      ["changeMaster", "eql", { maxSlaves: 8, minSlaves: 2, scheduler: "weighted" }],
      formatMasters([master()]),
    ],
    ["master eql --max 8", ["changeMaster", "eql", { maxSlaves: 8 }], formatMasters([master()])],
    ["line add sl0 --device /dev/ttyS0", settings({ device: "/dev/ttyS0" }), ""],
    [
      "line add sl0 --device /dev/ttyS0 --speed 57600 --rate 28800 --rtscts --no-lock --mtu 576 --master eql",
      settings({
        device: "/dev/ttyS0",
        speed: 57600,
        rate: 28800,
        rtscts: true,
        lock: false,
        mtu: 576,
        master: "eql",
      }),
      "",
    ],
    [
      "line add ppp0 --device /dev/ttyS1 --protocol ppp --dial isp --number 5551000 5551001 --up-command true",
      [
        "addLine",
        {
          name: "ppp0",
          settings: {
            device: "/dev/ttyS1",
            protocol: "ppp",
            dial: "isp",
            numbers: ["5551000", "5551001"],
            "up-command": "true",
          },
        },
      ],
      "",
    ],
    [
      "line add lte --protocol udp --device wwan0 --master eql --server vpn.example.org:7411 --local-address 10.0.0.1 --tier backup --send-limit 5000 --receive-limit 6000",
      [
        "addLine",
        {
          name: "lte",
          settings: {
            protocol: "udp",
            device: "wwan0",
            master: "eql",
            server: ["vpn.example.org:7411"],
            "local-address": "10.0.0.1",
            tier: "backup",
            "send-limit": 5000,
            "receive-limit": 6000,
          },
        },
      ],
      "",
    ],
    [
      "line add sl0 --interface ppp0 --address 10.0.0.1 --peer 10.0.0.2 --route 10.1.0.0/16 fd00::/8 --default-route",
      settings({
        interface: "ppp0",
        address: "10.0.0.1",
        peer: "10.0.0.2",
        routes: ["10.1.0.0/16", "fd00::/8"],
        "default-route": true,
      }),
      "",
    ],
    [
      "line add sl0 --device /dev/ttyS0 --echo-interval 2.5 --echo-failures 4",
      settings({ device: "/dev/ttyS0", "echo-interval": 2.5, "echo-failures": 4 }),
      "",
    ],
  ];
  for (const [command, call, stdout] of cases) {
    it(`eql ${command}`, async () => {
      assert.deepEqual(await bench.run("eql", ...command.split(" ")), { code: 0, stdout, stderr: "" });
      assert.deepEqual(bench.daemon.calls, [call]);
    });
  }

  it("eql slave eql sl0 --bps 33600 changes, then shows", async () => {
    const outcome = await bench.run("eql", "slave", "eql", "sl0", "--bps", "33600");
    assert.deepEqual(outcome, { code: 0, stdout: formatLines([line()], AT), stderr: "" });
    assert.deepEqual(bench.daemon.calls, [["changeSlave", "eql", "sl0", { bps: 33600 }], ["status"]]);
  });

  it("say what the daemon refuses, and exit 1", async () => {
    bench.daemon.before = () => {
      throw new EqlError("MTU_MISMATCH", "master (1500) and slave (576) MTU settings do not match");
    };
    const outcome = await bench.run("eql", "enslave", "eql", "sl0", "28800");
    const stderr = "eql: master (1500) and slave (576) MTU settings do not match\n";
    assert.deepEqual(outcome, { code: 1, stdout: "", stderr });
  });

  it("reach the daemon that --socket names", async () => {
    await using other = new Bench();
    await other.serve();
    assert.deepEqual(await bench.run("eql", "down", "--socket", other.socket), silent);
    assert.deepEqual([bench.daemon.calls, other.daemon.calls], [[], [["down"]]]);
  });
});

describe("commands that show something", () => {
  it("eql status", async () => {
    assert.deepEqual(await bench.run("eql", "status"), {
      code: 0,
      stdout: formatStatus(status()),
      stderr: "",
    });
  });

  it("eql status --json", async () => {
    const { code, stdout } = await bench.run("eql", "status", "--json");
    assert.deepEqual([code, JSON.parse(stdout)], [0, status()]);
  });

  it("eql master eql, eql slave eql sl0", async () => {
    assert.equal((await bench.run("eql", "master", "eql")).stdout, formatMasters([master()]));
    assert.equal((await bench.run("eql", "slave", "eql", "sl0")).stdout, formatLines([line()], AT));
    assert.deepEqual(bench.daemon.calls, [["status"], ["status"]]);
  });

  it("say so when there is no such master or slave", async () => {
    const noMaster = await bench.run("eql", "master", "eql9");
    assert.deepEqual([noMaster.code, noMaster.stdout], [1, ""]);
    assert.match(noMaster.stderr, /^eql: there is no master eql9: .*\n$/);
    const noSlave = await bench.run("eql", "slave", "eql9", "sl0");
    assert.equal(noSlave.code, 1);
    assert.match(noSlave.stderr, /^eql: sl0 is no slave of eql9: .*\n$/);
  });

  it("eql status --watch prints one picture after the other into a pipe, and ends with SIGINT", async () => {
    const running = bench.start("eql", ["status", "--watch"]);
    await running.untilOutput(/(^eql 0.1.0[^]*){2}/m);
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.outcome();
    assert.deepEqual([code, stderr], [0, ""]);
    const picture = formatStatus(status());
    assert.equal(stdout.replaceAll(picture, ""), "");
  });

  it("eql status --watch --json prints one object a line", async () => {
    const running = bench.start("eql", ["status", "--watch", "--json"]);
    await running.untilOutput(/\n.*\n/);
    running.child.kill("SIGTERM");
    const { code, stdout } = await running.outcome();
    assert.equal(code, 0);
    for (const text of stdout.trimEnd().split("\n")) assert.deepEqual(JSON.parse(text), status());
  });

  it("eql status --watch ends when its reader does", async () => {
    const running = bench.start("eql", ["status", "--watch"]);
    await running.untilOutput(/eql 0.1.0/);
    running.child.stdout?.destroy();
    assert.deepEqual((await running.outcome()).code, 0);
  });

  it("eql status --watch ends when the daemon does", async () => {
    const running = bench.start("eql", ["status", "--watch"]);
    await running.untilOutput(/eql 0.1.0/);
    await bench.stopServing();
    const { code, stderr } = await running.outcome();
    assert.equal(code, 1);
    assert.match(stderr, /^eql: no EQL daemon answers/);
  });

  it("eql status --watch draws in place on a terminal, and leaves it whole", async () => {
    await using terminal = openTerminal();
    const running = bench.start("eql", ["status", "--watch"], terminal.fd);
    await terminal.untilOutput(/process 4242[^]*process 4242/);
    running.child.kill("SIGINT");
    assert.deepEqual((await running.outcome()).code, 0);
    await terminal.untilOutput(/\n$/);
    assert.ok(
      terminal.output.startsWith("\x1b[2J\x1b[Heql 0.1.0"),
      JSON.stringify(terminal.output.slice(0, 40)),
    );
  });
});

describe("eql check-config", () => {
  const check = (text: string): ReturnType<Bench["run"]> => {
    writeFileSync(join(bench.directory, "eql.toml"), text);
    return bench.run("eql", "check-config", "eql.toml");
  };

  it("says ok", async () => {
    assert.deepEqual(await check("[master.eql]\nmtu = 1500\n"), {
      code: 0,
      stdout: "eql.toml: ok\n",
      stderr: "",
    });
  });

  it("says what is wrong, and exits 1", async () => {
    const { code, stdout, stderr } = await check("[master.eql]\nmtu = 15\n");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^eql: .*eql\.toml: .*mtu.*15/);
  });

  it("says when there is no such file", async () => {
    const { code, stderr } = await bench.run("eql", "check-config", "nothing.toml");
    assert.equal(code, 1);
    assert.match(stderr, /^eql: .*nothing\.toml/);
  });
});

describe("a daemon that cannot be reached", () => {
  it("is not there", async () => {
    await bench.stopServing();
    for (const program of [["eql", "enslave"], ["eql_enslave"]] as const) {
      const [name, ...before] = program;
      const { code, stdout, stderr } = await bench.run(name, ...before, "eql", "sl0", "1");
      assert.deepEqual([code, stdout], [1, ""]);
      const cure = "start one with `eql up`, or name its socket with --socket or EQL_SOCKET";
      assert.equal(stderr, `${name}: no EQL daemon answers at ${bench.socket}: ${cure}\n`);
    }
  });

  it("is not there: a plain file, a socket that nobody answers, no directory", async () => {
    writeFileSync(join(bench.directory, "file"), "");
    for (const socket of [
      join(bench.directory, "file"),
      join(bench.directory, "a", "b"),
      join(bench.directory, "file", "b"),
    ]) {
      const { code, stderr } = await bench.run("eql", "status", "--socket", socket);
      assert.equal(code, 1);
      assert.match(stderr, /^eql: no EQL daemon answers at .*\n$/);
    }
  });

  it("is something else", async () => {
    const path = join(bench.directory, "other.sock");
    const replies = [
      "hello\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
      "HTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\n{}",
    ];
    for (const reply of replies) {
      const server = createServer((socket) => void socket.on("error", () => {}).end(reply)).listen(path);
      const { code, stderr } = await bench.run("eql", "status", "--socket", path);
      server.close();
      assert.deepEqual(
        [code, stderr],
        [1, `eql: what answers at ${path} is not an EQL daemon: name its socket with --socket\n`],
      );
    }
  });

  it("ends before it answers", async () => {
    const path = join(bench.directory, "other.sock");
    const server = createServer((socket) => void socket.once("data", () => socket.destroy())).listen(path);
    const { code, stderr } = await bench.run("eql", "status", "--socket", path);
    server.close();
    assert.equal(code, 1);
    assert.match(stderr, /^eql: the EQL daemon at .* ended before it answered: .*\n$/);
  });
});

describe("wrong usage of eql", () => {
  const cases: readonly [string, RegExp][] = [
    ["", /^Usage: eql COMMAND/],
    ["enslav eql sl0 1", /^eql: unknown command 'enslav'\n\(Did you mean enslave\?\)/],
    ["enslave eql sl0", /^eql: missing required argument 'BPS'\ntry `eql enslave --help`\n$/],
    ["enslave eql sl0 fast", /BPS is "fast"; allowed: a whole number from 1 to 10000000000/],
    ["enslave eql sl0 0", /BPS is "0"; allowed/],
    ["enslave eql sl0 1e5", /BPS is "1e5"; allowed/],
    ["enslave eql sl0 28800.5", /BPS is "28800.5"; allowed/],
    ["enslave eql sl0 10000000001", /BPS is "10000000001"; allowed/],
    ["enslave eql sl0 1 2", /too many arguments/],
    ["status --jsn", /unknown option '--jsn'\n\(Did you mean --json\?\)/],
    ["master eql --max 256", /--max is "256"; allowed: a whole number from 1 to 255/],
    ["master eql --scheduler best", /Allowed choices are earliest-arrival, eql-1995/],
    ["slave eql sl0 --bps -1", /--bps is "-1"; allowed/],
    ["line", /^Usage: eql line/],
    ["line add", /missing required argument 'NAME'\ntry `eql line add --help`/],
    ["line add sl0 --mtu 20", /--mtu is "20"; allowed: a whole number from 68 to 16384/],
    ["line add sl0 --echo-interval soon", /--echo-interval is "soon"; allowed: a number from 0.1 to 3600/],
    ["capture", /missing required argument 'LINK'/],
    ["up --log-level loud", /Allowed choices are trace, debug/],
    ["check-config", /missing required argument 'FILE'/],
  ];
  for (const [args, message] of cases) {
    it(`eql ${args}`, async () => {
      const { code, stdout, stderr } = await bench.run("eql", ...args.split(" ").filter((arg) => arg !== ""));
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, message);
      assert.deepEqual(bench.daemon.calls, []);
    });
  }

  it("is not to ask for help or the version", async () => {
    const { code, stdout, stderr } = await bench.run("eql", "--help");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /Examples:[^]*Exit codes:/);
    assert.match((await bench.run("eql", "help", "status")).stdout, /^Usage: eql status/);
    assert.match((await bench.run("eql", "--version")).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe("the executables of 1995", () => {
  it("eql_enslave says nothing and exits 0", async () => {
    assert.deepEqual(await bench.run("eql_enslave", "eql", "sl0", "28800"), silent);
    assert.deepEqual(bench.daemon.calls, [["enslave", { master: "eql", slave: "sl0", bps: 28800 }]]);
  });

  it("eql_emancipate says nothing and exits 0", async () => {
    assert.deepEqual(await bench.run("eql_emancipate", "eql", "sl0"), silent);
    assert.deepEqual(bench.daemon.calls, [["emancipate", { master: "eql", slave: "sl0" }]]);
  });

  it("say one thing on standard error and exit 1 when the daemon refuses", async () => {
    const message = "master (1500) and slave (576) MTU settings do not match";
    bench.daemon.before = () => {
      throw new EqlError("MTU_MISMATCH", message);
    };
    for (const [program, args] of [
      ["eql_enslave", ["eql", "sl0", "1"]],
      ["eql_emancipate", ["eql", "sl0"]],
    ] as const) {
      const outcome = await bench.run(program, ...args);
      assert.deepEqual(outcome, { code: 1, stdout: "", stderr: `${program}: ${message}\n` });
    }
  });

  const wrong: readonly [string, string[], RegExp][] = [
    ["eql_enslave", [], /^eql_enslave: usage: eql_enslave MASTER SLAVE BPS.*\n$/],
    ["eql_enslave", ["eql", "sl0"], /usage/],
    ["eql_enslave", ["eql", "sl0", "1", "2"], /usage/],
    ["eql_enslave", ["eql", "sl0", "fast"], /BPS is "fast"; allowed: a whole number from 1 to 10000000000/],
    ["eql_enslave", ["eql", "sl0", ""], /BPS is ""; allowed/],
    ["eql_enslave", ["eql", "sl0", "0"], /BPS is "0"; allowed/],
    ["eql_enslave", ["eql", "sl 0", "1"], /slave is "sl 0"; allowed: a name/],
    ["eql_enslave", ["--help"], /usage/],
    ["eql_emancipate", ["eql"], /^eql_emancipate: usage: eql_emancipate MASTER SLAVE.*\n$/],
    ["eql_emancipate", ["eql", "sl0", "x"], /usage/],
  ];
  for (const [program, args, message] of wrong) {
    it(`${program} ${args.join(" ")} is wrong usage: 1`, async () => {
      const { code, stdout, stderr } = await bench.run(program, ...args);
      assert.deepEqual([code, stdout, stderr.split("\n").length], [1, "", 2]);
      assert.match(stderr, message);
      assert.deepEqual(bench.daemon.calls, []);
    });
  }
});
