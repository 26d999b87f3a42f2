import { WebMoeError } from "./errors.js";

/** Watches over a worker: what waits for an answer when it breaks gets the error instead. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #waiting = new Set<(error: WebMoeError) => void>();
  #failure: WebMoeError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(event.message || "its script could not be loaded");
    });
    worker.addEventListener("messageerror", () => this.#fail("a message could not be read"));
  }

  /** The answer, or `WORKER_FAILED`. */
  ask<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#waiting.add(reject);
      const done = () => this.#waiting.delete(reject);
      answer.then(resolve, reject).finally(done);
    });
  }

  terminate(): void {
    this.#worker.terminate();
  }

  #fail(reason: string): void {
    this.#failure ??= new WebMoeError("WORKER_FAILED", `the worker failed: ${reason}; create a new runtime`, { reason });
    for (const reject of this.#waiting) reject(this.#failure);
    this.#waiting.clear();
  }
}
