import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { type EventEmitter, once } from "node:events";
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import * as fc from "fast-check";
import {
  type ControlServer,
  type ControlServerOptions,
  startControlServer,
} from "../../src/daemon/control-server.ts";
import { EqlError } from "../../src/errors.ts";
import { FakeDaemon, FakeLog, line, master, status, tunnel } from "./fake-daemon.ts";

const DEADLINE_MS = 60_000;

let directory: string;
let path: string;
let daemon: FakeDaemon;
let log: FakeLog;
let servers: ControlServer[];
let children: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-control-"));
  path = join(directory, "eql.sock");
  daemon = new FakeDaemon();
  log = new FakeLog();
  servers = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  for (const server of servers) await server.close();
  rmSync(directory, { recursive: true });
});

async function start(change: Partial<ControlServerOptions> = {}): Promise<ControlServer> {
  const server = await startControlServer(daemon, { path, mode: 0o600, group: null, log, ...change });
  servers.push(server);
  return server;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  json(): { code?: string; message?: string; [key: string]: unknown };
}

async function read(answer: IncomingMessage): Promise<Answer> {
  answer.setEncoding("utf8");
  let text = "";
  for await (const chunk of answer as AsyncIterable<string>) text += chunk;
  return { status: answer.statusCode ?? 0, text, json: () => JSON.parse(text) };
}

/** One request, as raw as it has to be: `body` is sent as it is. */
async function ask(method: string, url: string, body?: string, type = "application/json"): Promise<Answer> {
  const headers = body === undefined ? {} : { "content-type": type };
  const sent = request({ socketPath: path, agent: false, method, path: url, headers });
  // A server that refuses a large body may close before all of it is sent.
  sent.on("error", () => {});
  sent.end(body);
  const [answer] = (await once(sent, "response", { signal: AbortSignal.timeout(DEADLINE_MS) })) as [
    IncomingMessage,
  ];
  return read(answer);
}

const askJson = (method: string, url: string, body: unknown): Promise<Answer> =>
  ask(method, url, JSON.stringify(body));

/** When a connection closes, whatever went wrong with it before. */
const closing = (connection: EventEmitter): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("not closed in time")), DEADLINE_MS);
    connection.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });

