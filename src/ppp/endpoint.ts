import type { Endpoint } from "./settings.ts";

/** Names of the classes of endpoint discriminators, by number (RFC 1990, section 5.1.3). */
export const ENDPOINT_CLASSES: readonly string[] = ["null", "local", "IP", "MAC", "magic", "phone"];
const IP = 2;
const MAC = 3;

/** As pppd writes and takes it, such as "local:01.23"; empty: there is none. */
export function endpointText(endpoint: Endpoint | null): string {
  if (endpoint === null) return "";
  const { class: kind, address } = endpoint;
  const hex = [...address].map((octet) => octet.toString(16).padStart(2, "0"));
  const text = kind === IP ? address.join(".") : hex.join(kind === MAC ? ":" : ".");
  return `${ENDPOINT_CLASSES[kind] ?? kind}:${text}`;
}
