import { readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";

/** How pppd reads the values of its options. Each gives undefined for what it does not take. */

/** As strtoul with base 0: decimal, 0x…, or 0… in octal; below 0 is read and lies outside of any range. */
export function parseInteger(text: string): number | undefined {
  const [, sign = "", digits = ""] = /^([+-]?)(0[xX][0-9A-Fa-f]+|\d+)$/.exec(text.trim()) ?? [];
  if (digits === "") return undefined;
  const octal = /^0[0-7]+$/.test(digits);
  if (!octal && /^0\d/.test(digits)) return undefined;
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  return sign === "-" ? -value : value;
}

/** A map of control characters: hexadecimal, with or without 0x. */
export function parseMap(text: string): number | undefined {
  return /^(0[xX])?[0-9A-Fa-f]{1,8}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** In the order of their numbers (RFC 1990, section 5.1.3). */
const CLASSES: readonly string[] = ["null", "local", "IP", "MAC", "magic", "phone"];

/**
 * An endpoint discriminator as pppd takes it: `null`, or a class by its name or number, a colon, and an IPv4 address, the name
 * of an Ethernet interface (MAC), or octets in hexadecimal. @returns the same as the configuration file has it
 */
export function parseEndpoint(text: string): string | undefined {
  const [, type = "", value = ""] = /^([A-Za-z]+|\d)(?::(.*))?$/.exec(text) ?? [];
  const kind = CLASSES.find(
    (name, number) => name.toLowerCase() === type.toLowerCase() || String(number) === type,
  );
  if (kind === undefined || (kind !== "null" && !text.includes(":"))) return undefined;
  if (kind === "null") return value === "" ? "null" : undefined;
  if (kind === "IP") return isIPv4(value) ? `IP:${value}` : undefined;
  const octets = kind === "MAC" && isInterface(value) ? octetsOf(hardwareAddress(value)) : octetsOf(value);
  if (octets === undefined || octets.length > 20 || (kind === "MAC" && octets.length !== 6)) return undefined;
  if (kind !== "phone")
    return `${kind}:${octets.map((octet) => octet.toString(16).padStart(2, "0")).join(".")}`;
  const number = String.fromCharCode(...octets);
  return /^[\d ]*$/.test(number) ? `phone:${number}` : undefined;
}

/** Hexadecimal digits, one or two for each octet, separated or not. */
function octetsOf(text: string): number[] | undefined {
  if (!/^([0-9A-Fa-f]{1,2}[.:]?)*$/.test(text)) return undefined;
  return Array.from(text.matchAll(/[0-9A-Fa-f]{1,2}/g), ([digits]) => Number.parseInt(digits, 16));
}

const isInterface = (name: string): boolean =>
  /^[A-Za-z][A-Za-z0-9_-]{1,14}$/.test(name) && !/^[0-9A-Fa-f]{12}$/.test(name);

function hardwareAddress(name: string): string {
  try {
    return readFileSync(`/sys/class/net/${name}/address`, "latin1").trim();
  } catch {
    return "no such interface";
  }
}

/** LOCAL,REMOTE: 64 bits each as the end of an IPv6 address, such as `::1`; either may be missing. */
export function parseIdentifiers(text: string): readonly [local: string, remote: string] | undefined {
  const [local = "", remote = "", ...more] = text.split(",");
  const fits = (one: string): boolean => one === "" || (isIPv6(one) && upperHalfIsZero(one));
  return more.length === 0 && fits(local) && fits(remote) ? [local, remote] : undefined;
}

function upperHalfIsZero(address: string): boolean {
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1); // shortest form, without a dotted end
  const [head = "", tail] = canonical.split("::");
  const count = (part: string): number => (part === "" ? 0 : part.split(":").length);
  if (tail === undefined)
    return head
      .split(":")
      .slice(0, 4)
      .every((group) => group === "0");
  const groups = [...(head === "" ? [] : head.split(":")), ...Array(8 - count(head) - count(tail)).fill("0")];
  return [...groups, ...(tail === "" ? [] : tail.split(":"))].slice(0, 4).every((group) => group === "0");
}
