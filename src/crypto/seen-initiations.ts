const MOST_EPOCHS = 16;

interface Epoch {
  readonly name: string;
  greatest: number;
}

/**
 * Which first messages of a peer have come. A peer that starts takes a random epoch and counts in it, so that no clock is needed. What was sent
 * before this end started cannot be known; that is why no first message alone makes a session.
 */
export class SeenInitiations {
  /** The latest one last. */
  #epochs: Epoch[] = [];
  #proven: string | null = null;

  /** @returns false: it, or a later one of its epoch, has come */
  take(name: string, sequence: number): boolean {
    const known = this.#epochs.find((epoch) => epoch.name === name);
    if (known !== undefined) {
      if (sequence <= known.greatest) return false;
      known.greatest = sequence;
      return true;
    }
    if (this.#epochs.length === MOST_EPOCHS) {
      const oldest = this.#epochs.findIndex((epoch) => epoch.name !== this.#proven);
      this.#epochs.splice(oldest, 1);
    }
    this.#epochs.push({ name, greatest: sequence });
    return true;
  }

  /** The peer is in that epoch: it is not forgotten, however many old ones are played again. */
  prove(name: string): void {
    this.#proven = name;
  }
}
