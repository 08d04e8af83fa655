/** What a bundle says besides packets: handshakes, what its paths have to say, and reports of what came. */
import type { Peer } from "../crypto/peer.ts";
import type { Instant } from "../time.ts";
import { CONTROL, CONTROL_KINDS } from "../wire/tunnel-content.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Outlet } from "./memory.ts";
import type { Path } from "./path.ts";
import { type BundleShare, PADDING_SCRATCH } from "./share.ts";

const LONGEST_HANDSHAKE = 152;

export class ControlSender {
  readonly #share: BundleShare;
  readonly #dispatch: Dispatch;
  readonly #handshake = new Uint8Array(LONGEST_HANDSHAKE);

  constructor(share: BundleShare, dispatch: Dispatch) {
    this.#share = share;
    this.#dispatch = dispatch;
  }

  /** @param keyRoutes goes to them besides, if no path does; -1: none */
  sendHandshakes(peer: Peer, paths: readonly Path[], keyRoutes: readonly number[], outlet: Outlet): void {
    for (;;) {
      const length = peer.pollTransmit(this.#handshake);
      if (length === 0) return;
      for (const { route, candidate, state } of paths) {
        this.#sendHandshake(peer, route, length, outlet);
        if (state !== "alive" && candidate !== route) this.#sendHandshake(peer, candidate, length, outlet);
      }
      for (const keyRoute of keyRoutes)
        if (!paths.some(({ route }) => route === keyRoute))
          this.#sendHandshake(peer, keyRoute, length, outlet);
    }
  }

  /** As the sender of the dispatch has begun. */
  sendControls(path: Path, now: Instant): void {
    const { memory, scratch } = this.#share;
    const { sender } = this.#dispatch;
    for (;;) {
      const length = path.pollControl(memory.octets, scratch, now);
      if (length === 0) break;
      const { controlRoute, controlElicits } = path;
      sender.sendControl(path, controlRoute, length, controlElicits, now);
    }
    const size = path.sizeProbeDue(now);
    if (size === 0) return;
    const head = path.writeSizeProbe(memory.octets, scratch, now);
    const padding = scratch + PADDING_SCRATCH;
    sender.send(path, path.route, head, padding, size - head, -1, 0, false, now);
  }

  sendReports(path: Path, now: Instant): void {
    while (path.arrivals.isDue(now)) if (!this.#sendReport(path, now)) return;
  }

  #sendHandshake(peer: Peer, route: number, length: number, outlet: Outlet): void {
    if (route < 0) return;
    const at = outlet.reserve(route, length);
    if (at < 0) return;
    const { octets } = this.#share.memory;
    for (let i = 0; i < length; i++) octets[at + i] = this.#handshake[i] as number;
    outlet.commit(length);
    peer.pollCopy(this.#handshake);
  }

  /**
   * What came by a path is told by the same one; what is urgent, or of one that is not there, by the best. Who asks is answered where that came from: the
   * best one may carry in one direction only, and nobody has noticed.
   * @returns false: not now
   */
  #sendReport(path: Path, now: Instant): boolean {
    const { memory, scratch } = this.#share;
    const { octets } = memory;
    const { choice, sender } = this.#dispatch;
    const { arrivals } = path;
    const isAsked = path.route >= 0 && arrivals.isAsked;
    const via =
      isAsked || (path.state === "alive" && !arrivals.urgent) ? path : (choice.best(0, now) ?? path);
    const route = via.route >= 0 ? via.route : via.candidate;
    if (route < 0) return false;
    octets[scratch] = CONTROL;
    octets[scratch + 1] = CONTROL_KINDS.report;
    arrivals.patienceMs = choice.patienceMs(now);
    path.handleReporting(now);
    const length = arrivals.write(octets, scratch + 2, PADDING_SCRATCH - 2, now);
    if (length === 0) return false;
    return sender.sendControl(via, route, 2 + length, false, now);
  }
}
