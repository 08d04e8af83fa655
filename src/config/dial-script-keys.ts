import * as z from "zod";
import type { DialCase, DialOutcome, DialScript, DialStep } from "../dial/dial-script.ts";
import { allowing, flag, number, oneOf, text } from "./keys.ts";

/** The tables `[[dial.NAME.script]]`: steps of the script language, each of which does one thing. */

const OUTCOMES = [
  "ok",
  "busy",
  "no-answer",
  "no-carrier",
  "no-dialtone",
  "voice",
  "modem",
  "timeout",
  "aborted",
  "refused",
] as const satisfies readonly DialOutcome[];

const expected = (): z.ZodString => text(/^[\0-\x7f]{1,255}$/, "a text of 1 to 255 ASCII characters");
const sent = (): z.ZodString => text(/^[\0-\xff]{0,255}$/, "a text of at most 255 characters");
const seconds = (from: number): z.ZodNumber => number(from, 3600, "seconds");
const yes = (): z.ZodLiteral<true> => allowing(z.literal(true), "true");
const branch = (): z.ZodLazy<z.ZodType<DialScript>> =>
  allowing(
    z.lazy(() => script),
    "a list of steps",
  );

const choice: z.ZodType<DialCase> = z
  .strictObject({ text: expected(), steps: branch().optional(), end: oneOf(OUTCOMES).optional() })
  .refine((found) => found.steps === undefined || found.end === undefined, {
    error: "it has both `steps` and `end`",
  });

/** What a step does, by the key that says it; other keys belong to one of these. */
const ACTIONS = ["send", "dial", "expect", "abort", "timeout", "pause", "break", "hang-up", "end"] as const;
const BELONGS: Readonly<Record<string, readonly string[]>> = {
  send: ["raw", "secret"],
  expect: ["timeout", "otherwise"],
};

const step = z
  .strictObject({
    send: sent().optional(),
    raw: flag().optional(),
    secret: flag().optional(),
    dial: sent().optional(),
    expect: z.union([expected(), z.array(z.union([expected(), choice])).min(1)]).optional(),
    otherwise: branch().optional(),
    abort: z.union([expected(), z.array(expected()).min(1)]).optional(),
    timeout: seconds(0.1).optional(),
    pause: seconds(0).optional(),
    break: yes().optional(),
    "hang-up": yes().optional(),
    end: oneOf(OUTCOMES).optional(),
  })
  .superRefine((found, context) => {
    const fault = stepFault(Object.keys(found));
    if (fault !== null) context.addIssue({ code: "custom", message: fault });
  }) as unknown as z.ZodType<DialStep>; // the fault says that it is one of its forms

const script: z.ZodType<DialScript> = z.array(step);

function stepFault(keys: readonly string[]): string | null {
  const [action, other] = ACTIONS.filter((name) => keys.includes(name)).filter(
    (name, _, all) => name !== "timeout" || !all.includes("expect"),
  );
  if (action === undefined) return "it does nothing";
  if (other !== undefined) return `it does two things, \`${action}\` and \`${other}\``;
  const stray = keys.find((key) => key !== action && BELONGS[action]?.includes(key) !== true);
  return stray === undefined ? null : `\`${stray}\` does not belong to \`${action}\``;
}

/** A script, step by step. */
export const dialScript = (): z.ZodType<DialScript> =>
  allowing(script, 'a list of steps, such as [{ expect = "ogin:" }, { send = "joe" }]');
