import { aborted } from "./errors.js";

/** @throws `ABORTED` if the signal has fired. */
export function checkSignal(signal: AbortSignal | undefined, call: string): void {
  if (signal?.aborted) throw aborted(call, signal);
}

/**
 * The promise, or `ABORTED` as soon as the signal fires.
 * @param undo frees what the work gives if it ends after the abort
 */
export async function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  call: string,
  undo: (late: T) => void = () => undefined,
): Promise<T> {
  if (!signal) return work;
  let stop: () => void = () => undefined;
  const abortion = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(call, signal));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([abortion, work]);
  } catch (error) {
    work.then(undo, () => undefined);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
