import { readFileSync } from "node:fs";
import * as z from "zod";
import { EqlError } from "../errors.ts";
import { allowing, integer, number, oneOf, path, text } from "./keys.ts";
import { Problems } from "./problems.ts";
import {
  type NamedTables,
  parseDocument,
  readNamedTables,
  readTable,
  rejectUnknownTables,
  tableOf,
} from "./toml-file.ts";

/** The configuration of a virtual telephone network: `[network]`, `[modem.NAME]` and `[number.DIGITS]`. */

const BITS = "bits per second";
const SHARE = "0.2 is a fifth";
const FATES = ["busy", "no-answer", "voice", "no-carrier"] as const;

const networkKeys = {
  seed: integer(0, 0xffff_ffff)
    .default(1)
    .describe("What chance begins with; the same seed makes the same network"),
  "setup-ms": integer(0, 60_000, "milliseconds")
    .default(1500)
    .describe("From the last digit to the first ring"),
  "training-ms": integer(0, 60_000, "milliseconds")
    .default(10_000)
    .describe("From the answer to the carrier"),
  "mean-call-minutes": number(0.01, 1_000_000, "minutes")
    .optional()
    .describe("How long calls live on average before they are cut; without it, until somebody hangs up"),
  "noise-one-in": integer(1, 1_000_000_000, "octets")
    .optional()
    .describe("On each line one octet of this many is spoiled, each way; without it, none"),
};

const modemKeys = {
  device: path("/tmp/ttyM0").describe("The symbolic link to make for the modem's device"),
  speed: integer(300, 4_000_000, BITS).default(115_200).describe("Of the port between host and modem"),
  carrier: integer(300, 4_000_000, BITS)
    .default(28_800)
    .describe("The fastest carrier it can make; two modems agree on the slower one's"),
};

const numberKeys = {
  modems: allowing(z.array(z.string()).min(1), 'names of modems in a list, such as ["isp1", "isp2"]')
    .optional()
    .describe("The first free one of them rings"),
  fate: oneOf(FATES).optional().describe("What becomes of all calls, instead of modems"),
  "busy-share": number(0, 1, SHARE)
    .default(0)
    .describe("How many calls meet a busy tone though a modem is free"),
  "no-carrier-share": number(0, 1, SHARE)
    .default(0)
    .describe("How many of the other calls are answered by no modem"),
};

/** Keys of each kind of table. */
export const PHONE_SCHEMAS = {
  network: z.object(networkKeys),
  modem: z.object(modemKeys),
  number: z.object(numberKeys),
} as const;

/** In the form that the lab takes. */
export interface PhonesConfig {
  readonly network: {
    readonly modems: readonly {
      readonly name: string;
      readonly portBps: number;
      readonly carrierBps: number;
    }[];
    readonly numbers: readonly {
      readonly number: string;
      readonly answers: readonly string[] | (typeof FATES)[number];
      readonly busyShare: number;
      readonly noCarrierShare: number;
    }[];
    readonly seed: number;
    readonly setupMs: number;
    readonly trainingMs: number;
    readonly meanCallMs: number | null;
    readonly noiseOneIn: number | null;
  };
  readonly links: readonly { readonly modem: string; readonly link: string }[];
}

const MODEM_NAME = text(/^[\w-]{1,32}$/, "a name of 1 to 32 letters, digits, - and _");
const PHONE_NUMBER = text(/^[0-9*#]{1,32}$/, "a number of 1 to 32 digits, * and #");

/** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID, listing everything that is wrong */
export function loadPhones(file: string): PhonesConfig {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (cause) {
    throw new EqlError("CONFIG_UNREADABLE", `cannot read ${file}: ${(cause as Error).message}`, {
      details: { file },
      cause,
    });
  }
  return parsePhones(source, file);
}

/** @throws EqlError CONFIG_INVALID, listing everything that is wrong */
export function parsePhones(source: string, file: string): PhonesConfig {
  const problems = new Problems(file);
  const document = parseDocument(source, file);
  rejectUnknownTables(document, Object.keys(PHONE_SCHEMAS), problems);
  const network = readTable(PHONE_SCHEMAS.network, document["network"] ?? {}, ["network"], problems);
  const modems = readNamedTables(PHONE_SCHEMAS.modem, document, "modem", MODEM_NAME, problems);
  const numbers = readNamedTables(PHONE_SCHEMAS.number, document, "number", PHONE_NUMBER, problems);
  const modemNames = Object.keys(tableOf(document["modem"]));
  if (document["modem"] === undefined)
    problems.add(["modem"], "there is none; give at least one as [modem.NAME]");
  checkModems(modems, problems);
  checkNumbers(numbers, modemNames, problems);
  problems.throwIfAny("CONFIG_INVALID");
  return complete(network as NonNullable<typeof network>, modems, numbers);
}

type NetworkTable = z.output<typeof PHONE_SCHEMAS.network>;
type Modems = NamedTables<typeof PHONE_SCHEMAS.modem>;
type Numbers = NamedTables<typeof PHONE_SCHEMAS.number>;

const complete = (network: NetworkTable, modems: Modems, numbers: Numbers): PhonesConfig => {
  const minutes = network["mean-call-minutes"];
  return {
    network: {
      modems: modems.map(([name, { speed, carrier }]) => ({ name, portBps: speed, carrierBps: carrier })),
      numbers: numbers.map(([digits, table]) => ({
        number: digits,
        answers: table.modems ?? table.fate ?? [],
        busyShare: table["busy-share"],
        noCarrierShare: table["no-carrier-share"],
      })),
      seed: network.seed,
      setupMs: network["setup-ms"],
      trainingMs: network["training-ms"],
      meanCallMs: minutes === undefined ? null : minutes * 60_000,
      noiseOneIn: network["noise-one-in"] ?? null,
    },
    links: modems.map(([modem, { device }]) => ({ modem, link: device })),
  };
};

function checkModems(modems: Modems, problems: Problems): void {
  for (const [at, [name, { device, speed, carrier }]] of modems.entries()) {
    const other = modems.slice(0, at).find(([, table]) => table.device === device);
    if (other !== undefined) problems.add(["modem", name, "device"], `modem ${other[0]} has it already`);
    if (carrier > speed)
      problems.addValue(["modem", name, "carrier"], carrier, `at most ${speed}, the port's speed`);
  }
}

function checkNumbers(numbers: Numbers, modems: readonly string[], problems: Problems): void {
  for (const [digits, table] of numbers) {
    if ((table.modems === undefined) === (table.fate === undefined)) {
      problems.add(["number", digits], "give either modems or fate");
    }
    for (const [at, modem] of (table.modems ?? []).entries()) {
      if (!modems.includes(modem)) {
        problems.addValue(["number", digits, "modems", at], modem, `a modem: ${modems.join(", ")}`);
      }
    }
  }
}
