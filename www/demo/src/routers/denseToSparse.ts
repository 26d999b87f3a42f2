import type { DenseToSparseRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";

export const denseToSparse: RouterKind = {
  kind: "denseToSparse",
  controls: [
    {
      as: "few",
      name: "startTemperature",
      label: "Temperature at first",
      initial: 1,
      values: [0.5, 1, 2, 4],
      hint: "The hotter, the more experts a token goes to.",
    },
    { as: "few", name: "fallSteps", label: "Steps until it has fallen to a third", initial: 30, values: [10, 30, 100] },
    {
      as: "few",
      name: "shareAbove",
      label: "A share that is enough",
      initial: 0.01,
      values: (experts) => [0.001, 0.003, 0.01, 0.03, 0.1].filter((share) => share < 1 / experts),
      hint: "A token goes to every expert with a larger share in its softmax.",
    },
    {
      as: "words",
      name: "denseGate",
      label: "Weights",
      initial: "gumbel",
      options: [
        { value: "gumbel", label: "those shares" },
        { value: "softmax", label: "without noise" },
      ],
    },
  ],
  compares: "column",
  losses: ["loadBalance"],
  config: (values): DenseToSparseRouterConfig => ({
    kind: "denseToSparse",
    steps: number(values, "fallSteps"),
    startTemperature: number(values, "startTemperature"),
    endTemperature: number(values, "startTemperature") / 3,
    threshold: number(values, "shareAbove"),
    gate: word(values, "denseGate"),
  }),
  tell: (values) =>
    `each token takes the experts with a share above ${number(values, "shareAbove")} after noise, fewer in every step, and one after ${number(values, "fallSteps")} steps`,
};
