import type { BaseRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";

export const base: RouterKind = {
  kind: "base",
  controls: [
    { as: "few", name: "iterations", label: "Most rounds of bids", initial: 150, values: [1, 2, 5, 10, 50, 150, 1000] },
    {
      as: "few",
      name: "trades",
      label: "Most rounds of trades",
      initial: 64,
      values: [0, 1, 2, 5, 10, 64, 1000],
      text: (value) => (value === 0 ? "0: the auction alone" : String(value)),
      hint: "After the auction, tokens go round in circles of experts wherever that adds to the total.",
    },
    {
      as: "words",
      name: "shuffle",
      label: "Shuffle",
      initial: "no",
      options: [
        { value: "no", label: "no" },
        { value: "yes", label: "yes" },
      ],
      hint: "Groups of tokens from all groups at random: two more exchanges each way.",
    },
  ],
  compares: "whole",
  losses: ["loadBalance", "z"],
  config: (values): BaseRouterConfig => ({
    kind: "base",
    shuffle: word(values, "shuffle") === "yes",
    iterations: number(values, "iterations"),
    trades: number(values, "trades"),
  }),
  slots: (_, tokens, experts) => ({ slots: Math.ceil(tokens / experts), sum: `⌈${tokens} / ${experts}⌉` }),
  tell: (_, slots) => `the experts of a group bid for its tokens until each has ${slots ?? 0} of them, then trade`,
};
