import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { EPOLLIN, Epoll, Wakeup } from "../host/epoll.ts";
import { PhoneNetwork } from "../sim/phone-network.ts";
import { after, type Instant, instant } from "../time.ts";
import type { PhoneReport, PhoneRequest, PhoneWorkerData } from "./phone-lab.ts";
import { PhonePort } from "./phone-port.ts";

/** The thread behind {@link PhoneLab}: one loop over epoll for all modems. */

/** Octets under way are moved on this common grid, so that many lines cost no more wakeups than one. */
const TICK_MS = 1;
/** How soon it is seen that a device was opened or its settings changed, which no event tells. */
const WATCH_MS = 50;
const COMMANDS = 0;

const { network: settings, links, port, wakeup, stopped } = workerData as PhoneWorkerData;
const epoll = new Epoll(links.length + 1);
const bell = new Wakeup(wakeup);
const network = new PhoneNetwork(settings);
const ports: PhonePort[] = [];

const report = (message: PhoneReport): void => port.postMessage(message);

/** @returns false: stop */
function handleCommands(now: Instant): boolean {
  bell.clear();
  for (;;) {
    const request = (receiveMessageOnPort(port) as { message: PhoneRequest } | undefined)?.message;
    if (request === undefined) return true;
    if (request.kind === "stop") return false;
    if (request.kind === "drop") network.drop(request.modem, now);
    else if (request.kind === "setNoise") network.setNoise(request.modem, request.oneIn);
    else network.setPlugged(request.modem, request.plugged, now);
  }
}

function nextVisit(watchAt: Instant): Instant {
  let next = instant(Math.min(watchAt, Math.ceil(network.pollTimeout() / TICK_MS) * TICK_MS));
  for (const one of ports) next = instant(Math.min(next, one.pollTimeout()));
  return next;
}

function run(): void {
  let watchAt = monotonicNow();
  for (;;) {
    const ready = epoll.waitUntil(nextVisit(watchAt), monotonicNow());
    const now = monotonicNow();
    let commanded = false;
    for (let i = 0; i < ready; i++) {
      const token = epoll.token(i);
      if (token === COMMANDS) commanded = true;
      else ports[token - 1]?.handleReady(epoll.events(i), now);
    }
    if (now >= watchAt) {
      for (const one of ports) one.handleWatch(now);
      watchAt = after(now, WATCH_MS);
    }
    network.handleTimeout(now);
    if (commanded && !handleCommands(now)) return;
    for (const one of ports) one.turn(now);
    for (let event = network.pollEvent(); event !== undefined; event = network.pollEvent()) {
      report({ kind: "event", event });
    }
  }
}

try {
  epoll.add(bell.fd, COMMANDS, EPOLLIN);
  for (const [index, { modem, link }] of links.entries()) {
    ports.push(new PhonePort(network.modem(modem), index + 1, link, epoll, monotonicNow()));
  }
  report({ kind: "ready" });
  run();
} catch (error) {
  if (!(error instanceof EqlError)) throw error;
  report({ kind: "failure", code: error.code, message: error.message, details: error.details });
} finally {
  for (const one of ports) one.close();
  epoll.close();
  port.close();
  Atomics.store(stopped, 0, 1);
  Atomics.notify(stopped, 0);
}
