/** From text to tokens: words, punctuation, and common English endings as pieces of their own. */

export interface Token {
  text: string;
  /** Continues the word of the token before it. */
  joined: boolean;
  /** Fills up a group; not in the text. */
  padding: boolean;
}

/** More tokens than this are not read: the pictures would no longer be legible. */
export const MOST_TOKENS = 512;

/** Longest first, so that the longest that fits is cut off. */
const ENDINGS = ["ations", "ation", "ments", "ness", "ment", "tion", "ings", "ing", "ers", "ed", "er", "ly", "es", "s"];

/** Letters that must remain before an ending. */
const STEM = 4;

const words = new Intl.Segmenter("en", { granularity: "word" });

/** Tokens of `text`, at most {@link MOST_TOKENS}. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (const { segment, isWordLike } of words.segment(text)) {
    if (segment.trim() === "") continue;
    const pieces = isWordLike ? split(segment) : [segment];
    pieces.forEach((text, i) => tokens.push({ text, joined: i > 0, padding: false }));
  }
  return tokens.slice(0, MOST_TOKENS);
}

/** `routing` → `rout`, `ing` */
function split(word: string): string[] {
  const ending = ENDINGS.find((e) => word.endsWith(e) && word.length >= STEM + e.length);
  if (!ending || word.endsWith("ss")) return [word];
  return [word.slice(0, -ending.length), ending];
}

/** Adds padding tokens until the tokens split evenly into `parts`. */
export function pad(tokens: Token[], parts: number): Token[] {
  if (!Number.isInteger(parts) || parts < 1) return tokens;
  const missing = (parts - (tokens.length % parts)) % parts;
  return [...tokens, ...Array.from({ length: missing }, () => ({ text: "·", joined: false, padding: true }))];
}
