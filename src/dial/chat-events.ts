/** What a dialogue tells of itself, in order. */
export type ChatEvent =
  /** Octets were read from the line, without their eighth bit; latin1. */
  | { readonly type: "received"; text: string; readonly echo: boolean }
  /** What it does, in the words of chat(8); secrets are masked. */
  | { readonly type: "log"; readonly text: string }
  /** Why it failed. */
  | { readonly type: "error"; readonly text: string }
  /** SAY: for the user; latin1. */
  | { readonly type: "say"; readonly text: string }
  /** REPORT: its string and what followed, to the next control character. */
  | { readonly type: "report"; readonly text: string };

/** How a dialogue ended. */
export type ChatEnd =
  | { readonly type: "done" }
  /** An expected string did not come, and there was nothing else to try. */
  | { readonly type: "timeout" }
  /** `index`: which of the ABORT strings of the moment came, from 0. */
  | { readonly type: "aborted"; readonly index: number; readonly string: string }
  /** What the script needs is not there. */
  | { readonly type: "unfit"; readonly reason: string }
  /** The line, or whoever runs the dialogue, has ended it. */
  | { readonly type: "broken"; readonly reason: string };
