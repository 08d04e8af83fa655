import type { AuthProtocol } from "../ppp/settings.ts";

/** What `eql pppd` does itself: everything about its device, its scripts and its own life. */
export interface PppdProcess {
  /** Path; null: the terminal on standard input, or a pty made for `pty` or `notty`. */
  readonly device: string | null;
  /** Bits per second; null: as the port is set. */
  readonly speedBps: number | null;
  /** Null: as the port is set. */
  readonly rtscts: boolean | null;
  /** Whether carrier and DTR mean anything. */
  readonly modem: boolean;
  readonly lock: boolean;
  /** Shell commands; null: none. */
  readonly init: string | null;
  readonly connect: string | null;
  readonly welcome: string | null;
  readonly disconnect: string | null;
  readonly pty: string | null;
  /** Standard input and output are the line. */
  readonly notty: boolean;
  /** When it goes into the background. */
  readonly detach: "now" | "when-up" | "never";
  readonly persist: boolean;
  /** Attempts in a row without success before it gives up; 0: any number. */
  readonly maxFail: number;
  /** Null: 30 s when there is a connect script, else none. */
  readonly holdoffMs: number | null;
  readonly connectDelayMs: number;
  /** Null: no limit. */
  readonly idleMs: number | null;
  readonly maxConnectMs: number | null;
  readonly debug: boolean;
  readonly log: { readonly to: "stdout" | "nowhere" } | { readonly file: string } | { readonly fd: number };
  readonly linkName: string | null;
  readonly unit: number | null;
  /** Whether the address of this host's name serves as ours when none is given. */
  readonly addressByHostName: boolean;
  /** Tell the options; `dryrun` does nothing else. */
  readonly dump: "no" | "dump" | "dryrun";
}

/** Options as they are read, one after the other; what is said later counts. */
export class PppdDraft {
  /** Keys of `[line.NAME]`. */
  readonly line: Record<string, unknown> = {};
  readonly process: { -readonly [Key in keyof PppdProcess]: PppdProcess[Key] } = {
    device: null,
    speedBps: null,
    rtscts: null,
    modem: true,
    lock: false,
    init: null,
    connect: null,
    welcome: null,
    disconnect: null,
    pty: null,
    notty: false,
    detach: "now",
    persist: false,
    maxFail: 10,
    holdoffMs: null,
    connectDelayMs: 1000,
    idleMs: null,
    maxConnectMs: null,
    debug: false,
    log: { to: "stdout" },
    linkName: null,
    unit: null,
    addressByHostName: true,
    dump: "no",
  };
  readonly require = new Set<AuthProtocol>();
  readonly refuse = new Set<AuthProtocol>();
  authRequired = false;
  /** Ored together; null: none was given. */
  asyncMap: number | null = null;
  defaultAsyncMap = false;
  readonly dns: string[] = [];
  /** About the option that is being read. */
  readonly warnings: string[] = [];
  echoIntervalSeconds = 0;
  echoFailures = 0;
  name: string | null = null;
  useHostName = false;
  domain = "";
}
