import type { SinkhornRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";
import { best, choices } from "./shared";

export const sinkhorn: RouterKind = {
  kind: "sinkhorn",
  controls: [
    choices(1),
    {
      as: "few",
      name: "epsilon",
      label: "Entropy of the plan",
      initial: 1,
      values: [0.03, 0.1, 0.3, 1, 3],
      hint: "Less is nearer to the best balanced assignment, and takes more iterations.",
    },
    { as: "few", name: "iterations", label: "Most iterations", initial: 100, values: [1, 3, 10, 30, 100, 300, 1000] },
    {
      as: "words",
      name: "gate",
      label: "Weights",
      initial: "sigmoid",
      options: [
        { value: "sigmoid", label: "sigmoid" },
        { value: "softmax", label: "softmax" },
      ],
    },
  ],
  compares: "whole",
  losses: ["loadBalance", "z"],
  config: (values): SinkhornRouterConfig => ({
    kind: "sinkhorn",
    k: number(values, "k"),
    epsilon: number(values, "epsilon"),
    iterations: number(values, "iterations"),
    gate: word(values, "gate"),
  }),
  tell: (values) => `each token takes its ${best(number(values, "k"))} after optimal transport has put a price on every expert of a group`,
};
