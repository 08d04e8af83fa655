import { InvalidArgumentError, Option } from "commander";
import { chosenKind } from "../config/tunnel-words.ts";
import type { Redundant } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import { parseNumber, parseWhole } from "./numbers.ts";

/** Options and argument checks that several commands share. */

export interface SocketOption {
  readonly socket?: string;
}

export const socketOption = (): Option =>
  new Option("--socket <PATH>", "control socket of the daemon (default: EQL_SOCKET, else /run/eql/eql.sock)");

/** A check for commander: a value that is not allowed is wrong usage. */
const asUsage =
  (parse: (text: string) => number): ((text: string) => number) =>
  (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof EqlError ? new InvalidArgumentError(error.message) : error;
    }
  };

export const whole = (name: string, minimum: number, maximum: number): ((text: string) => number) =>
  asUsage((text) => parseWhole(name, text, minimum, maximum));

export const number = (name: string, minimum: number, maximum: number): ((text: string) => number) =>
  asUsage((text) => parseNumber(name, text, minimum, maximum));

/** A check for commander: which packets go by two paths. */
export function redundant(text: string): Redundant {
  if (text === "on" || text === "off") return text === "on";
  return text.split(",").map((word) => {
    const kind = chosenKind(word);
    if (kind !== null) return kind;
    throw new InvalidArgumentError(
      `"${word}" is no kind of packets; allowed: on, off, or sparse and code points such as ef, af41 or 46, with commas between them`,
    );
  });
}

/** A part of a request's path. */
export const segment = (name: string): string => encodeURIComponent(name);
