import type { EmancipateRequest, EnslaveRequest } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import { ControlClient, type Method, socketPath } from "./control-client.ts";
import { MAX_BPS, parseWhole } from "./numbers.ts";

/**
 * The executables of 1995: nothing on success and 0, one message on stderr and 1 on any error. Scripts of the time call
 * them, so they load nothing but what they need.
 */

async function run(program: string, ask: () => [Method, string, object]): Promise<number> {
  try {
    await new ControlClient(socketPath()).request(...ask());
    return 0;
  } catch (error) {
    if (!(error instanceof EqlError)) throw error;
    process.stderr.write(`${program}: ${error.message}\n`);
    return 1;
  }
}

const usage = (text: string): EqlError => new EqlError("REQUEST_INVALID", `usage: ${text}`);

/** `eql_enslave MASTER SLAVE BPS` @returns the exit code */
export const eqlEnslave = (args: readonly string[]): Promise<number> =>
  run("eql_enslave", () => {
    const [master, slave, bps] = args;
    if (master === undefined || slave === undefined || bps === undefined || args.length > 3) {
      throw usage("eql_enslave MASTER SLAVE BPS, such as `eql_enslave eql sl0 28800`");
    }
    const body: EnslaveRequest = { master, slave, bps: parseWhole("BPS", bps, 1, MAX_BPS) };
    return ["POST", "/enslave", body];
  });

/** `eql_emancipate MASTER SLAVE` @returns the exit code */
export const eqlEmancipate = (args: readonly string[]): Promise<number> =>
  run("eql_emancipate", () => {
    const [master, slave] = args;
    if (master === undefined || slave === undefined || args.length > 2) {
      throw usage("eql_emancipate MASTER SLAVE, such as `eql_emancipate eql sl0`");
    }
    const body: EmancipateRequest = { master, slave };
    return ["POST", "/emancipate", body];
  });
