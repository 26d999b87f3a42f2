import type { SoftRouterConfig } from "webmoe";
import { number, type RouterKind } from "./kind";

export const soft: RouterKind = {
  kind: "soft",
  controls: [
    {
      as: "few",
      name: "mixtures",
      label: "Slots of an expert in each group",
      initial: 2,
      values: [1, 2, 4, 8],
      hint: "Scores are shown as means over them.",
    },
  ],
  compares: "row",
  losses: [],
  still: "Every load is the same, and what a mixture is good for is not known here.",
  mixes: true,
  config: (values): SoftRouterConfig => ({ kind: "soft", slots: number(values, "mixtures") }),
  slots: (values) => ({ slots: number(values, "mixtures"), sum: `${number(values, "mixtures")} (fixed)` }),
  tell: (values) => {
    const slots = number(values, "mixtures");
    return `${slots === 1 ? "the slot of each expert" : `each of an expert’s ${slots} slots`} gets a mixture of its group’s tokens by these shares`;
  },
};
