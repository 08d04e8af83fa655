import type { FastifyInstance, FastifySchemaValidationError } from "fastify";
import type {
  AskRequest,
  CaptureRequest,
  EmancipateRequest,
  EnslaveRequest,
  LineRequest,
  MasterChange,
  PathChange,
  PppRequest,
  SlaveChange,
  TunnelChange,
} from "../control/messages.ts";
import { SCHEDULER_NAMES } from "../control/messages.ts";
import type { DaemonApi } from "./daemon-api.ts";

/** Every request of the control protocol: its schema, and the daemon's call that answers it. */

/** A part of a request that says in words what it allows; the words end up in the answer to a bad request. */
interface Part {
  readonly allowed: string;
  readonly [keyword: string]: unknown;
}

/** IFNAMSIZ is 16 octets with the NUL; the same names as in the configuration file. */
const name: Part = {
  type: "string",
  pattern: "^(?!\\.{1,2}$)[!-$&-.0-9;-~]{1,15}$",
  allowed: "a name of 1 to 15 printable ASCII characters, without space, slash, colon or per cent sign",
};
const whole = (minimum: number, maximum: number): Part => ({
  type: "integer",
  minimum,
  maximum,
  allowed: `a whole number from ${minimum} to ${maximum}`,
});
const bps = whole(1, 1e10);
const scheduler: Part = {
  type: "string",
  enum: SCHEDULER_NAMES,
  allowed: `one of ${SCHEDULER_NAMES.join(", ")}`,
};
const tier: Part = {
  type: "string",
  enum: ["primary", "overflow", "backup"],
  allowed: "one of primary, overflow, backup",
};
/** Null: no limit. */
const limit: Part = {
  type: ["integer", "null"],
  minimum: 1000,
  maximum: 1e11,
  allowed: "null, or a whole number from 1000 to 100000000000",
};
const redundant: Part = {
  anyOf: [
    { type: "boolean" },
    {
      type: "array",
      maxItems: 65,
      items: { anyOf: [{ const: "sparse" }, { type: "integer", minimum: 0, maximum: 63 }] },
    },
  ],
  allowed: 'true, false, or a list of "sparse" and whole numbers from 0 to 63',
};
const ask: Part = { type: "string", enum: ["up", "down", "auto"], allowed: "one of up, down, auto" };
const settings: Part = {
  type: "object",
  allowed: "an object with the keys of [line.NAME] in the configuration file",
};

/** An object with these keys and no other: all of them, or at least one of them. */
const object = (properties: Readonly<Record<string, Part>>, wanted: "all" | "some"): Part => ({
  type: "object",
  additionalProperties: false,
  properties,
  ...(wanted === "all" ? { required: Object.keys(properties) } : { minProperties: 1 }),
  allowed: `a JSON object with ${wanted === "all" ? "the keys" : "at least one of the keys"} ${Object.keys(properties).join(", ")}`,
});
const nothing: Part = {
  type: ["object", "null"],
  maxProperties: 0,
  allowed: "no body, or {}",
};

/** Turns the first complaint of the validator into words: where, what was found, what is allowed. */
export function describeComplaint(errors: readonly FastifySchemaValidationError[], part: string): Error {
  // "verbose" of the validator adds what it looked at and the schema that it held against it.
  const complaint = errors[0] as FastifySchemaValidationError & { data?: unknown; parentSchema?: Part };
  const { keyword, params, instancePath, data, parentSchema } = complaint;
  const whole = part === "params" ? "the path" : `the ${part}`;
  const place = instancePath === "" ? whole : instancePath.slice(1).replaceAll("/", ".");
  const allowed = parentSchema?.allowed ?? "something else";
  if (keyword === "required")
    return new Error(`${whole} lacks "${String(params["missingProperty"])}"; allowed: ${allowed}`);
  if (keyword === "additionalProperties") {
    return new Error(
      `${whole} has an unknown key "${String(params["additionalProperty"])}"; allowed: ${allowed}`,
    );
  }
  const found = JSON.stringify(data) ?? "nothing";
  return new Error(
    `${place} is ${found.length > 60 ? `${found.slice(0, 60)}…` : found}; allowed: ${allowed}`,
  );
}

