import { number, type RouterKind } from "./kind";
import { best } from "./shared";

export const expertChoice: RouterKind = {
  kind: "expertChoice",
  controls: [
    {
      as: "scale",
      name: "capacityFactor",
      label: "Experts for each token, on average",
      initial: 2,
      min: 0.25,
      max: () => 4,
      step: 0.25,
    },
  ],
  compares: "row",
  losses: ["z"],
  config: (values) => ({ kind: "expertChoice", capacityFactor: number(values, "capacityFactor") }),
  slots: (values, tokens, experts) => {
    const factor = number(values, "capacityFactor");
    return { slots: Math.min(Math.ceil((tokens * factor) / experts), tokens), sum: `⌈${tokens} × ${factor} / ${experts}⌉` };
  },
  tell: (_, slots) => `each expert takes its ${best(slots ?? 0)} of every group’s tokens`,
};
