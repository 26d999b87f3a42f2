import type { NoisyTopKRouterConfig } from "webmoe";
import { number, type RouterKind } from "./kind";
import { best, choices } from "./shared";

export const noisyTopK: RouterKind = {
  kind: "noisyTopK",
  controls: [
    choices(2),
    {
      as: "words",
      name: "noise",
      label: "Width of the noise",
      initial: "learned",
      options: [
        { value: "learned", label: "learned" },
        { value: "fixed", label: "fixed" },
      ],
      hint: "Learned: each expert’s logit has its own, which depends on the token. Fixed: the same for all, as in V-MoE.",
    },
    {
      as: "few",
      name: "noiseStd",
      label: "Times one over the experts",
      initial: 1,
      values: [0.3, 1, 3, 10],
      shown: (values) => values["noise"] === "fixed",
    },
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): NoisyTopKRouterConfig => {
    const k = number(values, "k");
    if (values["noise"] === "fixed") return { kind: "noisyTopK", k, noise: "fixed", noiseStd: number(values, "noiseStd") };
    return { kind: "noisyTopK", k, noise: "learned" };
  },
  tell: (values) => `each token takes its ${best(number(values, "k"))} after noise is added to the scores, other noise in every step`,
};
