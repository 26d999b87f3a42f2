import type { LanguageRouterConfig } from "webmoe";
import { number, type RouterKind } from "./kind";
import { sentenceOf } from "./sentences";

/** As many as there are experts, or more, which then share them. */
const LANGUAGES = [2, 4, 8, 16, 32];

export const language: RouterKind = {
  kind: "language",
  controls: [
    {
      as: "few",
      name: "languages",
      label: "Languages",
      initial: 8,
      values: LANGUAGES,
      hint: "Here each sentence is in a language of its own, until there are no more; neighbouring languages share an expert where there are more languages than experts.",
    },
  ],
  compares: "nothing",
  losses: [],
  still: "Nothing here learns: the text says which expert.",
  config: (values, { experts }): LanguageRouterConfig => ({
    kind: "language",
    by: "source",
    table: Uint32Array.from({ length: number(values, "languages") }, (_, language) =>
      Math.floor((language * Math.min(experts, number(values, "languages"))) / number(values, "languages")),
    ),
  }),
  labels: (values, { tokens }) => ({ sourceLanguage: sentenceOf(tokens).map((sentence) => sentence % number(values, "languages")) }),
  tell: () => "each token has the expert of its sentence’s language",
};
