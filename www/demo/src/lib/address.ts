/** Keeps the settings and the browser's address the same. */

import { changed, fromHash, toHash } from "./hash";
import type { Settings } from "./settings";

/** Changes of one setting within this time are one entry of the browser's history. */
const ONE_ENTRY_MS = 2000;

export class Address {
  #shown: Settings;
  #last = { keys: "", at: -Infinity };

  constructor(settings: Settings) {
    this.#shown = settings;
  }

  /** Writes the settings into the address. */
  write(settings: Settings): void {
    const keys = changed(this.#shown, settings).join();
    if (keys === "") return;
    const now = performance.now();
    const goesOn = keys === this.#last.keys && now - this.#last.at < ONE_ENTRY_MS;
    const url = location.pathname + location.search + toHash(settings);
    if (goesOn) history.replaceState(null, "", url);
    else history.pushState(null, "", url);
    this.#last = { keys, at: now };
    this.#shown = settings;
  }

  /** Calls `heard` with the settings of the address when the visitor goes back, forward or elsewhere. */
  listen(heard: (settings: Settings) => void): () => void {
    const on = () => {
      this.#shown = fromHash(location.hash);
      this.#last = { keys: "", at: -Infinity };
      heard(this.#shown);
    };
    addEventListener("popstate", on);
    return () => removeEventListener("popstate", on);
  }
}
