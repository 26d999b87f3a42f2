import { disposed, toWebMoeError } from "./errors.js";
import { Serial } from "./serial.js";

/** Runs the calls on one object one after another, and ends the object's life when nothing needs it any more. */
export class CallQueue {
  readonly #what: "layer" | "runtime";
  readonly #calls = new Serial();
  #holds = 0;
  #closed = false;
  #release: (() => void) | undefined;

  /** @param what names the object in errors */
  constructor(what: "layer" | "runtime") {
    this.#what = what;
  }

  /** Runs `call` after those before it; rejects with a `WebMoeError`: `DISPOSED` if `close` comes before its turn. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    this.assertOpen();
    const letGo = this.hold();
    try {
      return await this.#calls.run(async () => {
        this.assertOpen();
        return call();
      });
    } catch (error) {
      throw toWebMoeError(error);
    } finally {
      letGo();
    }
  }

  /** Keeps the object alive until the function it returns is called, once. */
  hold(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      if (this.#holds === 0) this.#release?.();
    };
  }

  /** Lets no further call in; calls `release` once, when nothing holds the object: now, if so. */
  close(release: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#holds === 0) release();
    else this.#release = release;
  }

  /** @throws `DISPOSED` after `close`. */
  assertOpen(): void {
    if (this.#closed) throw disposed(this.#what);
  }
}