/** Adds all routes but those that keep their answers open: /capture, /ppp and the watching of a line. */
export function addRoutes(app: FastifyInstance, api: DaemonApi): void {
  app.get("/status", () => api.status());
  app.post<{ Body: EnslaveRequest }>(
    "/enslave",
    { schema: { body: object({ master: name, slave: name, bps }, "all") } },
    async ({ body }) => {
      await api.enslave(body);
      return {};
    },
  );
  app.post<{ Body: EmancipateRequest }>(
    "/emancipate",
    { schema: { body: object({ master: name, slave: name }, "all") } },
    async ({ body }) => {
      await api.emancipate(body);
      return {};
    },
  );
  app.patch<{ Params: { master: string }; Body: MasterChange }>(
    "/masters/:master",
    {
      schema: {
        params: object({ master: name }, "all"),
        body: object({ maxSlaves: whole(1, 255), minSlaves: whole(1, 255), scheduler }, "some"),
      },
    },
    ({ params, body }) => api.changeMaster(params.master, body),
  );
  app.patch<{ Params: { tunnel: string }; Body: TunnelChange }>(
    "/tunnels/:tunnel",
    { schema: { params: object({ tunnel: name }, "all"), body: object({ redundant }, "all") } },
    ({ params, body }) => api.changeTunnel(params.tunnel, body),
  );
  app.patch<{ Params: { tunnel: string; path: string }; Body: PathChange }>(
    "/tunnels/:tunnel/paths/:path",
    {
      schema: {
        params: object({ tunnel: name, path: name }, "all"),
        body: object({ tier, sendBps: limit, receiveBps: limit }, "some"),
      },
    },
    ({ params, body }) => api.changePath(params.tunnel, params.path, body),
  );
  app.patch<{ Params: { master: string; slave: string }; Body: SlaveChange }>(
    "/masters/:master/slaves/:slave",
    { schema: { params: object({ master: name, slave: name }, "all"), body: object({ bps }, "some") } },
    ({ params, body }) => api.changeSlave(params.master, params.slave, body),
  );
  app.post<{ Body: LineRequest }>(
    "/lines",
    { schema: { body: object({ name, settings }, "all") } },
    ({ body }) => api.addLine(body),
  );
  app.delete<{ Params: { line: string } }>(
    "/lines/:line",
    { schema: { params: object({ line: name }, "all"), body: nothing } },
    async ({ params }) => {
      await api.removeLine(params.line);
      return {};
    },
  );
  app.post<{ Params: { line: string }; Body: AskRequest }>(
    "/lines/:line/ask",
    { schema: { params: object({ line: name }, "all"), body: object({ ask }, "all") } },
    async ({ params, body }) => {
      await api.ask(params.line, body);
      return {};
    },
  );
  app.post("/reload", { schema: { body: nothing } }, () => api.reload());
  app.post("/down", { schema: { body: nothing } }, async () => {
    await api.down();
    return {};
  });
}

export const captureSchema: { readonly body: Part } = { body: object({ link: name }, "all") };
export const pppSchema: { readonly body: Part } = {
  body: object(
    {
      name: { ...name, type: ["string", "null"], allowed: `null, or ${name.allowed}` },
      unit: {
        ...whole(0, 9999),
        type: ["integer", "null"],
        allowed: "null, or a whole number from 0 to 9999",
      },
      settings,
    },
    "all",
  ),
};
export const watchSchema: { readonly params: Part; readonly body: Part } = {
  params: object({ line: name }, "all"),
  body: nothing,
};
export type WatchParams = { Params: { line: string } };
export type PppBody = { Body: PppRequest };
export type CaptureBody = { Body: CaptureRequest };
