import type {
  LifeEvent,
  LineStatus,
  MasterStatus,
  PppEvent,
  PppRequest,
  ReloadReply,
  Status,
  TunnelStatus,
} from "../../src/control/messages.ts";
import type { ControlLog } from "../../src/daemon/control-server.ts";
import type { Capture, DaemonApi, HeldLine } from "../../src/daemon/daemon-api.ts";

/** 2026-01-02T03:04:05Z, the daemon's time in all examples. */
export const AT = 1_767_323_045_000;

export const line = (change: Partial<LineStatus> = {}): LineStatus => ({
  name: "sl0",
  kind: "slip",
  device: "/dev/ttyS0",
  interface: change.name ?? "sl0",
  state: "enslaved",
  since: AT - 125_000,
  reason: "",
  retryAt: null,
  master: "eql",
  mtu: 1500,
  rateGivenBps: 28800,
  rateEstimatedBps: 28650.4,
  sent: { packets: 1204, octets: 1_234_567 },
  received: { packets: 1100, octets: 90_000 },
  lineOctets: { sent: 1_240_001, received: 91_234 },
  drops: {},
  hints: [],
  backlogOctets: 312,
  echoMs: null,
  ppp: null,
  life: null,
  ...change,
});

export const master = (change: Partial<MasterStatus> = {}): MasterStatus => ({
  name: "eql",
  up: true,
  mtu: 1500,
  scheduler: "earliest-arrival",
  maxSlaves: 4,
  minSlaves: 1,
  slaves: ["sl0", "sl1"],
  queue: { packets: 3, octets: 4500, limitPackets: 64 },
  sent: { packets: 1304, octets: 1_300_000 },
  received: { packets: 1190, octets: 98_000 },
  drops: {},
  multilink: null,
  ...change,
});

export const tunnel = (change: Partial<TunnelStatus> = {}): TunnelStatus => ({
  name: "wan",
  up: true,
  mtu: 1440,
  publicKey: "9jz5NVmW8Q7bKZ0u1P3eFxYh2RrTtGv4LsXcDdAa0EE=",
  listen: [],
  peers: [
    {
      name: "server",
      publicKey: "Zk1d2s0X9y8W7v6U5t4S3r2Q1p0ONmLkJiHgFeDcBaA=",
      session: "established",
      cipher: "aes-256-gcm",
      redundant: false,
      paths: [
        {
          name: "dsl",
          device: "eth0",
          tier: "primary",
          state: "alive",
          local: "192.168.1.7:40001",
          remote: "192.0.2.1:7411",
          rateBps: 94_300_000.4,
          roundTripMs: 21.34,
          queueMs: 3.9,
          loss: 0.0012,
          mtu: 1440,
          sent: { datagrams: 1200, octets: 1_700_000, lost: 2 },
          received: { datagrams: 900, octets: 1_100_000 },
        },
        {
          name: "lte",
          device: "wwan0",
          tier: "backup",
          state: "proving",
          local: null,
          remote: null,
          rateBps: 0,
          roundTripMs: null,
          queueMs: 0,
          loss: 0,
          mtu: 1200,
          sent: { datagrams: 4, octets: 400, lost: 0 },
          received: { datagrams: 0, octets: 0 },
        },
      ],
      queue: { packets: 12, octets: 16_000 },
      sent: { packets: 1190, octets: 1_600_000, repeated: 2 },
      received: { packets: 890, octets: 1_000_000 },
      drops: { delayed: 7 },
    },
  ],
  waiting: [{ path: "starlink", reason: "there is no interface eth1" }],
  drops: { stranger: 3 },
  ...change,
});

export const status = (change: Partial<Status> = {}): Status => ({
  version: "0.1.0",
  pid: 4242,
  startedAt: AT - 3_725_000,
  at: AT,
  masters: [master()],
  lines: [line()],
  tunnels: [],
  stations: [],
  ...change,
});

/** A daemon that notes what it is asked and answers what it is told to. */
export class FakeDaemon implements DaemonApi {
  readonly calls: unknown[][] = [];
  /** What every call does before it answers; may throw or wait. */
  before: () => Promise<void> | void = () => {};
  now: Status = status();
  pipe = "/nowhere/pipe";
  stops = 0;
  /** Called when a capture is stopped. */
  onStop: () => void = () => {};

  async #note(...call: unknown[]): Promise<void> {
    this.calls.push(call);
    await this.before();
  }

  async status(): Promise<Status> {
    await this.#note("status");
    return this.now;
  }

  enslave(...args: unknown[]): Promise<void> {
    return this.#note("enslave", ...args);
  }

  emancipate(...args: unknown[]): Promise<void> {
    return this.#note("emancipate", ...args);
  }

  async changeMaster(...args: unknown[]): Promise<MasterStatus> {
    await this.#note("changeMaster", ...args);
    return master();
  }

  async changeSlave(...args: unknown[]): Promise<LineStatus> {
    await this.#note("changeSlave", ...args);
    return line();
  }

  async changeTunnel(...args: unknown[]): Promise<TunnelStatus> {
    await this.#note("changeTunnel", ...args);
    return tunnel();
  }

  async changePath(...args: unknown[]): Promise<TunnelStatus> {
    await this.#note("changePath", ...args);
    return tunnel();
  }

  async addLine(...args: unknown[]): Promise<LineStatus> {
    await this.#note("addLine", ...args);
    return line();
  }

  removeLine(...args: unknown[]): Promise<void> {
    return this.#note("removeLine", ...args);
  }

  ask(...args: unknown[]): Promise<void> {
    return this.#note("ask", ...args);
  }

  /** What is told to who watches a line, in this order. */
  lifeEvents: readonly LifeEvent[] = [];

  async watch(name: string, tell: (event: LifeEvent) => void): Promise<HeldLine> {
    await this.#note("watch", name);
    for (const event of this.lifeEvents) tell(event);
    const stop = async (): Promise<void> => {
      this.stops += 1;
      this.onStop();
    };
    return { ended: new Promise(() => {}), stop };
  }

  /** What a client's PPP line tells at once; it ends when `endPpp` is called, or its client goes. */
  pppEvents: readonly PppEvent[] = [];
  /** What it tells when it has ended. */
  pppEventsTooLate: readonly PppEvent[] = [];
  endPpp: () => void = () => {};

  async ppp(request: PppRequest, tell: (event: PppEvent) => void): Promise<HeldLine> {
    await this.#note("ppp", request);
    for (const event of this.pppEvents) tell(event);
    const ended = new Promise<void>((resolve) => {
      this.endPpp = () => {
        tell({ event: "ended", end: "peer", reason: "so it was" });
        resolve();
      };
    });
    void ended
      .then(() => {}) // after whoever waits for its end
      .then(() => this.pppEventsTooLate.forEach(tell));
    const stop = async (): Promise<void> => {
      this.stops += 1;
      this.onStop();
    };
    return { ended, stop };
  }

  async capture(link: string): Promise<Capture> {
    await this.#note("capture", link);
    const stop = async (): Promise<void> => {
      this.stops += 1;
      this.onStop();
    };
    return { pipe: this.pipe, stop };
  }

  reloaded: ReloadReply = { applied: [], restart: [] };

  async reload(): Promise<ReloadReply> {
    await this.#note("reload");
    return this.reloaded;
  }

  down(): Promise<void> {
    return this.#note("down");
  }
}

/** A log that keeps what it is given. */
export class FakeLog implements ControlLog {
  readonly lines: { level: string; fields: object; message: string }[] = [];

  debug(fields: object, message: string): void {
    this.lines.push({ level: "debug", fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: "error", fields, message });
  }
}
