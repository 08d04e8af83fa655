import { REGISTERS } from "./modem-registers.ts";

/** One command of a line that began with AT. */
export type ModemCommand =
  /** A letter, with `&`, `%` or `\` before it if need be, and its number (0 when left out). */
  | { readonly kind: "plain"; readonly name: string; readonly value: number }
  | { readonly kind: "dial"; readonly text: string }
  | { readonly kind: "store"; readonly slot: number; readonly text: string }
  | { readonly kind: "select"; readonly register: number }
  | { readonly kind: "set"; readonly register: number | null; readonly value: number }
  | { readonly kind: "show"; readonly register: number | null }
  | { readonly kind: "error" };

/** The largest number that each command takes. Some are of no effect here, as they were on many modems. */
const LARGEST: Readonly<Record<string, number>> = {
  A: 0,
  B: 31,
  C: 1,
  E: 1,
  F: 10,
  H: 1,
  I: 9,
  L: 3,
  M: 3,
  N: 5,
  O: 1,
  P: 0,
  Q: 1,
  T: 0,
  V: 1,
  W: 2,
  X: 4,
  Y: 1,
  Z: 1,
  "&B": 2,
  "&C": 1,
  "&D": 3,
  "&F": 2,
  "&G": 2,
  "&H": 3,
  "&I": 2,
  "&K": 6,
  "&L": 1,
  "&M": 5,
  "&N": 31,
  "&P": 3,
  "&Q": 6,
  "&R": 2,
  "&S": 2,
  "&V": 0,
  "&W": 1,
  "&X": 2,
  "&Y": 1,
  "%C": 3,
  "%E": 2,
  "%L": 1,
  "\\A": 3,
  "\\G": 1,
  "\\J": 1,
  "\\K": 5,
  "\\N": 7,
  "\\Q": 3,
  "\\V": 2,
};

const STORED_NUMBERS = 4;
const ERROR: ModemCommand = { kind: "error" };

/**
 * The commands of a line, without its AT: those up to the first wrong one, for which an error stands.
 * @param line in capital letters, without spaces
 */
export function parseCommands(line: string): ModemCommand[] {
  const commands: ModemCommand[] = [];
  let rest = line;
  while (rest !== "") {
    const [command, length] = first(rest);
    commands.push(command);
    if (command.kind === "error") break;
    rest = rest.slice(length);
  }
  return commands;
}

function first(rest: string): readonly [ModemCommand, length: number] {
  if (rest.startsWith("D")) return [{ kind: "dial", text: rest.slice(1) }, rest.length];
  const [stored, slot = "", text = ""] = /^&Z(\d?)=([^;]*)/.exec(rest) ?? [];
  if (stored !== undefined) {
    const number = Number(slot);
    return number < STORED_NUMBERS ? [{ kind: "store", slot: number, text }, rest.length] : [ERROR, 0];
  }
  const [register, name] = /^(?:S(\d*))?(?==|\?)/.exec(rest) ?? [];
  if (register !== undefined) return registerCommand(rest, register.length, name);
  const [selected, number = ""] = /^S(\d*)/.exec(rest) ?? [];
  if (selected !== undefined) {
    return Number(number) < REGISTERS
      ? [{ kind: "select", register: Number(number) }, selected.length]
      : [ERROR, 0];
  }
  const [plain, letter = "", digits = ""] = /^([&%\\]?[A-Z])(\d*)/.exec(rest) ?? [];
  const largest = Object.hasOwn(LARGEST, letter) ? LARGEST[letter] : undefined;
  if (plain === undefined || largest === undefined || Number(digits) > largest) return [ERROR, 0];
  return [{ kind: "plain", name: letter, value: Number(digits) }, plain.length];
}

/** `S7=50`, `S7?`, and `=50`, `?` of the register that was named last. */
function registerCommand(rest: string, at: number, name: string | undefined): [ModemCommand, number] {
  const register = name === undefined ? null : Number(name);
  if (register !== null && register >= REGISTERS) return [ERROR, 0];
  if (rest[at] === "?") return [{ kind: "show", register }, at + 1];
  const digits = /^\d*/.exec(rest.slice(at + 1))?.[0] ?? "";
  const value = Number(digits);
  return value <= 255 ? [{ kind: "set", register, value }, at + 1 + digits.length] : [ERROR, 0];
}
