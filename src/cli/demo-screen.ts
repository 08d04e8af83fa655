const LINE_EVERY_MS = 5_000;
const DEFAULT_COLUMNS = 80;

const up = (lines: number): string => `\x1b[${lines}A`;
const CLEAR_BELOW = "\x1b[J";

/** How moments of a demo look. */
interface DemoLook<T> {
  /** A string for each line of the terminal. */
  readonly frame: (moment: T, columns: number) => readonly string[];
  readonly oneLine: (moment: T) => string;
}

/** Shows what goes on, and what has happened. */
export interface DemoScreen<T> {
  show(moment: T): void;
  /** Adds a line that stays. */
  say(text: string): void;
}

/** On a terminal each picture is drawn over the last one; elsewhere there is a line now and then. */
export const demoScreen = <T>(
  output: NodeJS.WriteStream,
  look: DemoLook<T>,
  mayDraw: boolean,
): DemoScreen<T> => (mayDraw && output.isTTY ? new Picture(output, look) : new Lines(output, look));

class Picture<T> implements DemoScreen<T> {
  readonly #output: NodeJS.WriteStream;
  readonly #look: DemoLook<T>;
  #drawn: readonly string[] = [];

  constructor(output: NodeJS.WriteStream, look: DemoLook<T>) {
    this.#output = output;
    this.#look = look;
  }

  show(moment: T): void {
    this.#draw("", this.#look.frame(moment, this.#output.columns || DEFAULT_COLUMNS));
  }

  say(text: string): void {
    this.#draw(`${text}\n`, this.#drawn);
  }

  #draw(above: string, lines: readonly string[]): void {
    const back = this.#drawn.length === 0 ? "" : up(this.#drawn.length);
    this.#output.write(`${back}${CLEAR_BELOW}${above}${lines.map((line) => `${line}\n`).join("")}`);
    this.#drawn = lines;
  }
}

class Lines<T> implements DemoScreen<T> {
  readonly #output: NodeJS.WriteStream;
  readonly #look: DemoLook<T>;
  #next = 0;

  constructor(output: NodeJS.WriteStream, look: DemoLook<T>) {
    this.#output = output;
    this.#look = look;
  }

  show(moment: T): void {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + LINE_EVERY_MS;
    this.say(this.#look.oneLine(moment));
  }

  say(text: string): void {
    this.#output.write(`${text}\n`);
  }
}
