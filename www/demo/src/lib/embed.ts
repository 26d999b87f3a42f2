/** From tokens to vectors, without a trained model: each text has its own random vector, always the same. */

import type { Token } from "./tokenize";

/** Share of the token before in a token's vector, so that the same word can go elsewhere in another place. */
const CONTEXT = 0.5;

/**
 * Root mean square of a vector's numbers. The seed's router is small, as in Switch; vectors of this size give its
 * scores differences that one can see.
 */
const SIZE = 4;

/** `[T, width]`: every token's own vector mixed with that of the token before it, scaled to {@link SIZE}. */
export function embed(tokens: Token[], width: number): Float32Array {
  const own = tokens.map((token, i) => gaussian(hash(token.padding ? `padding ${i}` : token.text.toLowerCase()), width));
  const scale = SIZE / Math.hypot(1, CONTEXT);
  const x = new Float32Array(tokens.length * width);
  own.forEach((vector, t) => {
    const before = own[t - 1];
    for (let i = 0; i < width; i++) x[t * width + i] = scale * (vector[i]! + CONTEXT * (before?.[i] ?? 0));
  });
  return x;
}

/** FNV-1a over UTF-16 units. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Standard normal numbers by Box and Muller, from a counter mixed with `seed`. */
function gaussian(seed: number, length: number): number[] {
  return Array.from({ length }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log(uniform(seed, 2 * i)));
    return radius * Math.cos(2 * Math.PI * uniform(seed, 2 * i + 1));
  });
}

/** In (0, 1), from the 32-bit finalizer of MurmurHash3. */
function uniform(seed: number, counter: number): number {
  let h = seed ^ Math.imul(counter + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return ((h >>> 0) + 0.5) / 2 ** 32;
}
