import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Scratch } from "../../../src/lab/scratch.ts";

const PROGRAM = "/usr/sbin/freeradius";
const DEADLINE_MS = 60_000;

export interface FreeRadiusUser {
  readonly name: string;
  readonly password: string;
  /** As its users' file has it: `Framed-Protocol = PPP`. */
  readonly reply: readonly string[];
}

/** Debian's RADIUS server on loopback, with users of the test's own. */
export class FreeRadius {
  readonly secret = "of the test";
  readonly authPort: number;
  readonly accountingPort: number;
  readonly #scratch: Scratch;
  readonly #server: ChildProcess;

  private constructor(scratch: Scratch, ports: readonly [number, number], server: ChildProcess) {
    this.#scratch = scratch;
    [this.authPort, this.accountingPort] = ports;
    this.#server = server;
  }

  /** @param signs whether its replies have a Message-Authenticator */
  static async start(users: readonly FreeRadiusUser[], signs = true): Promise<FreeRadius> {
    const scratch = new Scratch("eql-radius");
    const ports = await freePorts();
    writeFileSync(join(scratch.path, "radiusd.conf"), configuration(scratch.path, ports, signs));
    writeFileSync(join(scratch.path, "users"), users.map(entry).join(""));
    const server = spawn(PROGRAM, ["-f", "-l", "stdout", "-d", scratch.path, "-n", "radiusd"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const made = new FreeRadius(scratch, ports, server);
    try {
      await ready(server);
      return made;
    } catch (error) {
      await made.stop();
      throw error;
    }
  }

  /** What it was told of sessions: records as it writes them down, empty lines between them. */
  get records(): string[] {
    try {
      const text = readFileSync(join(this.#scratch.path, "detail"), "utf8");
      // A record that is still being written has no empty line behind it.
      return text.split("\n\n").slice(0, -1);
    } catch {
      return [];
    }
  }

  async stop(): Promise<void> {
    if (
      this.#server.exitCode === null &&
      this.#server.signalCode === null &&
      this.#server.pid !== undefined
    ) {
      const gone = once(this.#server, "exit");
      this.#server.kill("SIGKILL");
      await gone;
    }
    this.#scratch.close();
  }
}

/** Until it says that it is ready. */
async function ready(server: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`freeradius ${why}: ${said}`));
    const timer = setTimeout(() => fail("did not get ready"), DEADLINE_MS);
    server.once("error", (error) => fail(error.message));
    server.once("exit", () => fail("ended"));
    server.stdout?.on("data", (text: Buffer) => {
      said += text.toString();
      if (!said.includes("Ready to process requests")) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Two that nobody has at the moment. */
async function freePorts(): Promise<[number, number]> {
  const sockets = [createSocket("udp4"), createSocket("udp4")] as const;
  const ports = await Promise.all(
    sockets.map(async (socket) => {
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      return socket.address().port;
    }),
  );
  for (const socket of sockets) socket.close();
  return ports as [number, number];
}

const entry = ({ name, password, reply }: FreeRadiusUser): string =>
  `"${name}" Cleartext-Password := "${password}"\n${reply.map((line) => `\t${line}`).join(",\n")}\n\n`;

const configuration = (
  directory: string,
  [authPort, accountingPort]: readonly [number, number],
  signs: boolean,
): string => `
prefix = /usr
libdir = /usr/lib/freeradius
name = radiusd
logdir = ${directory}
run_dir = ${directory}
max_request_time = 10
cleanup_delay = 2
max_requests = 1024
security {
  reject_delay = 0
  status_server = no
}
log {
  destination = stdout
}
thread pool {
  start_servers = 1
  max_servers = 2
  min_spare_servers = 1
  max_spare_servers = 2
}
client loopback {
  ipaddr = 127.0.0.1
  secret = "of the test"
  require_message_authenticator = yes
}
modules {
  pap { }
  chap { }
  mschap { }
  files {
    filename = ${directory}/users
  }
  detail {
    filename = ${directory}/detail
  }
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${authPort}
  }
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = ${accountingPort}
  }
  authorize {
    chap
    mschap
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
    Auth-Type CHAP {
      chap
    }
    Auth-Type MS-CHAP {
      mschap
    }
  }
  accounting {
    detail
  }
${signs ? SIGNING : ""}}
`;

/** Without it, this version signs its replies to EAP only. */
const SIGNING = `
  post-auth {
    update reply {
      Message-Authenticator := 0x00
    }
    Post-Auth-Type REJECT {
      update reply {
        Message-Authenticator := 0x00
      }
    }
  }
`;
