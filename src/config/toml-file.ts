import { parse, TomlError } from "smol-toml";
import type * as z from "zod";
import { EqlError } from "../errors.ts";
import { allowedBy } from "./keys.ts";
import type { KeyPath, Problems } from "./problems.ts";

/** TOML files beside the configuration: tables `[KIND]` and `[KIND.NAME]`, each of one schema. */

type Document = Readonly<Record<string, unknown>>;

export type NamedTables<Schema extends z.ZodType> = readonly (readonly [
  name: string,
  table: z.output<Schema>,
])[];

/** @throws EqlError CONFIG_INVALID: no TOML */
export function parseDocument(source: string, file: string): Document {
  try {
    return parse(source, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column, message } = error;
    throw new EqlError("CONFIG_INVALID", `${file}:${line}:${column}: not TOML: ${message.split("\n")[0]}`, {
      details: { source: file, line, column },
      cause: error,
    });
  }
}

export function rejectUnknownTables(document: Document, known: readonly string[], problems: Problems): void {
  rejectUnknown(document, known, [], problems);
}

/** All tables `[KIND.NAME]`; those with errors are told to `problems`, and left out. */
export function readNamedTables<Schema extends z.ZodObject>(
  schema: Schema,
  document: Document,
  kind: string,
  naming: z.ZodString,
  problems: Problems,
  secrets: readonly string[] = [],
): NamedTables<Schema> {
  const tables = document[kind] ?? {};
  if (!isTable(tables)) problems.addValue([kind], tables, `tables [${kind}.…]`);
  return Object.entries(tableOf(tables)).flatMap(([name, raw]) => {
    if (!naming.safeParse(name).success) problems.add([kind, name], `allowed: ${allowedBy(naming)}`);
    const table = readTable(schema, raw, [kind, name], problems, secrets);
    return table === undefined ? [] : [[name, table] as const];
  });
}

/** @param secrets keys whose values are not repeated in a message */
export function readTable<Schema extends z.ZodObject>(
  schema: Schema,
  raw: unknown,
  at: KeyPath,
  problems: Problems,
  secrets: readonly string[] = [],
): z.output<Schema> | undefined {
  if (!isTable(raw)) {
    problems.addValue(at, raw, "a table");
    return undefined;
  }
  const { shape } = schema;
  rejectUnknown(raw, Object.keys(shape), at, problems);
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  for (const key of new Set(result.error.issues.map((issue) => String(issue.path[0])))) {
    const allowed = allowedBy(shape[key]);
    if (secrets.includes(key)) problems.add([...at, key], `found something else than is allowed: ${allowed}`);
    else problems.addValue([...at, key], raw[key], allowed);
  }
  return undefined;
}

export const tableOf = (value: unknown): Document => (isTable(value) ? value : {});

const isTable = (value: unknown): value is Document =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

function rejectUnknown(table: Document, known: readonly string[], at: KeyPath, problems: Problems): void {
  for (const key of Object.keys(table)) {
    if (!known.includes(key)) problems.add([...at, key], `unknown key; allowed: ${known.join(", ")}`);
  }
}
