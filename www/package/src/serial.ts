/** Runs tasks one after another, in the order they were given. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `task` after those before it, however they ended. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(task);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }
}
