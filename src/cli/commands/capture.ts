import { constants, createWriteStream, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import type { CaptureReply, CaptureRequest } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { type SocketOption, socketOption } from "../options.ts";
import { untilSignal } from "../signals.ts";

/** How long the daemon has, once the capture is over, to close its end of the pipe. */
const DRAIN_MS = 2_000;

interface CaptureOptions extends SocketOption {
  readonly write: string;
}

/**
 * Opens a named pipe for reading. Without O_NONBLOCK that would wait for the writer, and nothing could end the wait.
 * @throws EqlError CONTROL_REFUSED, SYSTEM_CALL_FAILED
 */
function openPipe(path: string): Socket {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EACCES")
      throw new EqlError("SYSTEM_CALL_FAILED", `cannot open the capture: ${message}`, { cause: error });
    const cure = "only the daemon's own user may capture; run this as that user";
    throw new EqlError("CONTROL_REFUSED", `no permission to read the capture at ${path}: ${cure}`, {
      cause: error,
    });
  }
}

/** @throws EqlError SYSTEM_CALL_FAILED */
function openOutput(file: string): Writable {
  if (file === "-") return process.stdout;
  try {
    const fd = openSync(file, "w");
    return createWriteStream(file, { fd });
  } catch (error) {
    const { message } = error as Error;
    throw new EqlError("SYSTEM_CALL_FAILED", `cannot write ${file}: ${message}`, {
      details: { file },
      cause: error,
    });
  }
}

async function capture(link: string, client: ControlClient, file: string): Promise<void> {
  const signal = untilSignal();
  const request: CaptureRequest = { link };
  const { reply, closed, close } = await client.hold<CaptureReply>("POST", "/capture", request);
  let timer: NodeJS.Timeout | undefined;
  let input: Socket | undefined;
  try {
    const pipe = openPipe(reply.pipe);
    input = pipe;
    // When the request closes, the daemon stops the capture and closes its end of the pipe: what was under way still
    // comes, and then the end. A daemon that never opened its end, or hangs, is not waited for.
    void closed.then(() => {
      timer = setTimeout(() => pipe.push(null), DRAIN_MS);
    });
    signal.addEventListener("abort", close);
    if (signal.aborted) close();
    await pipeline(pipe, openOutput(file), { end: file !== "-" });
  } catch (error) {
    // A reader that has seen enough is no error.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  } finally {
    close();
    await closed;
    clearTimeout(timer);
    input?.destroy();
  }
}

export const captureCommand = (): Command =>
  new Command("capture")
    .summary("write a link's packets as pcap")
    .description("Write the packets of a link, both directions, as pcap, until Ctrl-C or the daemon's end.")
    .argument("<LINK>", "the line's interface, such as sl0")
    .option("-w, --write <FILE>", "where to; - is standard output", "-")
    .addOption(socketOption())
    .addHelpText(
      "after",
      `
Examples:
  eql capture sl0 -w sl0.pcap
  eql capture sl0 | tshark -r -
`,
    )
    .action(async (link: string, { write, socket }: CaptureOptions, command: Command) => {
      if (write === "-" && process.stdout.isTTY) {
        command.error(
          "eql: pcap is no text, so it is not written to a terminal: name a file with -w FILE, or pipe it",
        );
      }
      await capture(link, new ControlClient(socketPath(socket)), write);
    });
