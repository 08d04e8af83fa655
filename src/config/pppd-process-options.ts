import {
  checked,
  command,
  ignored,
  integer,
  milliseconds,
  type PppdRule,
  processFlag,
  refused,
  settled,
  text,
} from "./pppd-rules.ts";

/** Options about the port and the process. */

const MOST = 65_535;

export const DEVICE_OPTIONS: Readonly<Record<string, PppdRule>> = {
  modem: processFlag({ modem: true }),
  local: processFlag({ modem: false }),
  crtscts: processFlag({ rtscts: true }),
  nocrtscts: processFlag({ rtscts: false }),
  "-crtscts": processFlag({ rtscts: false }),
  nocdtrcts: processFlag({ rtscts: false }),
  cdtrcts: ignored(0, "no driver of Linux has flow control by DTR and CTS"),
  xonxoff: refused(0, "flow control by XON and XOFF is not available: use crtscts"),
  lock: processFlag({ lock: true }),
  nolock: processFlag({ lock: false }),
  init: command("init"),
  connect: command("connect"),
  welcome: command("welcome"),
  disconnect: command("disconnect"),
  pty: command("pty"),
  notty: processFlag({ notty: true }),
  socket: refused(1, 'give pty "socat - TCP:HOST:PORT" instead'),
  "connect-delay": milliseconds((process, value) => {
    process.connectDelayMs = value;
  }, 1),
  sync: refused(0, "only asynchronous lines are known"),
  "stop-bits": checked(
    (value) => value === "1",
    "1",
    () => {},
  ),
  record: ignored(1, "`eql capture` records a line's packets"),
  datarate: ignored(1, "a line's rate is its speed"),
};

export const PROCESS_OPTIONS: Readonly<Record<string, PppdRule>> = {
  nodetach: processFlag({ detach: "never" }),
  "-detach": processFlag({ detach: "never" }),
  updetach: processFlag({ detach: "when-up" }),
  up_sdnotify: refused(0, "use nodetach and a service of another type"),
  persist: processFlag({ persist: true }),
  nopersist: processFlag({ persist: false }),
  demand: refused(0, "a line is brought up at once; dialing on demand is not available"),
  maxfail: integer(0, Number.MAX_SAFE_INTEGER, ({ process }, value) => {
    process.maxFail = value;
  }),
  holdoff: milliseconds((process, value) => {
    process.holdoffMs = value;
  }, 1000),
  idle: milliseconds((process, value) => {
    process.idleMs = value === 0 ? null : value;
  }, 1000),
  maxconnect: milliseconds((process, value) => {
    process.maxConnectMs = value === 0 ? null : value;
  }, 1000),
  "child-timeout": ignored(1, ""),
  debug: processFlag({ debug: true }),
  "-d": processFlag({ debug: true }),
  kdebug: ignored(1, "no kernel driver is used"),
  logfile: text(({ process }, file) => {
    process.log = { file };
  }),
  logfd: integer(0, MOST, ({ process }, fd) => {
    process.log = { fd };
  }),
  nolog: processFlag({ log: { to: "nowhere" } }),
  nologfd: processFlag({ log: { to: "nowhere" } }),
  dump: processFlag({ dump: "dump" }),
  dryrun: processFlag({ dump: "dryrun" }),
  linkname: checked(
    (value) => /^[^/\s]{1,64}$/.test(value),
    "a name without slash",
    ({ line, process }, value) => {
      process.linkName = value;
      line["link-name"] = value;
    },
  ),
  unit: integer(0, MOST, ({ process }, value) => {
    process.unit = value;
  }),
  ifname: checked(
    (value) => /^ppp\d{1,5}$/.test(value),
    "pppN",
    ({ process }, value) => {
      process.unit = Number(value.slice(3));
    },
  ),
  "hide-password": settled,
  "show-password": ignored(0, "passwords are never logged"),
  master_detach: ignored(0, "the daemon keeps a bundle while it has a line"),
  privgroup: ignored(1, "options have no privileges here"),
  plugin: refused(1, "plugins are not loaded"),
  ktune: ignored(0, "settings of the kernel are not changed"),
  noktune: settled,
  "enable-session": ignored(0, "sessions are not entered into wtmp"),
  set: ignored(1, "scripts get only the variables that docs/pppd.md lists"),
  unset: ignored(1, "scripts get only the variables that docs/pppd.md lists"),
  maxoctets: refused(1, "traffic is not limited"),
  mo: refused(1, "traffic is not limited"),
  "mo-direction": refused(1, "traffic is not limited"),
  "mo-timeout": refused(1, "traffic is not limited"),
  "active-filter": ignored(1, "every packet counts as activity"),
  "pass-filter": refused(1, "packets are not filtered: use the kernel's packet filter"),
};
