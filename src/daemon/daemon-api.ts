import type {
  AskRequest,
  EmancipateRequest,
  EnslaveRequest,
  LifeEvent,
  LineRequest,
  LineStatus,
  MasterChange,
  MasterStatus,
  PathChange,
  PppEvent,
  PppRequest,
  ReloadReply,
  SlaveChange,
  Status,
  TunnelChange,
  TunnelStatus,
} from "../control/messages.ts";

/** A running capture: what the client reads, and how it ends. */
export interface Capture {
  /** Path of a named pipe that the client opens for reading. */
  readonly pipe: string;
  stop(): Promise<void>;
}

/** What lasts as long as its client's request: a PPP line, or somebody's watching one. */
export interface HeldLine {
  /** Resolves when the line has ended, or is removed, and all that happened has been told. */
  readonly ended: Promise<void>;
  /** The client is gone. */
  stop(): Promise<void>;
}

/** What the control server may ask of the daemon. Each call rejects with an EqlError when it is refused. */
export interface DaemonApi {
  status(): Promise<Status>;
  enslave(request: EnslaveRequest): Promise<void>;
  emancipate(request: EmancipateRequest): Promise<void>;
  changeMaster(master: string, change: MasterChange): Promise<MasterStatus>;
  changeSlave(master: string, slave: string, change: SlaveChange): Promise<LineStatus>;
  /** A server, or a master that calls one. */
  changeTunnel(tunnel: string, change: TunnelChange): Promise<TunnelStatus>;
  changePath(tunnel: string, path: string, change: PathChange): Promise<TunnelStatus>;
  /** Of a UDP line: its master's status. */
  addLine(request: LineRequest): Promise<LineStatus | TunnelStatus>;
  removeLine(line: string): Promise<void>;
  /** A person wants a line up or down. */
  ask(line: string, request: AskRequest): Promise<void>;
  /** @param tell is told where the line stands, and then what happens to it */
  watch(line: string, tell: (event: LifeEvent) => void): Promise<HeldLine>;
  /** @param tell is told what happens, in order, the line's end last */
  ppp(request: PppRequest, tell: (event: PppEvent) => void): Promise<HeldLine>;
  capture(link: string): Promise<Capture>;
  /** Reads the configuration again, and applies what can be. An error changes nothing. */
  reload(): Promise<ReloadReply>;
  /** Brings everything down; resolves when interfaces, routes and locks are gone. */
  down(): Promise<void>;
}
