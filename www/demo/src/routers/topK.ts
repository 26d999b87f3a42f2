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
    {
      as: "words",
      name: "exploration",
      label: "A token takes",
      initial: "argmax",
      options: [
        { value: "argmax", label: "its best" },
        { value: "sample", label: "draws from the softmax" },
      ],
      hint: "What is drawn differs from step to step.",
    },
    { as: "few", name: "jitter", label: "Jitter of the router’s input", initial: 0, values: [0, 0.01, 0.1, 0.3, 0.9] },
    { as: "few", name: "dropout", label: "Dropout of the router’s input", initial: 0, values: [0, 0.1, 0.3, 0.5] },
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): TopKRouterConfig => ({
    kind: "topK",
    k: number(values, "k"),
    scoring: word(values, "scoring"),
    renormalize: word(values, "renormalize"),
    exploration: word(values, "exploration"),
    jitter: number(values, "jitter"),
    dropout: number(values, "dropout"),
  }),
  tell: (values) =>
    values["exploration"] === "sample"
      ? `each token draws ${number(values, "k")} by these scores, without replacement`
      : `each token takes its ${best(number(values, "k"))}`,
};
