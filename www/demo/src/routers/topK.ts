import type { TopKRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";
import { best, choices, scoring } from "./shared";

export const topK: RouterKind = {
  kind: "topK",
  controls: [
    choices(2),
    scoring,
    {
      as: "words",
      name: "renormalize",
      label: "Weights add up to 1",
      initial: "none",
      options: [
        { value: "none", label: "no" },
        { value: "preDrop", label: "before drops" },
        { value: "postDrop", label: "after drops" },
      ],
    },
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): TopKRouterConfig => ({
    kind: "topK",
    k: number(values, "k"),
    scoring: word(values, "scoring"),
    renormalize: word(values, "renormalize"),
  }),
  tell: (values) => `each token takes its ${best(number(values, "k"))}`,
};
