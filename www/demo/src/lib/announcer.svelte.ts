/** Feeds a live region: the latest sentence, at most one every two seconds. */

const PAUSE_MS = 2000;

export class Announcer {
  text = $state("");
  #next = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(sentence: string): void {
    this.#next = sentence;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.text = this.#next;
    }, PAUSE_MS);
  }
}
