import type { Dialogue, DialogueEnd, DialogueEvent } from "../../src/dial/dialogue.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";
import type { PhoneHost, PhoneWorld } from "../sim/phone-host.ts";
import { asText, latin1 } from "./dialogue.ts";

/** The far side's part: when what was sent since its last answer ends with `after` (or has it), it says `text`, `delayMs` later. */
export interface Reply {
  /** "": it says so by itself. */
  readonly after: string;
  readonly text: string;
  readonly delayMs?: number;
}

export interface Talked {
  readonly end: DialogueEnd | null;
  /** What the line got; a break is `<break>`. */
  readonly sent: string;
  /** Each event, those of what was received joined. */
  readonly events: readonly DialogueEvent[];
  /** When it ended, or when nothing could happen any more. */
  readonly endedAt: Instant;
  readonly unread: string;
}

/** What a dialogue sent and told. */
class Witness {
  sent = "";
  readonly events: DialogueEvent[] = [];
  readonly #dialogue: Dialogue;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
  }

  /** @returns what it sent now */
  drain(): string {
    let sent = "";
    for (let out = this.#dialogue.pollTransmit(); out !== undefined; out = this.#dialogue.pollTransmit()) {
      sent += out === "break" ? "<break>" : asText(out);
    }
    for (let event = this.#dialogue.pollEvent(); event !== undefined; event = this.#dialogue.pollEvent()) {
      const last = this.events.at(-1);
      if (event.type === "received" && last?.type === "received") {
        this.events[this.events.length - 1] = { type: "received", text: last.text + event.text };
      } else this.events.push(event);
    }
    this.sent += sent;
    return sent;
  }

  outcome(endedAt: Instant): Talked {
    const { end } = this.#dialogue;
    return {
      end,
      sent: this.sent,
      events: this.events,
      endedAt,
      unread: asText(this.#dialogue.takeUnread()),
    };
  }
}

/** Finds what a far side says to what it hears. */
class FarSide {
  readonly #replies: Reply[];
  #heard = "";

  constructor(replies: readonly Reply[]) {
    this.#replies = [...replies];
  }

  hear(text: string): Reply[] {
    this.#heard += text;
    const said: Reply[] = [];
    for (let next = this.#replies[0]; next !== undefined; next = this.#replies[0]) {
      const at = this.#heard.indexOf(next.after);
      if (at < 0) break;
      this.#heard = this.#heard.slice(at + next.after.length);
      this.#replies.shift();
      said.push(next);
    }
    return said;
  }
}

/** Lets a dialogue talk with a far side that knows its part by heart, on virtual time. @param split octets that arrive together */
export function talk(dialogue: Dialogue, replies: readonly Reply[], split = 1): Talked {
  const witness = new Witness(dialogue);
  const far = new FarSide(replies);
  const arriving: { readonly at: Instant; readonly octets: Uint8Array }[] = [];
  let now = instant(0);
  const drain = (): void => {
    for (const { text, delayMs = 0 } of far.hear(witness.drain())) {
      const at = instant(Math.max(arriving.at(-1)?.at ?? now, now + delayMs));
      const octets = latin1(text);
      for (let i = 0; i < octets.length; i += split) {
        arriving.push({ at, octets: octets.subarray(i, i + split) });
      }
    }
  };
  dialogue.start(now);
  drain();
  while (dialogue.end === null) {
    const next = arriving[0];
    const due = dialogue.pollTimeout();
    if (next !== undefined && next.at <= due) {
      arriving.shift();
      now = next.at;
      dialogue.handleOctets(next.octets, 0, next.octets.length, now);
    } else {
      if (due === NEVER) break;
      now = due;
      dialogue.handleTimeout(now);
    }
    drain();
  }
  for (const { octets } of arriving) dialogue.handleOctets(octets, 0, octets.length, now);
  return witness.outcome(now);
}

/** Lets a dialogue talk on a modem of a telephone network, until it ends. @param replies of the host at the far modem, `b` */
export function talkByPhone(
  phones: PhoneWorld,
  dialogue: Dialogue,
  replies: readonly Reply[] = [],
  withinMs = 600_000,
): Talked {
  const witness = new Witness(dialogue);
  const far = new FarSide(replies);
  const [near, other] = [phones.host("a"), phones.host("b")];
  const deadline = after(phones.now, withinMs);
  const saying: { readonly at: Instant; readonly text: string }[] = [];
  dialogue.start(phones.now);
  while (dialogue.end === null) {
    near.send(latin1(witness.drain()));
    phones.run(0);
    const next = Math.min(phones.network.pollTimeout(), dialogue.pollTimeout(), saying[0]?.at ?? NEVER);
    if (next > deadline) break;
    phones.run(Math.max(next - phones.now, 0));
    const octets = take(near);
    if (octets.length > 0) dialogue.handleOctets(octets, 0, octets.length, phones.now);
    if (phones.now >= dialogue.pollTimeout()) dialogue.handleTimeout(phones.now);
    for (const { text, delayMs = 0 } of far.hear(asText(take(other)))) {
      saying.push({ at: after(phones.now, delayMs), text });
    }
    while ((saying[0]?.at ?? NEVER) <= phones.now) other.send(latin1(saying.shift()?.text ?? ""));
  }
  witness.drain();
  return witness.outcome(phones.now);
}

function take(host: PhoneHost): Uint8Array {
  const octets = Uint8Array.from(host.received);
  host.takeText();
  return octets;
}
