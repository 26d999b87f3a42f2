/** The vocabulary of the page's text: its words, numbered as they come, and tables that give each word an expert. */

import { hash } from "../lib/embed";
import type { Token } from "../lib/tokenize";

export interface Vocabulary {
  /** `[T]`: the number of each token's word. */
  ids: Uint32Array;
  words: readonly string[];
  /** How often each word comes. */
  counts: readonly number[];
}

/** Words are the same whatever their case; all padding is one word. */
export function vocabularyOf(tokens: readonly Token[]): Vocabulary {
  const numbers = new Map<string, number>();
  const counts: number[] = [];
  const ids = Uint32Array.from(tokens, ({ text }) => {
    const word = text.toLowerCase();
    const id = numbers.get(word) ?? numbers.size;
    numbers.set(word, id);
    counts[id] = (counts[id] ?? 0) + 1;
    return id;
  });
  return { ids, words: [...numbers.keys()], counts };
}

/** The most frequent words first, each to whichever expert has got the fewest tokens so far; `turn` breaks ties anew. */
export function balancedTable({ words, counts }: Vocabulary, experts: number, turn: number): Uint32Array {
  const order = words.map((word, id) => ({ id, count: counts[id]!, tie: hash(`${turn} ${word}`) }));
  order.sort((a, b) => b.count - a.count || a.tie - b.tie);
  const loads = new Array<number>(experts).fill(0);
  const table = new Uint32Array(words.length);
  for (const { id, count } of order) {
    const lightest = loads.indexOf(Math.min(...loads));
    table[id] = lightest;
    loads[lightest]! += count;
  }
  return table;
}

/** By the letters alone: a word has the same expert in any text. */
export const letterTable = ({ words }: Vocabulary, experts: number, turn: number): Uint32Array =>
  Uint32Array.from(words, (word) => hash(`${turn} ${word}`) % experts);
