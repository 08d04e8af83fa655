/** What of the lab has to be taken down, whatever happens. */
interface Owned {
  /** May be called again. */
  close(): Promise<void>;
}

/**
 * Runs work on something and takes that down afterwards.
 * @param signal aborted: it goes down at once, and this rejects with the signal's reason
 */
export async function withOwned<T extends Owned, R>(
  start: () => Promise<T>,
  work: (made: T) => Promise<R>,
  signal: AbortSignal | undefined,
): Promise<R> {
  signal?.throwIfAborted();
  const made = await start();
  const abort = (): void => void made.close();
  signal?.addEventListener("abort", abort);
  try {
    signal?.throwIfAborted();
    return await work(made);
  } catch (error) {
    signal?.throwIfAborted(); // what failed did so because all was taken away
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    await made.close();
  }
}
