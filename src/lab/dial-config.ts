import { FAR_ADDRESS, NEAR_ADDRESS, noSecrets, type SideFiles } from "./bond-config.ts";

/** What the two sides of a telephone call are told: a home that dials, and a provider's terminal server. */

/** The provider's hunt group. */
export const NUMBER = "5551000";
const USER = "joe";
/** Said on virtual lines only. */
export const PASSWORD = "open-sesame";
/** Between a computer and its modem, as people of 1995 set it: above the carrier. */
export const PORT_BPS = 115_200;
/** Lines of the home and of the provider. */
export const nearLine = (index: number): string => `ppp${index}`;
export const farLine = (index: number): string => `tty${index}`;

/** The file of users of the far side. */
export const usersFile = (passwordHash: string, mtu: number, lines: number): string =>
  toml(`[user.${USER}]`, {
    password: passwordHash,
    protocol: "ppp",
    address: NEAR_ADDRESS,
    mtu,
    "max-lines": lines,
  });

const daemonTable = ({ socket, lockDirectory }: SideFiles): string =>
  toml("[daemon]", { socket, "lock-directory": lockDirectory });

/** Modems that dial, log in, and are one interface, whose address the provider gives. */
export const nearConfig = (files: SideFiles, mtu: number): string =>
  [
    daemonTable(files),
    toml("[master.eql]", { mtu }),
    toml("[dial.provider]", { numbers: [NUMBER], user: USER, password: PASSWORD }),
    ...files.devices.map((device, index) =>
      toml(`[line.${nearLine(index)}]`, {
        device,
        speed: PORT_BPS,
        protocol: "ppp",
        dial: "provider",
        master: "eql",
        ...noSecrets(files),
      }),
    ),
  ].join("\n");

/** Modems that answer, and let in whom the users' file knows. */
export const farConfig = (files: SideFiles, mtu: number, users: string): string =>
  [
    daemonTable(files),
    toml("[answer.modems]", { address: FAR_ADDRESS, users, banner: "\nA terminal server of 1995\n" }),
    ...files.devices.map((device, index) =>
      toml(`[line.${farLine(index)}]`, {
        device,
        speed: PORT_BPS,
        mtu,
        role: "answer",
        answer: "modems",
        ...noSecrets(files),
      }),
    ),
  ].join("\n");

/** A table whose values are TOML as they are JSON: numbers, texts of ASCII, lists of them. */
const toml = (title: string, keys: Readonly<Record<string, string | number | readonly string[]>>): string =>
  [title, ...Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`), ""].join("\n");
