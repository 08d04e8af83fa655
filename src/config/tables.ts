import type * as z from "zod";
import { type AnswerTable, answerSchema } from "./answer-keys.ts";
import { type DialTable, dialSchema } from "./dial-keys.ts";
import { allowedBy } from "./keys.ts";
import { PPP_KEYS } from "./ppp-keys.ts";
import { type KeyPath, type Problems, show } from "./problems.ts";
import { type RadiusTable, radiusSchema } from "./radius-keys.ts";
import {
  type DaemonTable,
  daemonSchema,
  fileSchema,
  interfaceName,
  type LineTable,
  lineSchema,
  type MasterTable,
  masterSchema,
  tableName,
} from "./schema.ts";
import { type ClientTable, clientSchema, type ServerTable, serverSchema } from "./tunnel-keys.ts";

/** A table as it stands in the source; values unchecked. */
export type RawTable = Readonly<Record<string, unknown>>;

/** A table of which each key by itself is right. */
export interface Checked<Table> {
  readonly name: string;
  readonly raw: RawTable;
  readonly table: Table;
}

/** A server with its clients. */
export interface CheckedServer extends Checked<ServerTable> {
  readonly clients: readonly Checked<ClientTable>[];
}

export interface Tables {
  readonly daemon: DaemonTable | undefined;
  readonly masters: readonly Checked<MasterTable>[];
  readonly dialers: readonly Checked<DialTable>[];
  readonly answers: readonly Checked<AnswerTable>[];
  readonly radius: readonly Checked<RadiusTable>[];
  readonly servers: readonly CheckedServer[];
  readonly lines: readonly Checked<LineTable>[];
  /** Names of all tables of their kind, also of those with errors. */
  readonly masterNames: readonly string[];
  readonly serverNames: readonly string[];
  readonly dialerNames: readonly string[];
  readonly answerNames: readonly string[];
  readonly radiusNames: readonly string[];
}

/** What stands there is not repeated in a message. */
const SECRET_KEYS: readonly string[] = ["password", "secrets"];

type TableSchema =
  | typeof daemonSchema
  | typeof masterSchema
  | typeof dialSchema
  | typeof answerSchema
  | typeof radiusSchema
  | typeof serverSchema
  | typeof clientSchema
  | typeof lineSchema;

/** Checks each key of a document by itself; tables with errors are told to `problems` and left out. */
export function readTables(document: RawTable, problems: Problems): Tables {
  rejectUnknown(document, Object.keys(fileSchema.shape), [], problems);
  const masters = tableAt(document, "master", problems);
  const dialers = tableAt(document, "dial", problems);
  const answers = tableAt(document, "answer", problems);
  const radius = tableAt(document, "radius", problems);
  const servers = tableAt(document, "server", problems);
  return {
    daemon: readTable(daemonSchema, document["daemon"] ?? {}, ["daemon"], problems),
    masters: readNamed(masters, (name, raw) => readMaster(name, raw, problems)),
    dialers: readNamed(dialers, readReferred(dialSchema, "dial", problems)),
    answers: readNamed(answers, readReferred(answerSchema, "answer", problems)),
    radius: readNamed(radius, readReferred(radiusSchema, "radius", problems)),
    servers: readNamed(servers, (name, raw) => readServer(name, raw, problems)).map((server) => ({
      ...server,
      clients: readClients(server, problems),
    })),
    lines: readNamed(tableAt(document, "line", problems), (name, raw) =>
      readLine(name, raw, ["line", name], problems),
    ),
    masterNames: Object.keys(masters),
    serverNames: Object.keys(servers),
    dialerNames: Object.keys(dialers),
    answerNames: Object.keys(answers),
    radiusNames: Object.keys(radius),
  };
}

/** Reads tables that others refer to by name. */
const readReferred =
  <Schema extends TableSchema>(schema: Schema, kind: "dial" | "answer" | "radius", problems: Problems) =>
  (name: string, raw: unknown): z.output<Schema> | undefined => {
    checkName(name, [kind, name], problems, tableName);
    return readTable(schema, raw, [kind, name], problems);
  };