/** Waits until something is so. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!isSo()) {
    if (Date.now() > deadline) assert.fail(`not in time: ${what}`);
    await new Promise(setImmediate);
  }
}

describe("requests", () => {
  const requests: readonly [string, string, unknown, unknown[], unknown][] = [
    ["GET", "/status", undefined, ["status"], status()],
    [
      "POST",
      "/enslave",
      { master: "eql", slave: "sl0", bps: 28800 },
      ["enslave", { master: "eql", slave: "sl0", bps: 28800 }],
      {},
    ],
    [
      "POST",
      "/emancipate",
      { master: "eql", slave: "sl0" },
      ["emancipate", { master: "eql", slave: "sl0" }],
      {},
    ],
    ["PATCH", "/masters/eql", { maxSlaves: 8 }, ["changeMaster", "eql", { maxSlaves: 8 }], master()],
    [
      "PATCH",
      "/masters/eql",
      { minSlaves: 2, scheduler: "weighted" },
      ["changeMaster", "eql", { minSlaves: 2, scheduler: "weighted" }],
      master(),
    ],
    ["PATCH", "/masters/eql/slaves/sl0", { bps: 1e10 }, ["changeSlave", "eql", "sl0", { bps: 1e10 }], line()],
    ["PATCH", "/tunnels/wan", { redundant: true }, ["changeTunnel", "wan", { redundant: true }], tunnel()],
    [
      "PATCH",
      "/tunnels/wan",
      { redundant: ["sparse", 46] },
      ["changeTunnel", "wan", { redundant: ["sparse", 46] }],
      tunnel(),
    ],
    [
      "PATCH",
      "/tunnels/wan/paths/lte",
      { tier: "overflow", sendBps: null, receiveBps: 1000 },
      ["changePath", "wan", "lte", { tier: "overflow", sendBps: null, receiveBps: 1000 }],
      tunnel(),
    ],
    [
      "POST",
      "/lines",
      { name: "sl0", settings: { device: "/dev/ttyS0", "default-route": true } },
      ["addLine", { name: "sl0", settings: { device: "/dev/ttyS0", "default-route": true } }],
      line(),
    ],
    ["DELETE", "/lines/sl0", undefined, ["removeLine", "sl0"], {}],
    ["DELETE", "/lines/sl%40x", undefined, ["removeLine", "sl@x"], {}],
    ["POST", "/down", undefined, ["down"], {}],
    ["POST", "/down", {}, ["down"], {}],
  ];
  for (const [method, url, body, call, expected] of requests) {
    it(`${method} ${url} ${JSON.stringify(body) ?? ""}`, async () => {
      await start();
      const answer = body === undefined ? await ask(method, url) : await askJson(method, url, body);
      assert.deepEqual([answer.status, answer.json()], [200, expected]);
      assert.deepEqual(daemon.calls, [call]);
    });
  }

  it("answers /down only when everything is down", async () => {
    await start();
    let finish = (): void => {};
    let answered = false;
    daemon.before = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const answer = ask("POST", "/down").then((it) => {
      answered = true;
      return it;
    });
    await until("the daemon is asked", () => daemon.calls.length === 1);
    // A whole other request goes by meanwhile.
    assert.equal((await ask("GET", "/nothing")).status, 404);
    assert.equal(answered, false);
    finish();
    assert.equal((await answer).status, 200);
  });

  it("passes on the daemon's refusals with code and message", async () => {
    await start();
    const cases = [
      ["SLAVE_UNKNOWN", 404],
      ["REQUEST_INVALID", 400],
      ["SLAVES_FULL", 409],
      ["DEVICE_BUSY", 409],
    ] as const;
    for (const [code, expected] of cases) {
      daemon.before = () => {
        throw new EqlError(code, `no: ${code}`);
      };
      const answer = await askJson("POST", "/emancipate", { master: "eql", slave: "sl0" });
      assert.deepEqual([answer.status, answer.json()], [expected, { code, message: `no: ${code}` }]);
    }
  });

  it("answers a bug with 500, tells the log, and keeps the stack to itself", async () => {
    await start();
    const bug = new TypeError("secret is not a function");
    daemon.before = () => {
      throw bug;
    };
    const answer = await ask("GET", "/status");
    assert.equal(answer.status, 500);
    assert.equal(answer.json().code, "DAEMON_FAILED");
    assert.doesNotMatch(answer.text, /secret|\.ts|\.js/);
    assert.deepEqual(
      log.lines.map(({ level, fields }) => [level, (fields as { err?: unknown }).err]),
      [["error", bug]],
    );
  });
});

describe("bad requests", () => {
  const good = { master: "eql", slave: "sl0", bps: 28800 };
  const bad: readonly [string, string, string, string | undefined, RegExp][] = [
    ["not JSON", "POST", "/enslave", "{master: eql}", /not JSON; allowed: one JSON object/],
    ["half of JSON", "POST", "/enslave", '{"master": "eql"', /not JSON/],
    ["an empty body", "POST", "/enslave", "", /body is (empty|null); allowed/],
    [
      "no body",
      "POST",
      "/enslave",
      undefined,
      /body is null; allowed: a JSON object with the keys master, slave, bps/,
    ],
    ["an array", "POST", "/enslave", "[]", /the body is \[\]; allowed: a JSON object/],
    [
      "a missing key",
      "POST",
      "/enslave",
      '{"master":"eql","slave":"sl0"}',
      /the body lacks "bps"; allowed: .*bps/,
    ],
    [
      "an unknown key",
      "POST",
      "/enslave",
      JSON.stringify({ ...good, speed: 1 }),
      /unknown key "speed"; allowed: .*master, slave, bps/,
    ],
    ["__proto__", "POST", "/enslave", '{"__proto__":{},"master":"eql","slave":"sl0","bps":1}', /./],
    [
      "a number as text",
      "POST",
      "/enslave",
      JSON.stringify({ ...good, bps: "28800" }),
      /bps is "28800"; allowed: a whole number from 1 to 10000000000/,
    ],
    [
      "zero",
      "POST",
      "/enslave",
      JSON.stringify({ ...good, bps: 0 }),
      /bps is 0; allowed: a whole number from 1/,
    ],
    ["a negative", "POST", "/enslave", JSON.stringify({ ...good, bps: -1 }), /bps is -1; allowed/],
    ["a fraction", "POST", "/enslave", JSON.stringify({ ...good, bps: 1.5 }), /bps is 1.5; allowed/],
    [
      "too much",
      "POST",
      "/enslave",
      JSON.stringify({ ...good, bps: 10_000_000_001 }),
      /10000000001; allowed/,
    ],
    ["infinity", "POST", "/enslave", '{"master":"eql","slave":"sl0","bps":1e999}', /bps is .*; allowed/],
    [
      "null",
      "POST",
      "/enslave",
      JSON.stringify({ ...good, master: null }),
      /master is null; allowed: a name/,
    ],
    [
      "an empty name",
      "POST",
      "/enslave",
      JSON.stringify({ ...good, slave: "" }),
      /slave is ""; allowed: a name of 1 to 15/,
    ],
    [
      "a long name",
      "POST",
      "/emancipate",
      '{"master":"eql","slave":"a234567890123456"}',
      /slave is .*; allowed/,
    ],
    ["a slash", "POST", "/emancipate", '{"master":"eql","slave":"../x"}', /slave is "..\/x"; allowed/],
    ["a space", "POST", "/emancipate", '{"master":"eql","slave":"sl 0"}', /slave is "sl 0"; allowed/],
    ["dots", "POST", "/emancipate", '{"master":"..","slave":"sl0"}', /master is ".."; allowed/],
    ["a newline", "POST", "/emancipate", '{"master":"eql","slave":"sl0\\n"}', /slave is "sl0\\n"; allowed/],
    [
      "an empty change",
      "PATCH",
      "/masters/eql",
      "{}",
      /at least one of the keys maxSlaves, minSlaves, scheduler/,
    ],
    [
      "an unknown scheduler",
      "PATCH",
      "/masters/eql",
      '{"scheduler":"best"}',
      /scheduler is "best"; allowed: .*weighted/,
    ],
    ["no slaves at all", "PATCH", "/masters/eql", '{"maxSlaves":0}', /maxSlaves is 0; allowed: .* 1 to 255/],
    [
      "a bad master in the path",
      "PATCH",
      "/masters/a%2Fb",
      '{"maxSlaves":1}',
      /master is "a\/b"; allowed: a name/,
    ],
    [
      "a bad slave in the path",
      "PATCH",
      "/masters/eql/slaves/%20",
      '{"bps":1}',
      /slave is " "; allowed: a name/,
    ],
    ["a broken escape in the path", "DELETE", "/lines/%zz", undefined, /%zz/],
    ["a path without end", "DELETE", `/lines/${"x".repeat(4000)}`, undefined, /./],
    [
      "settings that are none",
      "POST",
      "/lines",
      '{"name":"sl0","settings":[]}',
      /settings is \[\]; allowed: an object/,
    ],
    ["a body for /down", "POST", "/down", '{"force":true}', /the body .*; allowed: no body, or \{\}/],
    ["a capture of nothing", "POST", "/capture", "{}", /lacks "link"; allowed/],
    ["an unknown request", "GET", "/", undefined, /no request GET \/; allowed: GET \/status, POST \/enslave/],
    ["a wrong method", "GET", "/enslave", undefined, /no request GET \/enslave; allowed/],
    [
      "another wrong method",
      "PUT",
      "/masters/eql",
      '{"maxSlaves":1}',
      /no request PUT \/masters\/eql; allowed/,
    ],
    [
      "a body that is too large",
      "POST",
      "/lines",
      JSON.stringify({ name: "x".repeat(70_000) }),
      /at most 65536 octets/,
    ],
  ];
  for (const [what, method, url, body, message] of bad) {
    it(`refuses ${what}`, async () => {
      await start();
      const answer = await ask(method, url, body);
      const reply = answer.json();
      assert.ok(answer.status >= 400 && answer.status < 500, `status ${answer.status}`);
      assert.deepEqual([Object.keys(reply).toSorted(), reply.code], [["code", "message"], "REQUEST_INVALID"]);
      assert.match(reply.message ?? "", message);
      assert.deepEqual(daemon.calls, []);
      assert.equal((await ask("GET", "/status")).status, 200, "still serves");
    });
  }

  it("refuses a body that is not declared as JSON", async () => {
    await start();
    const answer = await ask("POST", "/enslave", JSON.stringify(good), "application/x-www-form-urlencoded");
    assert.equal(answer.json().code, "REQUEST_INVALID");
    assert.match(answer.json().message ?? "", /allowed: application\/json/);
    assert.deepEqual(daemon.calls, []);
  });

  it("shortens what it found", async () => {
    await start();
    const answer = await askJson("POST", "/enslave", { ...good, bps: "9".repeat(10_000) });
    assert.ok(answer.text.length < 300, answer.text);
  });

  it("survives arbitrary octets, and answers none of them with the daemon's doing", async () => {
    await start();
    const speak = async (octets: Uint8Array): Promise<void> => {
      const socket = connect(path);
      socket.on("error", () => {});
      const closed = closing(socket);
      socket.resume().end(octets);
      await closed;
    };
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2000 }), speak), {
      numRuns: 50,
    });
    await speak(Buffer.alloc(1 << 20, 0x41));
    assert.deepEqual(daemon.calls, []);
    assert.equal((await ask("GET", "/status")).status, 200);
  });

  it("never throws at arbitrary JSON: each body is refused or fits", async () => {
    await start();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (body) => {
        const answer = await askJson("POST", "/enslave", body);
        assert.equal(answer.status, 400, answer.text);
      }),
      { numRuns: 50 },
    );
  });

  it("tells octets that are no HTTP what it speaks", async () => {
    await start();
    const socket = connect(path);
    socket.end("\xc0E\x00 hello\r\n\r\n", "latin1");
    let text = "";
    for await (const chunk of socket.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
    assert.match(text, /^HTTP\/1.1 400 /);
    assert.equal(JSON.parse(text.slice(text.indexOf("{"))).code, "REQUEST_INVALID");
  });
});

describe("the socket", () => {
  const modeOf = (file: string): number => statSync(file).mode & 0o777;

  it("has the mode it is given, whatever the umask, in a directory that all may enter", async () => {
    path = join(directory, "run", "eql", "eql.sock");
    const before = process.umask(0o077);
    try {
      await start({ mode: 0o660 });
    } finally {
      process.umask(before);
    }
    assert.ok(statSync(path).isSocket());
    assert.equal(modeOf(path), 0o660);
    assert.equal(modeOf(join(directory, "run", "eql")), 0o755);
    assert.equal(modeOf(`${path}.lock`), 0o600);
    assert.equal(process.umask(), before);
  });

  it("leaves the mode of a directory that is there already", async () => {
    path = join(directory, "private", "eql.sock");
    mkdirSync(join(directory, "private"), { mode: 0o700 });
    await start();
    assert.equal(modeOf(join(directory, "private")), 0o700);
  });

  it("belongs to the group it is given, by name and by number", async (t) => {
    if (process.getuid?.() !== 0 && process.env["EQL_REQUIRE_ALL"] !== "1") {
      return t.skip("only root may give a file to any group");
    }
    const server = await start({ group: "daemon" });
    const gid = statSync(path).gid;
    assert.notEqual(gid, process.getgid?.());
    await server.close();
    await start({ group: String(gid + 1) });
    assert.equal(statSync(path).gid, gid + 1);
  });

  it("refuses a group that there is not, and leaves nothing", async () => {
    await assert.rejects(start({ group: "no-such-group" }), {
      code: "CONTROL_SOCKET_FAILED",
      message: /no-such-group/,
    });
    assert.deepEqual([existsSync(path), existsSync(`${path}.lock`)], [false, false]);
    await start();
  });

  it("is gone after close, and its lock too; close may come twice", async () => {
    const server = await start();
    assert.ok(existsSync(path) && existsSync(`${path}.lock`));
    await Promise.all([server.close(), server.close()]);
    assert.deepEqual([existsSync(path), existsSync(`${path}.lock`)], [false, false]);
    await start();
    assert.equal((await ask("GET", "/status")).status, 200);
  });

  it("is one daemon's: a second one is refused and disturbs nothing", async () => {
    await start();
    await assert.rejects(start(), {
      code: "DAEMON_RUNNING",
      message: new RegExp(`${process.pid}.*${path}.*eql down`),
    });
    assert.equal((await ask("GET", "/status")).status, 200);
    assert.ok(existsSync(`${path}.lock`));
  });

  it("is taken over from a daemon that was killed", async () => {
    const child = await startElsewhere();
    await assert.rejects(start(), { code: "DAEMON_RUNNING", message: new RegExp(String(child.pid)) });
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.ok(existsSync(path) && existsSync(`${path}.lock`), "a killed daemon leaves both");
    await start();
    assert.equal((await ask("GET", "/status")).status, 200);
  });

  it("is made anew where a stale one lies without a lock", async () => {
    // A second name survives its listener: a socket that nobody answers.
    const other = createServer().listen(`${path}.old`);
    await once(other, "listening");
    linkSync(`${path}.old`, path);
    other.close();
    await once(other, "close");
    assert.ok(statSync(path).isSocket());
    await start();
    assert.equal((await ask("GET", "/status")).status, 200);
  });

  it("never replaces a file that is no socket", async () => {
    writeFileSync(path, "precious");
    await assert.rejects(start(), { code: "CONTROL_SOCKET_FAILED", message: /no socket: remove it/ });
    assert.equal(statSync(path).size, 8);
    assert.ok(!existsSync(`${path}.lock`));
  });

  it("says when its path is too long or its directory cannot be made", async () => {
    path = join(directory, "x".repeat(120));
    await assert.rejects(start(), { code: "CONTROL_SOCKET_FAILED", message: /allows 107/ });
    writeFileSync(join(directory, "file"), "");
    path = join(directory, "file", "eql.sock");
    await assert.rejects(start(), { code: "CONTROL_SOCKET_FAILED", message: /directory.*--socket/ });
  });

  it("closes while a client dawdles", { timeout: 60_000 }, async () => {
    const server = await start();
    const socket = connect(path);
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write("POST /enslave HTTP/1.1\r\nhost: x\r\ncontent-le");
    const closed = closing(socket);
    await server.close();
    await closed;
  });

  it("finishes the answer under way when it closes", async () => {
    const server = await start();
    let finish = (): void => {};
    daemon.before = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const answer = ask("POST", "/down");
    await until("the daemon is asked", () => daemon.calls.length === 1);
    const closed = server.close();
    finish();
    assert.equal((await answer).status, 200);
    await closed;
  });

  /** A control server in a process of its own, which can be killed. */
  async function startElsewhere(): Promise<ChildProcess> {
    const child = fork(new URL("./serve-fake.js", import.meta.url), [path], { stdio: "inherit" });
    children.push(child);
    const [message] = (await once(child, "message", { signal: AbortSignal.timeout(DEADLINE_MS) })) as [
      string,
    ];
    assert.equal(message, "ready");
    return child;
  }
});

