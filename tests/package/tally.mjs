/** Runs tests, prints a line for each and counts them. */
export class Tally {
  #only;
  #passed = 0;
  #failed = 0;

  /** @param only runs the tests whose name contains it */
  constructor(only) {
    this.#only = only;
  }

  /** Runs `check`; it fails by throwing. */
  async test(claim, check) {
    if (!claim.includes(this.#only)) return;
    try {
      await check();
      this.#passed += 1;
      console.log(`ok   ${claim}`);
    } catch (error) {
      this.#failed += 1;
      console.log(`FAIL ${claim}\n     ${String(error.message ?? error).replaceAll("\n", "\n     ")}`);
    }
  }

  /** Prints the totals and sets the exit code. */
  finish() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed || !this.#passed ? 1 : 0;
  }
}
