import { after, earlier, type Instant, NEVER } from "../time.ts";
import type { SessionKeys } from "./session-keys.ts";

/** How long keys of a handshake that the peer began wait to be proven. */
const TENTATIVE_MS = 15_000;

/** Proven: `current`, `previous`. Tentative: `outgoing`, of a handshake that this end began; `incoming`, of one that the peer began. */
type Place = "current" | "previous" | "outgoing" | "incoming";
const PLACES: readonly Place[] = ["current", "previous", "incoming", "outgoing"];

/** The keys that there are with a peer: at most four. */
export class SessionSet {
  readonly #expiryMs: number;
  readonly #free: (index: number) => void;
  readonly #held: Record<Place, SessionKeys | null> = {
    current: null,
    previous: null,
    outgoing: null,
    incoming: null,
  };

  /** @param free told the index of keys that are gone */
  constructor(expiryMs: number, free: (index: number) => void) {
    this.#expiryMs = expiryMs;
    this.#free = free;
  }

  get current(): SessionKeys | null {
    return this.#held.current;
  }

  get outgoing(): SessionKeys | null {
    return this.#held.outgoing;
  }

  get incoming(): SessionKeys | null {
    return this.#held.incoming;
  }

  /** Null: there are none of that index, or they have expired. */
  find(index: number, now: Instant): SessionKeys | null {
    const held = this.#held;
    const found =
      held.current?.localIndex === index
        ? held.current
        : held.previous?.localIndex === index
          ? held.previous
          : held.incoming?.localIndex === index
            ? held.incoming
            : held.outgoing?.localIndex === index
              ? held.outgoing
              : null;
    return found === null || now - found.bornAt >= this.#expiryMs ? null : found;
  }

  isProven(session: SessionKeys): boolean {
    return session === this.#held.current || session === this.#held.previous;
  }

  /** Puts tentative keys in the place of those there. */
  hold(place: "outgoing" | "incoming", session: SessionKeys | null): void {
    this.#put(place, session);
  }

  /** Makes tentative keys the current ones, and those the previous ones. */
  promote(session: SessionKeys): void {
    const held = this.#held;
    if (held.outgoing === session) held.outgoing = null;
    if (held.incoming === session) held.incoming = null;
    this.#put("previous", held.current);
    held.current = session;
  }

  /** @returns true: the current ones are gone */
  expire(now: Instant): boolean {
    const had = this.#held.current !== null;
    for (const place of PLACES) if (now >= this.#endOf(place)) this.#put(place, null);
    return had && this.#held.current === null;
  }

  nextExpiry(): Instant {
    return PLACES.reduce((due, place) => earlier(due, this.#endOf(place)), NEVER);
  }

  close(): void {
    for (const place of PLACES) this.#put(place, null);
  }

  #endOf(place: Place): Instant {
    const session = this.#held[place];
    if (session === null) return NEVER;
    return after(session.bornAt, place === "incoming" ? TENTATIVE_MS : this.#expiryMs);
  }

  #put(place: Place, session: SessionKeys | null): void {
    const gone = this.#held[place];
    this.#held[place] = session;
    if (gone === null) return;
    this.#free(gone.localIndex);
    gone.release();
  }
}
