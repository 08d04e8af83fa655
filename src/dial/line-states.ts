/** Where a line stands. */
export type LineState =
  /** Nobody wants it, or it was told to stay down. */
  | "idle"
  /** A pause before the next attempt. */
  | "waiting"
  /** Its device is being locked and opened. */
  | "locking"
  | "dialing"
  /** There is a carrier, and no link yet. */
  | "login"
  /** The link is being brought up. */
  | "negotiating"
  /** It carries packets alone. */
  | "up"
  | "enslaved"
  /** The link is being ended, and the device closed. */
  | "hangingUp"
  /** Too many attempts failed: until told. */
  | "givenUp";

/** What can happen to a line. */
export type LineInput =
  | "wanted"
  /** A person wants it now: no pause is kept. */
  | "told"
  | "unwanted"
  /** The device of a line that dials is open. */
  | "opened"
  /** The device of a line that does not dial is open. */
  | "openedDirect"
  | "openFailed"
  | "carrier"
  | "dialed"
  | "dialFailed"
  | "up"
  | "enslaved"
  | "freed"
  /** The link negotiates anew. */
  | "renegotiates"
  | "lost"
  /** The peer does not want us, or proved to be the wrong one. */
  | "refused"
  | "closed"
  /** The longest time of the state is over. */
  | "limit"
  /** The device did not close in time though it was to be closed at once. */
  | "closeLimit"
  | "sessionLimit"
  | "idleLimit";

export type LineActionType = "open" | "dial" | "carry" | "hangUp" | "close";

/**
 * What comes next. `begin`: locking, with the action `open`, or waiting while a pause is not over. `rest`: idle when nobody wants
 * the line, givenUp when all attempts are spent, otherwise as `begin`.
 */
export interface LineStep {
  readonly next: LineState | "begin" | "rest";
  readonly action?: LineActionType;
}

const BEGIN: LineStep = { next: "begin" };
const REST: LineStep = { next: "rest" };
const CLOSE: LineStep = { next: "hangingUp", action: "close" };
const HANG_UP: LineStep = { next: "hangingUp", action: "hangUp" };
const CARRY: LineStep = { next: "negotiating", action: "carry" };

type Row = Readonly<Record<LineState, LineStep | null>>;

/** What does not fit a state came late, of an earlier attempt, or changes nothing. */
const IGNORED: Row = {
  idle: null,
  waiting: null,
  locking: null,
  dialing: null,
  login: null,
  negotiating: null,
  up: null,
  enslaved: null,
  hangingUp: null,
  givenUp: null,
};

const LOST: Row = {
  ...IGNORED,
  dialing: CLOSE,
  login: CLOSE,
  negotiating: CLOSE,
  up: CLOSE,
  enslaved: CLOSE,
};

/** All that a line does. Null: nothing happens, except that a wish is remembered. */
export const LINE_STEPS: Readonly<Record<LineInput, Row>> = {
  wanted: { ...IGNORED, idle: BEGIN, givenUp: BEGIN },
  told: { ...IGNORED, idle: BEGIN, waiting: BEGIN, givenUp: BEGIN },
  unwanted: {
    ...IGNORED,
    waiting: { next: "idle" },
    locking: CLOSE,
    dialing: CLOSE,
    login: CLOSE,
    negotiating: HANG_UP,
    up: HANG_UP,
    enslaved: HANG_UP,
    givenUp: { next: "idle" },
  },
  opened: { ...IGNORED, locking: { next: "dialing", action: "dial" } },
  openedDirect: { ...IGNORED, locking: CARRY },
  // While hanging up: of a device that was to be closed before it was open.
  openFailed: { ...IGNORED, locking: REST, hangingUp: REST },
  carrier: { ...IGNORED, dialing: { next: "login" } },
  dialed: { ...IGNORED, dialing: CARRY, login: CARRY },
  dialFailed: { ...IGNORED, dialing: CLOSE, login: CLOSE },
  up: { ...IGNORED, negotiating: { next: "up" } },
  enslaved: { ...IGNORED, negotiating: { next: "enslaved" }, up: { next: "enslaved" } },
  freed: { ...IGNORED, enslaved: { next: "up" } },
  renegotiates: { ...IGNORED, up: { next: "negotiating" }, enslaved: { next: "negotiating" } },
  lost: LOST,
  refused: { ...LOST, negotiating: HANG_UP, up: HANG_UP, enslaved: HANG_UP },
  closed: {
    ...IGNORED,
    dialing: REST,
    login: REST,
    negotiating: REST,
    up: REST,
    enslaved: REST,
    hangingUp: REST,
  },
  limit: {
    ...IGNORED,
    waiting: BEGIN,
    locking: CLOSE,
    dialing: CLOSE,
    login: CLOSE,
    negotiating: HANG_UP,
    hangingUp: CLOSE,
  },
  closeLimit: { ...IGNORED, hangingUp: REST },
  sessionLimit: { ...IGNORED, up: HANG_UP, enslaved: HANG_UP },
  idleLimit: { ...IGNORED, up: HANG_UP, enslaved: HANG_UP },
};
