import type { DialFailure } from "./dialogue.ts";

/**
 * The script language of the configuration, as its tables are: steps in their order, each of which does one thing.
 *
 * Texts are ASCII where they are expected, and latin1 where they are sent. Times are in seconds.
 */
export type DialScript = readonly DialStep[];

export type DialStep =
  /** Sends a text, with a carriage return unless `raw`. `secret`: not shown. */
  | { readonly send: string; readonly raw?: boolean | undefined; readonly secret?: boolean | undefined }
  /** Sends this and the number, with a carriage return. */
  | { readonly dial: string }
  | DialExpect
  /** From here on, an expect fails when one of these comes. */
  | { readonly abort: string | readonly string[] }
  /** How long the expects that follow wait. */
  | { readonly timeout: number }
  | { readonly pause: number }
  | { readonly break: true }
  /** The modem is brought back to commands, and told to hang up. */
  | { readonly "hang-up": true }
  | { readonly end: DialOutcome };

/** Waits until one of several texts comes, and goes on with what belongs to it. */
export interface DialExpect {
  readonly expect: string | readonly (string | DialCase)[];
  readonly timeout?: number | undefined;
  /** What is done when none comes in time; undefined: the script fails. */
  readonly otherwise?: DialScript | undefined;
}

export interface DialCase {
  readonly text: string;
  /** Before the script goes on behind the expect. */
  readonly steps?: DialScript | undefined;
  /** Or the end. */
  readonly end?: DialOutcome | undefined;
}

/** How a script says that it ends. */
export type DialOutcome = "ok" | Exclude<DialFailure, "command" | "broken">;

/** What is not to be shown of a script, nor when the far side repeats it. */
export function scriptSecrets(script: DialScript): string[] {
  return script.flatMap((step) => {
    if ("send" in step) return step.secret === true ? [step.send] : [];
    if (!("expect" in step)) return [];
    const cases = typeof step.expect === "string" ? [] : step.expect;
    const branches = cases.map((choice) => (typeof choice === "string" ? [] : (choice.steps ?? [])));
    return [...branches, step.otherwise ?? []].flatMap(scriptSecrets);
  });
}
