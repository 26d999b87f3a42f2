/** The vocabulary of the page's text: its words, numbered as they come, and tables that give each word an expert. */

import { hashTable } from "webmoe";
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

/**
 * The package's table by word counts. It deals words that come as often in the order of their numbers, so for the tables after the
 * first the words are numbered in other orders.
 */
export async function balancedTable({ words, counts }: Vocabulary, experts: number, turn: number): Promise<Uint32Array> {
  const order = words.map((word, id) => ({ id, at: turn === 0 ? id : hash(`${turn} ${word}`) })).sort((a, b) => a.at - b.at);
  const dealt = await hashTable({ kind: "balanced", experts, counts: Uint32Array.from(order, ({ id }) => counts[id]!) });
  const table = new Uint32Array(words.length);
  order.forEach(({ id }, place) => (table[id] = dealt[place]!));
  return table;
}

/** By the letters alone: a word has the same expert in any text. */
export const letterTable = async ({ words }: Vocabulary, experts: number, turn: number): Promise<Uint32Array> =>
  Uint32Array.from(words, (word) => hash(`${turn} ${word}`) % experts);
