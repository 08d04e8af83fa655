import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from "fastify";
import type { CaptureReply, ErrorReply } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import {
  addRoutes,
  type CaptureBody,
  captureSchema,
  describeComplaint,
  type PppBody,
  pppSchema,
  type WatchParams,
  watchSchema,
} from "./control-routes.ts";
import { listenAt, lockSocket, type SocketPlace } from "./control-socket.ts";
import type { DaemonApi } from "./daemon-api.ts";
import { lazyValidator } from "./lazy-validator.ts";

/**
 * The daemon's ear: the requests of control/messages.ts, as HTTP on a unix socket and on nothing else.
 *
 * 1. The lock of the path is taken, so that there is one daemon for each socket.
 * 2. A request is held against its schema; what does not fit is answered REQUEST_INVALID and goes no further.
 * 3. The daemon's call answers it, or refuses with an EqlError.
 */

const BODY_LIMIT = 64 * 1024;
/** How long a client may take over sending one request, and how long close() waits for answers under way. */
const REQUEST_TIMEOUT_MS = 10_000;
const CLOSE_GRACE_MS = 2_000;

/** What the server needs of the daemon's log. */
export interface ControlLog {
  debug(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ControlServerOptions extends SocketPlace {
  readonly log: ControlLog;
}

export interface ControlServer {
  readonly path: string;
  /** Ends what clients hold, lets answers under way finish, and removes socket and lock file. Safe to call twice. */
  close(): Promise<void>;
}

/** What lasts as long as the connection that asked for it. */
interface HeldThing {
  /** Resolves when it ends by itself. */
  readonly ended?: Promise<void>;
  stop(): Promise<void>;
}

/** Starts something for a client; what it is to be told is a line of JSON each. Rejects with an EqlError when it is refused. */
type Start = (tell: (line: object) => void) => Promise<HeldThing>;

/** Answers that are held open: captures, PPP lines of clients, and what happens to lines. */
class HeldAnswers {
  readonly #log: ControlLog;
  readonly #open = new Set<ServerResponse>();
  readonly #served = new Set<Promise<void>>();

  constructor(log: ControlLog) {
    this.#log = log;
  }

  /** Starts it and answers with what is told; it is stopped once, when the connection closes. */
  serve(what: string, reply: FastifyReply, start: Start): Promise<void> {
    const serving = this.#serve(what, reply, start).finally(() => this.#served.delete(serving));
    this.#served.add(serving);
    return serving;
  }

  async #serve(what: string, reply: FastifyReply, start: Start): Promise<void> {
    const answer = reply.raw;
    const closed = new Promise<void>((resolve) => {
      answer.once("close", resolve);
    });
    const early: object[] = [];
    let tell = (line: object): void => void early.push(line);
    const held = await start((line) => tell(line));
    reply.hijack();
    if (!answer.destroyed) {
      this.#open.add(answer);
      answer.writeHead(200, { "content-type": "application/json", connection: "close" });
      answer.flushHeaders();
      // What comes after its end is nobody's, and would be an error that nobody handles.
      tell = (line) => void (answer.writableEnded || answer.write(`${JSON.stringify(line)}\n`));
      for (const line of early) tell(line);
      void held.ended?.then(() => answer.end());
    } else tell = () => {};
    await closed;
    tell = () => {};
    this.#open.delete(answer);
    try {
      await held.stop();
    } catch (error) {
      this.#log.error({ err: error, what }, "what a client held did not end cleanly");
    }
  }

  endAll(): void {
    for (const answer of this.#open) answer.end();
  }

  async stopped(): Promise<void> {
    await Promise.allSettled(this.#served);
  }
}

/** @returns an HTTP status: 404 unknown, 400 wrong in itself, 409 refused in the present state */
function statusFor(error: EqlError): number {
  if (error.code.endsWith("_UNKNOWN")) return 404;
  if (error.code === "DAEMON_FAILED") return 500;
  return error.code.endsWith("_INVALID") ? 400 : 409;
}

/** Fastify's own complaints about a request, in words that say what is allowed. */
function explain(error: FastifyError): string {
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return `the body is too large; allowed: at most ${BODY_LIMIT} octets`;
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return "the body's content-type is not known here; allowed: application/json";
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return "the body is empty; allowed: JSON, or no content-type";
    case "FST_ERR_CTP_INVALID_JSON_BODY":
      return "the body is not JSON; allowed: one JSON object";
    default:
      return error.message;
  }
}

function answerTo(error: unknown): { status: number; reply: ErrorReply } {
  if (error instanceof EqlError) {
    return { status: statusFor(error), reply: { code: error.code, message: error.message } };
  }
  const status = (error as Partial<FastifyError>).statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return { status, reply: { code: "REQUEST_INVALID", message: explain(error as FastifyError) } };
  }
  const message = "the daemon met an error that it did not expect; its log has the details";
  return { status: 500, reply: { code: "DAEMON_FAILED", message } };
}

/** Octets that are not HTTP at all: one answer, then the connection ends. */
function answerNoise(_error: Error, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const reply: ErrorReply = {
    code: "REQUEST_INVALID",
    message:
      "this is not an HTTP request; allowed: the requests of the eql command, as HTTP/1.1 with JSON bodies",
  };
  const body = JSON.stringify(reply);
  socket.end(
    "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n" +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function build(api: DaemonApi, log: ControlLog, held: HeldAnswers): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // The daemon says itself that it ends.
    return503OnClosing: false,
    clientErrorHandler: answerNoise,
    frameworkErrors: (error, _request, reply) => {
      const { status, reply: body } = answerTo(error);
      void (reply as FastifyReply).code(status).send(body);
    },
    schemaErrorFormatter: (errors, part) => describeComplaint(errors, part),
    schemaController: {
      compilersFactory: {
        buildValidator: lazyValidator,
        // No answer has a schema: fastify's own serializer would be loaded in vain.
        buildSerializer: () => () => JSON.stringify,
      },
    },
    ajv: {
      customOptions: {
        removeAdditional: false,
        coerceTypes: false,
        useDefaults: false,
        verbose: true,
        allowUnionTypes: true,
        keywords: ["allowed"],
      },
    },
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, reply: body } = answerTo(error);
    if (status >= 500)
      log.error({ err: error, request: `${request.method} ${request.url}` }, "a request failed");
    else log.debug({ code: body.code, request: `${request.method} ${request.url}` }, body.message);
    return reply.code(status).send(body);
  });
  const known: string[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    if (method !== "HEAD") known.push(`${String(method)} ${url}`);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no request ${request.method} ${request.url}; allowed: ${known.join(", ")}`;
    return reply.code(404).send({ code: "REQUEST_INVALID", message } satisfies ErrorReply);
  });
  addRoutes(app, api);
  app.post<CaptureBody>("/capture", { schema: captureSchema }, async ({ body }, reply) => {
    await held.serve(`capture of ${body.link}`, reply, async (tell) => {
      const capture = await api.capture(body.link);
      tell({ pipe: capture.pipe } satisfies CaptureReply);
      return capture;
    });
    return reply;
  });
  app.post<PppBody>("/ppp", { schema: pppSchema }, async ({ body }, reply) => {
    await held.serve(`PPP line on ${String(body.settings["device"])}`, reply, (tell) => api.ppp(body, tell));
    return reply;
  });
  app.post<WatchParams>("/lines/:line/watch", { schema: watchSchema }, async ({ params }, reply) => {
    await held.serve(`watch of ${params.line}`, reply, (tell) => api.watch(params.line, tell));
    return reply;
  });
  return app;
}

/**
 * Starts to answer at a unix socket; the directory is made when it is missing.
 * @throws EqlError DAEMON_RUNNING, CONTROL_SOCKET_FAILED
 */
export async function startControlServer(
  api: DaemonApi,
  { log, ...place }: ControlServerOptions,
): Promise<ControlServer> {
  const lock = lockSocket(place.path);
  const held = new HeldAnswers(log);
  const app = build(api, log, held);
  try {
    await app.ready();
    await listenAt(app.server, place);
  } catch (error) {
    await app.close();
    lock.release();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    held.endAll();
    const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
    // Closing the listener also removes the socket's file.
    await app.close();
    clearTimeout(timer);
    await held.stopped();
    lock.release();
  };
  return {
    path: place.path,
    close: () => (closing ??= close()),
  };
}
