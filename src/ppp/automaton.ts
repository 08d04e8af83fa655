/** States of the option negotiation automaton (RFC 1661, section 4.2). */
export type CpState =
  | "initial"
  | "starting"
  | "closed"
  | "stopped"
  | "closing"
  | "stopping"
  | "reqSent"
  | "ackRcvd"
  | "ackSent"
  | "opened";

/** Events (RFC 1661, section 4.3) by the RFC's abbreviations; a sign is spelled out. */
export type CpEvent =
  | "up"
  | "down"
  | "open"
  | "close"
  | "toPlus"
  | "toMinus"
  | "rcrPlus"
  | "rcrMinus"
  | "rca"
  | "rcn"
  | "rtr"
  | "rta"
  | "ruc"
  | "rxjPlus"
  | "rxjMinus"
  | "rxr";

/** Actions (RFC 1661, section 4.4) by the RFC's abbreviations. */
export type CpAction =
  | "tlu"
  | "tld"
  | "tls"
  | "tlf"
  | "irc"
  | "zrc"
  | "scr"
  | "sca"
  | "scn"
  | "str"
  | "sta"
  | "scj"
  | "ser";

/** The RFC's footnotes: [p] passive option, [r] restart option, [x] crossed connection. */
type Note = "passive" | "restart" | "crossed";

export interface Transition {
  readonly next: CpState;
  readonly actions: readonly CpAction[];
  readonly note?: Note;
}

const to = (next: CpState, ...actions: CpAction[]): Transition => ({ next, actions });
const noted = (note: Note, next: CpState, ...actions: CpAction[]): Transition => ({ next, actions, note });

