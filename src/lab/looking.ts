import { setTimeout as delay } from "node:timers/promises";

/**
 * Looks every so often while work goes on, and once more when that is done; a look that fails ends the looking, and
 * what comes of the work.
 */
export async function whileLooking<T>(
  look: () => Promise<void>,
  everyMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const looking = lookOn(look, everyMs, stop.signal);
  looking.catch(() => {}); // is told of below
  try {
    const result = await work();
    stop.abort();
    await looking;
    await look();
    return result;
  } finally {
    stop.abort();
    await looking.catch(() => {}); // the work's own failure counts
  }
}

async function lookOn(look: () => Promise<void>, everyMs: number, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await look();
    await delay(everyMs, undefined, { signal: stop }).catch(() => {});
  }
}
