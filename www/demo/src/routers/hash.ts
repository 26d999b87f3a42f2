import type { HashRouterConfig } from "webmoe";
import { number, word, type RouterKind, type Values } from "./kind";
import { balancedTable, letterTable, vocabularyOf } from "./vocabulary";

const WHAT: Record<string, string> = {
  token: "its own word",
  previous: "the word before it",
  bigram: "the word before it and its own",
  position: "its place in the text",
  next: "the word after it",
};

export const hash: RouterKind = {
  kind: "hash",
  controls: [
    {
      as: "words",
      name: "table",
      label: "The table is made",
      initial: "balanced",
      options: [
        { value: "balanced", label: "by word counts" },
        { value: "letters", label: "by letters" },
      ],
      hint: "By counts: the commonest words of your text first, each to the expert with the fewest tokens so far. By letters: a word has the same expert in any text.",
    },
    {
      as: "words",
      name: "of",
      label: "Looked up",
      initial: "token",
      options: [
        { value: "token", label: "the word" },
        { value: "previous", label: "the one before" },
        { value: "bigram", label: "both" },
        { value: "position", label: "its place" },
        { value: "next", label: "the next one" },
      ],
      hint: "The next word is what a language model has to guess: it shows how good a table could be, and cheats.",
    },
    {
      as: "few",
      name: "tables",
      label: "Tables",
      initial: 1,
      values: (experts) => [1, 2, 4, 8].filter((tables) => experts % tables === 0),
      hint: "With several, each has its own share of the experts, and a token takes one of each.",
    },
  ],
  compares: "nothing",
  losses: [],
  still: "Nothing here learns: a table decides.",
  config: async (values, { tokens, experts }): Promise<HashRouterConfig> => {
    const { ids, words, counts } = vocabularyOf(tokens);
    // An empty text has no words, but a table must have one.
    const vocabulary = words.length > 0 ? { ids, words, counts } : { ids, words: [""], counts: [0] };
    const make = values["table"] === "letters" ? letterTable : balancedTable;
    const number = tablesOf(values);
    const tables = await Promise.all(Array.from({ length: number }, (_, turn) => make(vocabulary, experts / number, turn)));
    return { kind: "hash", table: tables.length === 1 ? tables[0]! : tables, of: word(values, "of") };
  },
  labels: (_, { tokens }) => ({ tokenIds: vocabularyOf(tokens).ids }),
  tell: (values) => {
    const tables = tablesOf(values);
    return `each token’s ${tables === 1 ? "expert is" : `${tables} experts are`} looked up in a table by ${WHAT[word(values, "of")]}`;
  },
};

const tablesOf = (values: Values): number => number(values, "tables");
