import { EqlError } from "../errors.ts";

/** The fastest line that can be named, in bits per second. */
export const MAX_BPS = 1e10;

/**
 * A whole number as a person writes it: digits and nothing else.
 * @throws EqlError REQUEST_INVALID that says what was found and what is allowed
 */
export function parseWhole(name: string, text: string, minimum: number, maximum: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new EqlError(
    "REQUEST_INVALID",
    `${name} is "${text}"; allowed: a whole number from ${minimum} to ${maximum}`,
  );
}

/** As parseWhole, for numbers that may have a fraction. */
export function parseNumber(name: string, text: string, minimum: number, maximum: number): number {
  const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new EqlError(
    "REQUEST_INVALID",
    `${name} is "${text}"; allowed: a number from ${minimum} to ${maximum}`,
  );
}
