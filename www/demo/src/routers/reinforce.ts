import type { ReinforceRouterConfig } from "webmoe";
import { number, type RouterKind } from "./kind";

export const reinforce: RouterKind = {
  kind: "reinforce",
  controls: [
    {
      as: "few",
      name: "temperature",
      label: "Temperature",
      initial: 1,
      values: [0.03, 0.1, 0.3, 1, 3, 10],
      hint: "Less makes the draws surer of themselves, more makes them even.",
    },
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): ReinforceRouterConfig => ({ kind: "reinforce", temperature: number(values, "temperature") }),
  tell: () => "each token draws one expert, the likelier the better its score",
};
