/** One piece of work; it ends early when the signal aborts. */
export type Job<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs jobs, so many at a time, in their order. The first failure aborts the others, and so does `signal`; when this
 * settles, all have ended.
 * @returns the results in the order of the jobs
 * @throws what the first failing job threw, or the signal's reason
 */
export async function runPool<T>(
  jobs: readonly Job<T>[],
  parallel: number,
  signal?: AbortSignal,
): Promise<readonly T[]> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const results = new Map<number, T>();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < jobs.length && !stop.aborted; i = next++)
      results.set(i, await (jobs[i] as Job<T>)(stop));
  };
  const workers = Array.from({ length: Math.min(parallel, jobs.length) }, () => work());
  for (const worker of workers) worker.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(workers);
  stop.throwIfAborted();
  return jobs.map((_, i) => results.get(i) as T);
}
