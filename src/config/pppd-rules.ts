import type { AuthProtocol } from "../ppp/settings.ts";
import type { PppdDraft, PppdProcess } from "./pppd-draft.ts";
import { parseInteger } from "./pppd-values.ts";

/**
 * What becomes of an option:
 * - `set`: it applies; the function returns what is wrong with the value, or nothing
 * - `ignored`: it is taken and changes nothing; `why` is the warning, empty when there is nothing to warn of
 * - `refused`: to go on without it would do something else than the user asked for, or be less safe
 */
export type PppdRule = { readonly takes: 0 | 1 } & (
  | { readonly kind: "set"; readonly set: (draft: PppdDraft, value: string) => string | undefined }
  | { readonly kind: "ignored"; readonly why: string }
  | { readonly kind: "refused"; readonly why: string }
);

type Process = PppdDraft["process"];
/** A timer of Node holds 31 bits. */
const MOST_MS = 2_147_483_000;

export const flag = (set: (draft: PppdDraft) => void): PppdRule => ({
  kind: "set",
  takes: 0,
  set: (draft) => {
    set(draft);
    return undefined;
  },
});
export const lineFlag = (key: string, value: boolean | string): PppdRule =>
  flag(({ line }) => {
    line[key] = value;
  });
export const processFlag = (change: Partial<PppdProcess>): PppdRule =>
  flag(({ process }) => void Object.assign(process, change));
export const text = (set: (draft: PppdDraft, value: string) => void): PppdRule => ({
  kind: "set",
  takes: 1,
  set: (draft, value) => {
    set(draft, value);
    return undefined;
  },
});
export const lineText = (key: string): PppdRule =>
  text(({ line }, value) => {
    line[key] = value;
  });
export const command = (key: "init" | "connect" | "welcome" | "disconnect" | "pty"): PppdRule =>
  text(({ process }, value) => {
    process[key] = value === "" ? null : value;
  });
export const checked = (
  fits: (value: string) => boolean,
  allowed: string,
  set: (draft: PppdDraft, value: string) => void,
): PppdRule => ({
  kind: "set",
  takes: 1,
  set: (draft, value) => {
    if (!fits(value)) return allowed;
    set(draft, value);
    return undefined;
  },
});
export const integer = (from: number, to: number, set: (draft: PppdDraft, value: number) => void): PppdRule =>
  checked(
    (value) => {
      const number = parseInteger(value);
      return number !== undefined && number >= from && number <= to;
    },
    to === Number.MAX_SAFE_INTEGER ? `an integer of at least ${from}` : `an integer from ${from} to ${to}`,
    (draft, value) => set(draft, parseInteger(value) as number),
  );
export const lineInteger = (key: string, from: number, to: number): PppdRule =>
  integer(from, to, ({ line }, value) => {
    line[key] = value;
  });
export const milliseconds = (set: (process: Process, value: number) => void, unit: number): PppdRule =>
  integer(0, MOST_MS / unit, ({ process }, value) => set(process, value * unit));
export const requires = (protocol: AuthProtocol): PppdRule =>
  flag((draft) => {
    draft.require.add(protocol);
    draft.authRequired = true;
  });
export const refuses = (protocol: AuthProtocol): PppdRule => flag(({ refuse }) => void refuse.add(protocol));
export const auth = (required: boolean): PppdRule =>
  flag((draft) => {
    draft.authRequired = required;
  });
export const ignored = (takes: 0 | 1, why: string): PppdRule => ({ kind: "ignored", takes, why });
export const refused = (takes: 0 | 1, why: string): PppdRule => ({ kind: "refused", takes, why });
/** What says no to something that is never done. */
export const settled: PppdRule = ignored(0, "");
