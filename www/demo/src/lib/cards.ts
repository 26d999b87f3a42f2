/** The cards of `docs/ROUTING.md`: what each router does, what it costs, and when to leave it alone. */

import text from "../../../../docs/ROUTING.md?raw";

export interface Card {
  /** The router's name. */
  name: string;
  /** Who chooses, how balance comes about, and so on; only what is filled in. */
  lines: readonly { key: string; value: string }[];
}

const CARDS: ReadonlyMap<string, Card> = new Map(
  text.split(/^## /m).flatMap((section): [string, Card][] => {
    const kind = /^`kind: "(\w+)"`/m.exec(section)?.[1];
    if (kind === undefined) return [];
    const lines = [...section.matchAll(/^- \*\*(.+?):\*\*[ \t]*(.*)$/gm)].map(([, key = "", value = ""]) => ({ key, value: value.trim() }));
    return [[kind, { name: section.split("\n", 1)[0]!.trim(), lines: lines.filter(({ value }) => value !== "") }]];
  }),
);

/** The card of a kind of router; without lines where nothing is written of it yet. */
export const cardOf = (kind: string): Card => CARDS.get(kind) ?? { name: kind, lines: [] };

/** One line of it, by how the key begins. */
export const lineOf = (kind: string, key: string): string => cardOf(kind).lines.find((line) => line.key.startsWith(key))?.value ?? "";

/** Text with `code` in it, as pieces in turn: text, code, text, … */
export const pieces = (value: string): string[] => value.split("`");
