/** Which sentence each token is of: what stands for a text's domain, or language, on this page. */

import type { Token } from "../lib/tokenize";

/** `[T]`: sentences are numbered as they come, and end with a full stop or its like. */
export function sentenceOf(tokens: readonly Token[]): Uint32Array {
  let sentence = 0;
  let ended = false;
  return Uint32Array.from(tokens, ({ text }) => {
    const ends = /^[.!?…]+$/.test(text.trim());
    if (ended && !ends) sentence++;
    ended = ends;
    return sentence;
  });
}
