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

const BYTES = /^([0-9A-Fa-f]{1,2}([.:]|(?=[0-9A-Fa-f])|$)){0,20}$/;

/** `null`, or a class by name or number, a colon, and octets or an IPv4 address. */
export function isEndpoint(text: string): boolean {
  if (text === "null") return true;
  const [, type = "", value = ""] = /^(local|ip|mac|magic|phone|\d{1,3}):(.*)$/i.exec(text) ?? [];
  if (type === "") return false;
  if (/^ip$/i.test(type)) return isIPv4(value);
  return BYTES.test(value) && (!/^mac$/i.test(type) || value.replace(/[.:]/g, "").length === 12);
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
