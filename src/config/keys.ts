import * as z from "zod";
import { addressFault, networkFault } from "./network.ts";

/** What keys are made of: a check, and in words what it allows, which error messages and docs/configuration.md say. */
export const allowing = <Schema extends z.ZodType>(schema: Schema, allowed: string): Schema =>
  schema.meta({ allowed });

/** What a key may hold, in words. */
export function allowedBy(schema: z.core.$ZodType | undefined): string {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return allowedBy(schema.unwrap());
  return schema instanceof z.ZodType ? String(schema.meta()?.["allowed"]) : "nothing";
}

export const integer = (from: number, to: number, unit?: string): z.ZodInt =>
  allowing(
    z.int().min(from).max(to),
    `an integer from ${from} to ${to}${unit === undefined ? "" : ` (${unit})`}`,
  );
export const number = (from: number, to: number, unit: string): z.ZodNumber =>
  allowing(z.number().min(from).max(to), `a number from ${from} to ${to} (${unit})`);
export const oneOf = <const Name extends string>(names: readonly Name[]): z.ZodEnum<{ [N in Name]: N }> =>
  allowing(z.enum(names), names.map((name) => `"${name}"`).join(", ")) as z.ZodEnum<{ [N in Name]: N }>;
export const flag = (): z.ZodBoolean => allowing(z.boolean(), "true or false");
export const text = (pattern: RegExp, allowed: string): z.ZodString =>
  allowing(z.string().regex(pattern), allowed);
export const path = (example: string, most = 4095): z.ZodString =>
  allowing(
    z
      .string()
      .regex(/^\/[ -~\u00a0-\uffff]*$/)
      .max(most),
    `an absolute path of at most ${most} characters, such as "${example}"`,
  );

/** A text without fault. The fault becomes part of the message; `editor` says about the same to JSON Schema. */
export const faultless = (
  fault: (text: string) => string | null,
  editor: Record<string, unknown>,
): z.ZodString =>
  z
    .string()
    .refine((value) => fault(value) === null, { error: (issue) => fault(String(issue.input)) ?? "" })
    .meta(editor);
export const address = (): z.ZodString =>
  allowing(
    faultless(addressFault, { anyOf: [{ format: "ipv4" }, { format: "ipv6" }] }),
    "an IPv4 or IPv6 address",
  );
export const networks = (): z.ZodArray<z.ZodString> =>
  allowing(
    z.array(faultless(networkFault, { pattern: "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$" })),
    'networks in a list, such as ["192.168.7.0/24", "fd00:7::/64"]',
  );
