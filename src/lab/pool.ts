/** One piece of work; it ends early when the signal aborts. */
export type Job<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs jobs, so many at a time, in their order. The first failure aborts the others, and so does `signal`; when this
 * settles, all have ended.
 * @param room for jobs at the same time; one with more weight than that runs alone
 * @param weights what each job takes of the room; 1 each without it
 * @returns the results in the order of the jobs
 * @throws what the first failing job threw, or the signal's reason
 */
export async function runPool<T>(
  jobs: readonly Job<T>[],
  room: number,
  signal?: AbortSignal,
  weights?: readonly number[],
): Promise<readonly T[]> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const results = new Map<number, T>();
  const running = new Set<Promise<void>>();
  let used = 0;
  for (const [i, job] of jobs.entries()) {
    const weight = weights?.[i] ?? 1;
    while (running.size > 0 && used + weight > room) await Promise.race(running);
    if (stop.aborted) break;
    used += weight;
    const run: Promise<void> = job(stop)
      .then((result) => void results.set(i, result))
      .catch((error: unknown) => failed.abort(error))
      .finally(() => {
        used -= weight;
        running.delete(run);
      });
    running.add(run);
  }
  await Promise.all(running);
  stop.throwIfAborted();
  return jobs.map((_, i) => results.get(i) as T);
}