function readMaster(name: string, raw: unknown, problems: Problems): MasterTable | undefined {
  const path = ["master", name];
  checkName(name, path, problems);
  return readTable(masterSchema, raw, path, problems);
}

function readServer(name: string, raw: unknown, problems: Problems): ServerTable | undefined {
  const path = ["server", name];
  checkName(name, path, problems);
  return readTable(serverSchema, raw, path, problems);
}

const readClients = (
  { name: server, table }: Checked<ServerTable>,
  problems: Problems,
): readonly Checked<ClientTable>[] =>
  readNamed(table.client ?? {}, (name, raw) => {
    const path = ["server", server, "client", name];
    checkName(name, path, problems, tableName);
    return readTable(clientSchema, raw, path, problems);
  });

/** @param path where the line's keys stand in its source */
export function readLine(
  name: string,
  raw: unknown,
  path: KeyPath,
  problems: Problems,
): LineTable | undefined {
  checkName(name, path, problems);
  return readTable(lineSchema, raw, path, problems);
}

function checkName(name: string, path: KeyPath, problems: Problems, allowed = interfaceName): void {
  if (!allowed.safeParse(name).success) {
    problems.add(path, `found the name ${show(name)}; allowed: ${allowedBy(allowed)}`);
  }
}

function readNamed<Table>(
  tables: RawTable,
  read: (name: string, raw: unknown) => Table | undefined,
): readonly Checked<Table>[] {
  return Object.entries(tables).flatMap(([name, raw]) => {
    const table = read(name, raw);
    return table === undefined ? [] : [{ name, raw: raw as RawTable, table }];
  });
}

function tableAt(
  document: RawTable,
  key: "master" | "dial" | "answer" | "radius" | "server" | "line",
  problems: Problems,
): RawTable {
  const value = document[key] ?? {};
  if (isTable(value)) return value;
  problems.addValue([key], value, allowedBy(fileSchema.shape[key]));
  return {};
}

function readTable<Schema extends TableSchema>(
  schema: Schema,
  raw: unknown,
  path: KeyPath,
  problems: Problems,
): z.output<Schema> | undefined {
  if (!isTable(raw)) {
    problems.addValue(path, raw, allowedBy(schema));
    return undefined;
  }
  const keys = Object.keys(schema.shape);
  // Who has no PPP line is not told of its forty settings.
  const told = raw["protocol"] === "ppp" ? keys : keys.filter((key) => !PPP_KEYS.includes(key));
  rejectUnknown(raw, keys, path, problems, schema === lineSchema ? told : keys);
  const result = schema.safeParse(raw);
  if (result.success) return result.data as z.output<Schema>;
  const seen = new Set<string>();
  for (const issue of result.error.issues) {
    const { code, path: inner, message } = issue;
    const where = inner.map((part) => (typeof part === "number" ? part : String(part)));
    // Those of the table itself are told.
    if ((code === "unrecognized_keys" && where.length === 0) || seen.has(where.join("\0"))) continue;
    seen.add(where.join("\0"));
    const value = where.reduce<unknown>((at, part) => (at as Record<string | number, unknown>)[part], raw);
    const key = (schema.shape as Record<string, z.ZodType>)[String(where[0])];
    if (issue.code === "unrecognized_keys") {
      for (const name of issue.keys) {
        problems.add([...path, ...where, name], `unknown key; allowed: ${allowedBy(key)}`);
      }
      continue;
    }
    if (SECRET_KEYS.includes(String(where[0]))) {
      problems.add([...path, ...where], `found something else than is allowed: ${allowedBy(key)}`);
    } else problems.addValue([...path, ...where], value, allowedBy(key), code === "custom" ? message : "");
  }
  return undefined;
}

/** @param told those of the known keys that the message names */
function rejectUnknown(
  raw: RawTable,
  known: readonly string[],
  path: KeyPath,
  problems: Problems,
  told: readonly string[] = known,
): void {
  for (const key of Object.keys(raw)) {
    if (!known.includes(key)) problems.add([...path, key], `unknown key; allowed: ${told.join(", ")}`);
  }
}

/** Also for what came as JSON; dates of TOML are objects, but no tables. */
export function isTable(value: unknown): value is RawTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
