import type {
  EmancipateRequest,
  EnslaveRequest,
  LineRequest,
  LineStatus,
  MasterChange,
  MasterStatus,
  SlaveChange,
  Status,
} from "../control/messages.ts";

/** A running capture: what the client reads, and how it ends. */
export interface Capture {
  /** Path of a named pipe that the client opens for reading. */
  readonly pipe: string;
  stop(): Promise<void>;
}

/** What the control server may ask of the daemon. Each call rejects with an EqlError when it is refused. */
export interface DaemonApi {
  status(): Promise<Status>;
  enslave(request: EnslaveRequest): Promise<void>;
  emancipate(request: EmancipateRequest): Promise<void>;
  changeMaster(master: string, change: MasterChange): Promise<MasterStatus>;
  changeSlave(master: string, slave: string, change: SlaveChange): Promise<LineStatus>;
  addLine(request: LineRequest): Promise<LineStatus>;
  removeLine(line: string): Promise<void>;
  capture(link: string): Promise<Capture>;
  /** Brings everything down; resolves when interfaces, routes and locks are gone. */
  down(): Promise<void>;
}