describe("captures", () => {
  /** Asks for a capture and gives the first line of the answer, which stays open. */
  async function open(): Promise<{ first: string; answer: IncomingMessage }> {
    const sent = request({
      socketPath: path,
      agent: false,
      method: "POST",
      path: "/capture",
      headers: { "content-type": "application/json" },
    });
    sent.end('{"link":"sl0"}');
    const [answer] = (await once(sent, "response", { signal: AbortSignal.timeout(DEADLINE_MS) })) as [
      IncomingMessage,
    ];
    answer.setEncoding("utf8").on("error", () => {});
    const [first] = (await once(answer, "data")) as [string];
    return { first, answer };
  }

  it("lasts as long as the request, and is stopped once", async () => {
    await start();
    const { first, answer } = await open();
    assert.equal(first, `${JSON.stringify({ pipe: "/nowhere/pipe" })}\n`);
    assert.deepEqual(daemon.calls, [["capture", "sl0"]]);
    assert.equal((await ask("GET", "/status")).status, 200, "others are served meanwhile");
    assert.equal(daemon.stops, 0);
    const stopped = new Promise<void>((resolve) => {
      daemon.onStop = resolve;
    });
    answer.destroy();
    await stopped;
    await servers[0]?.close();
    assert.equal(daemon.stops, 1);
  });

  it("is stopped when the server closes, before close is done", async () => {
    const server = await start();
    const { answer } = await open();
    const ended = once(answer, "end");
    await server.close();
    assert.equal(daemon.stops, 1);
    await ended;
  });

  it("is stopped even if the client left before it began", async () => {
    await start();
    let finish = (): void => {};
    daemon.before = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const stopped = new Promise<void>((resolve) => {
      daemon.onStop = resolve;
    });
    const headers = { "content-type": "application/json" };
    const sent = request({ socketPath: path, agent: false, method: "POST", path: "/capture", headers });
    sent.on("error", () => {});
    sent.end('{"link":"sl0"}');
    await until("the daemon is asked", () => daemon.calls.length === 1);
    const closed = closing(sent);
    sent.destroy();
    await closed;
    finish();
    await stopped;
    assert.equal(daemon.stops, 1);
  });

  it("that is refused is an ordinary error", async () => {
    await start();
    daemon.before = () => {
      throw new EqlError("LINE_UNKNOWN", "there is no line sl0");
    };
    const answer = await askJson("POST", "/capture", { link: "sl0" });
    assert.deepEqual([answer.status, answer.json().code], [404, "LINE_UNKNOWN"]);
    assert.equal(daemon.stops, 0);
  });

  it("that does not stop cleanly is told to the log", async () => {
    const server = await start();
    daemon.onStop = () => {
      throw new Error("stuck");
    };
    const { answer } = await open();
    answer.destroy();
    await server.close();
    assert.deepEqual(
      log.lines.map(({ level, message }) => [level, message]),
      [["error", "what a client held did not end cleanly"]],
    );
  });
});
