import { type Instant, instant } from "../time.ts";

const [seconds, nanoseconds] = process.hrtime();
/** What to add to this thread's `performance.now()`, which starts at 0 with the thread. */
const offsetMs = seconds * 1e3 + nanoseconds / 1e6 - performance.now();

/** CLOCK_MONOTONIC in milliseconds: one scale for every thread and process of this machine. */
export const monotonicNow = (): Instant => instant(performance.now() + offsetMs);
