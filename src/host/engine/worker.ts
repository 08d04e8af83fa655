import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EqlError } from "../../errors.ts";
import { Wakeup } from "../epoll.ts";
import { Engine } from "./engine.ts";
import type { EngineReply, EngineRequest, EngineWorkerData } from "./messages.ts";

/* The worker's entry: requests in by message and bell, replies and events out. */

const port = parentPort;
if (port === null) throw new Error("the engine runs in a worker");
const post = (reply: EngineReply): void => port.postMessage(reply);
const engine = new Engine((event) => post({ event }));

function answer({ id, operation, request }: EngineRequest): void {
  try {
    post({ id, value: engine.handle(operation, request as never) });
  } catch (error) {
    if (!(error instanceof EqlError)) throw error;
    const { code, message, details } = error;
    post({ id, error: { code, message, details } });
  }
}

engine.run(new Wakeup((workerData as EngineWorkerData).wakeupFd), () => {
  // What was asked after its end would open devices that nobody closes.
  while (engine.isRunning) {
    const received = receiveMessageOnPort(port) as { readonly message: EngineRequest } | undefined;
    if (received === undefined) return;
    answer(received.message);
  }
});
port.close();