/** RFC 1661, section 4.1, cell for cell. Null is the RFC's "-": the event cannot occur in that state. */
export const TRANSITIONS: Readonly<Record<CpEvent, Readonly<Record<CpState, Transition | null>>>> = {
  up: {
    initial: to("closed"),
    starting: to("reqSent", "irc", "scr"),
    closed: null,
    stopped: null,
    closing: null,
    stopping: null,
    reqSent: null,
    ackRcvd: null,
    ackSent: null,
    opened: null,
  },
  down: {
    initial: null,
    starting: null,
    closed: to("initial"),
    stopped: to("starting", "tls"),
    closing: to("initial"),
    stopping: to("starting"),
    reqSent: to("starting"),
    ackRcvd: to("starting"),
    ackSent: to("starting"),
    opened: to("starting", "tld"),
  },
  open: {
    initial: to("starting", "tls"),
    starting: to("starting"),
    closed: to("reqSent", "irc", "scr"),
    stopped: noted("restart", "stopped"),
    closing: noted("restart", "stopping"),
    stopping: noted("restart", "stopping"),
    reqSent: to("reqSent"),
    ackRcvd: to("ackRcvd"),
    ackSent: to("ackSent"),
    opened: noted("restart", "opened"),
  },
  close: {
    initial: to("initial"),
    starting: to("initial", "tlf"),
    closed: to("closed"),
    stopped: to("closed"),
    closing: to("closing"),
    stopping: to("closing"),
    reqSent: to("closing", "irc", "str"),
    ackRcvd: to("closing", "irc", "str"),
    ackSent: to("closing", "irc", "str"),
    opened: to("closing", "tld", "irc", "str"),
  },
  toPlus: {
    initial: null,
    starting: null,
    closed: null,
    stopped: null,
    closing: to("closing", "str"),
    stopping: to("stopping", "str"),
    reqSent: to("reqSent", "scr"),
    ackRcvd: to("reqSent", "scr"),
    ackSent: to("ackSent", "scr"),
    opened: null,
  },
  toMinus: {
    initial: null,
    starting: null,
    closed: null,
    stopped: null,
    closing: to("closed", "tlf"),
    stopping: to("stopped", "tlf"),
    reqSent: noted("passive", "stopped", "tlf"),
    ackRcvd: noted("passive", "stopped", "tlf"),
    ackSent: noted("passive", "stopped", "tlf"),
    opened: null,
  },
  rcrPlus: {
    initial: null,
    starting: null,
    closed: to("closed", "sta"),
    stopped: to("ackSent", "irc", "scr", "sca"),
    closing: to("closing"),
    stopping: to("stopping"),
    reqSent: to("ackSent", "sca"),
    ackRcvd: to("opened", "sca", "tlu"),
    ackSent: to("ackSent", "sca"),
    opened: to("ackSent", "tld", "scr", "sca"),
  },
  rcrMinus: {
    initial: null,
    starting: null,
    closed: to("closed", "sta"),
    stopped: to("reqSent", "irc", "scr", "scn"),
    closing: to("closing"),
    stopping: to("stopping"),
    reqSent: to("reqSent", "scn"),
    ackRcvd: to("ackRcvd", "scn"),
    ackSent: to("reqSent", "scn"),
    opened: to("reqSent", "tld", "scr", "scn"),
  },
  rca: {
    initial: null,
    starting: null,
    closed: to("closed", "sta"),
    stopped: to("stopped", "sta"),
    closing: to("closing"),
    stopping: to("stopping"),
    reqSent: to("ackRcvd", "irc"),
    ackRcvd: noted("crossed", "reqSent", "scr"),
    ackSent: to("opened", "irc", "tlu"),
    opened: noted("crossed", "reqSent", "tld", "scr"),
  },
  rcn: {
    initial: null,
    starting: null,
    closed: to("closed", "sta"),
    stopped: to("stopped", "sta"),
    closing: to("closing"),
    stopping: to("stopping"),
    reqSent: to("reqSent", "irc", "scr"),
    ackRcvd: noted("crossed", "reqSent", "scr"),
    ackSent: to("ackSent", "irc", "scr"),
    opened: noted("crossed", "reqSent", "tld", "scr"),
  },
  rtr: {
    initial: null,
    starting: null,
    closed: to("closed", "sta"),
    stopped: to("stopped", "sta"),
    closing: to("closing", "sta"),
    stopping: to("stopping", "sta"),
    reqSent: to("reqSent", "sta"),
    ackRcvd: to("reqSent", "sta"),
    ackSent: to("reqSent", "sta"),
    opened: to("stopping", "tld", "zrc", "sta"),
  },
  rta: {
    initial: null,
    starting: null,
    closed: to("closed"),
    stopped: to("stopped"),
    closing: to("closed", "tlf"),
    stopping: to("stopped", "tlf"),
    reqSent: to("reqSent"),
    ackRcvd: to("reqSent"),
    ackSent: to("ackSent"),
    opened: to("reqSent", "tld", "scr"),
  },
  ruc: {
    initial: null,
    starting: null,
    closed: to("closed", "scj"),
    stopped: to("stopped", "scj"),
    closing: to("closing", "scj"),
    stopping: to("stopping", "scj"),
    reqSent: to("reqSent", "scj"),
    ackRcvd: to("ackRcvd", "scj"),
    ackSent: to("ackSent", "scj"),
    opened: to("opened", "scj"),
  },
  rxjPlus: {
    initial: null,
    starting: null,
    closed: to("closed"),
    stopped: to("stopped"),
    closing: to("closing"),
    stopping: to("stopping"),
    reqSent: to("reqSent"),
    ackRcvd: to("reqSent"),
    ackSent: to("ackSent"),
    opened: to("opened"),
  },
  rxjMinus: {
    initial: null,
    starting: null,
    closed: to("closed", "tlf"),
    stopped: to("stopped", "tlf"),
    closing: to("closed", "tlf"),
    stopping: to("stopped", "tlf"),
    reqSent: to("stopped", "tlf"),
    ackRcvd: to("stopped", "tlf"),
    ackSent: to("stopped", "tlf"),
    opened: to("stopping", "tld", "irc", "str"),
  },
  rxr: {
    initial: null,
    starting: null,
    closed: to("closed"),
    stopped: to("stopped"),
    closing: to("closing"),
    stopping: to("stopping"),
    reqSent: to("reqSent"),
    ackRcvd: to("ackRcvd"),
    ackSent: to("ackSent"),
    opened: to("opened", "ser"),
  },
};
