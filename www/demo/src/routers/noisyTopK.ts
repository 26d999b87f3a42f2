import type { NoisyTopKRouterConfig } from "webmoe";
import { number, type RouterKind, type Values } from "./kind";
import { best, choices } from "./shared";

/** Whether a token chooses branches before it chooses experts: only with learned noise. */
const branched = (values: Values): boolean => values["noise"] === "learned" && number(values, "branches") > 1;

function tell(values: Values): string {
  const each = `its ${best(number(values, "k"))}`;
  const taken = branched(values) ? `its ${best(number(values, "branchK"))} of ${number(values, "branches")} branches, and ${each} in each,` : each;
  return `each token takes ${taken} after noise is added to the scores, other noise in every step`;
}

export const noisyTopK: RouterKind = {
  kind: "noisyTopK",
  controls: [
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
    {
      as: "few",
      name: "branches",
      label: "Branches",
      initial: 1,
      values: (experts) => [1, 2, 3, 4, 5, 6, 7, 8].filter((n) => experts % n === 0 && n < experts),
      text: (value) => (value === 1 ? "none" : String(value)),
      hint: "Equal parts of the experts; a token chooses some of them first, then experts in each.",
      shown: (values) => values["noise"] === "learned",
    },
    {
      as: "scale",
      name: "branchK",
      label: "Branches for each token",
      initial: 2,
      min: 1,
      max: (experts, values) => (branched(values) ? number(values, "branches") : experts),
      text: (value, most) => `${value} of ${most}`,
      tooMuch: (wish, most) => `A token cannot take ${wish} of ${most} branches; it takes all ${most}.`,
      shown: branched,
    },
    { ...choices(2), max: (experts, values) => (branched(values) ? experts / number(values, "branches") : Math.max(experts, 1)) },
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): NoisyTopKRouterConfig => {
    const k = number(values, "k");
    if (values["noise"] === "fixed") return { kind: "noisyTopK", k, noise: "fixed", noiseStd: number(values, "noiseStd") };
    const split = branched(values) && { branches: number(values, "branches"), branchK: number(values, "branchK") };
    return { kind: "noisyTopK", k, noise: "learned", ...split };
  },
  tell,
};
