import * as z from "zod";
import { dialScript } from "./dial-script-keys.ts";
import { allowing, flag, integer, number, path, text } from "./keys.ts";

/** The keys of `[dial.NAME]`: how somebody is called, and when. */

const phoneNumber = (): z.ZodString =>
  text(
    /^[0-9A-Za-z*#,;!@+() .&-]{1,64}$/,
    'a number as the modem takes it, such as "5551000" or "0,5551000"',
  );
const line = (): z.ZodString => text(/^[ -~]{1,255}$/, "a text of 1 to 255 ASCII characters");
const program = (): z.ZodString => text(/^[^\0\n]{1,4095}$/, "a command for the shell, in one line");

/** What a line may dial, in turn. */
export const phoneNumbers = (): z.ZodArray<z.ZodString> =>
  allowing(z.array(phoneNumber()).min(1).max(64), 'numbers in a list, such as ["5551000", "5551001"]');

const dialKeys = {
  numbers: phoneNumbers()
    .optional()
    .describe("Numbers that are dialed in turn (a hunt group); a line may have its own instead"),
  connect: program()
    .optional()
    .describe(
      "A command that dials and logs in, with the line as standard input and output, as pppd's; it exits with 0 when that is done",
    ),
  chat: path("/etc/ppp/chat-isp").optional().describe("A script of chat(8) that dials and logs in"),
  "modem-init": allowing(z.array(line()).max(16), 'commands in a list, such as ["AT&F", "AT&C1&D2"]')
    .default(["ATZ", "AT&C1&D2"])
    .describe("What the modem is told before it dials, each command answered by OK"),
  "dial-command": line().default("ATDT").describe("What stands before the number"),
  "carrier-wait": number(1, 600, "seconds")
    .default(90)
    .describe("How long the modem may take from dialing to CONNECT"),
  direct: flag().default(false).describe("Whether the line is no modem: it begins with the login"),
  user: line().optional().describe("The name for the login; without it, there is no login"),
  password: allowing(z.string(), "a text").optional().describe("The password for the login"),
  "password-file": path("/etc/eql/isp.password")
    .optional()
    .describe("A file whose first line is the password; only its owner may have access to it"),
  "login-prompt": line().default("ogin:").describe("What the far side says when it wants the name"),
  "password-prompt": line().default("assword:").describe("What it says when it wants the password"),
  "login-wait": number(1, 600, "seconds").default(60).describe("How long the login may take"),
  "login-command": line().optional().describe('What is said once logged in, such as "ppp"'),
  "login-ready": line().optional().describe("What the far side says to that before the link begins"),
  script: dialScript()
    .optional()
    .describe("Instead of the login, what is said and expected, step by step; or with direct, all of it"),
  "redial-pause": number(0.1, 3600, "seconds")
    .default(2)
    .describe("Pause before the next attempt; each one that fails makes it longer"),
  "longest-redial-pause": number(0.1, 86_400, "seconds").default(60).describe("It grows no longer than this"),
  attempts: integer(1, 1_000_000)
    .optional()
    .describe("How many attempts may fail in a row before the line is given up; without it, all"),
  "link-wait": number(1, 600, "seconds")
    .default(60)
    .describe("How long the link may take from the login until it carries packets"),
  "session-limit": number(1, 10_000_000, "seconds")
    .optional()
    .describe("How long a call may last; then it is hung up, and dialed again if it is wanted"),
  demand: flag()
    .default(false)
    .describe("Whether a line without a master is dialed when there are packets for it, and not before"),
  "idle-limit": number(1, 10_000_000, "seconds")
    .optional()
    .describe("After so long without packets a line without a master hangs up until there are some"),
} as const;

export const dialSchema = allowing(z.strictObject(dialKeys), "a table");
export type DialTable = z.output<typeof dialSchema>;
