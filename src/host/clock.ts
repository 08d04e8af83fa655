import { type Instant, instant } from "../time.ts";

/**
 * What to add to this thread's `performance.now()`, which starts at 0 with the thread. The first reading of a clock is
 * slow and would put this one a good part of a millisecond behind the kernel's; the best of several is within a
 * microsecond, so that a kernel timer set for a deadline does not expire before it by this clock.
 */
function monotonicOffsetMs(): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < 32; i++) {
    const [seconds, nanoseconds] = process.hrtime();
    best = Math.max(best, seconds * 1e3 + nanoseconds / 1e6 - performance.now());
  }
  return best;
}

const offsetMs = monotonicOffsetMs();

/** CLOCK_MONOTONIC in milliseconds: one scale for every thread and process of this machine. */
export const monotonicNow = (): Instant => instant(performance.now() + offsetMs);
