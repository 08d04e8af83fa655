/**
 * The machines that carry packets, for programs of one's own: they own no socket, timer or clock (docs/architecture.md says how
 * they are driven). What runs as the daemon is not here; a program talks to that by its control socket.
 */

export { Bundle } from "./bundle/bundle.ts";
export { ClassicBundle } from "./bundle/classic-bundle.ts";
export { FlowQueue } from "./bundle/flow-queue.ts";
export { Member } from "./bundle/member.ts";
export { NumberedBundle, type Numbering } from "./bundle/numbered-bundle.ts";
export { resequencerMemory } from "./bundle/resequencer.ts";
export type {
  LineState,
  LineStatus,
  MasterStatus,
  SchedulerName,
  Status,
  TrafficCount,
} from "./control/messages.ts";
export { EqlError, type EqlErrorCode, type EqlErrorDetails, ERROR_CODES } from "./errors.ts";
export { DeviceLink } from "./link/device-link.ts";
export { Echo, type EchoOptions } from "./link/echo.ts";
export { type Link, type LinkId, Outbox, type Tap } from "./link/link.ts";
export { Pacer } from "./link/pacer.ts";
export { Flow, Packet, PacketPool } from "./link/packet.ts";
export { SlipLink, slipLinkMemory } from "./link/slip-link.ts";
export { ActiveBackup } from "./scheduler/active-backup.ts";
export { EarliestArrival } from "./scheduler/earliest-arrival.ts";
export { Eql1995 } from "./scheduler/eql-1995.ts";
export { RoundRobin } from "./scheduler/round-robin.ts";
export type {
  BindingScheduler,
  Choice,
  LinkView,
  PlanningScheduler,
  QueueView,
  Scheduler,
} from "./scheduler/scheduler.ts";
export { Weighted } from "./scheduler/weighted.ts";
export { type Arrival, ClassicPath, type PathLine } from "./sim/classic-path.ts";
export {
  type NumberedArrival,
  type NumberedLine,
  NumberedPath,
  type NumberedPathOptions,
} from "./sim/numbered-path.ts";
export { SerialLine } from "./sim/serial-line.ts";
export { after, type Instant, instant, type Millis, millis, NEVER } from "./time.ts";
export {
  encodeSlipBody,
  SLIP_END,
  SlipDecoder,
  type SlipDrop,
  slipBodyBound,
  slipBodyLength,
} from "./wire/slip.ts";
