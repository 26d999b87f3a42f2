import type { ExpertChoiceRouterConfig } from "webmoe";
import { number, word, type RouterKind, type Values } from "./kind";
import { best, byThresholds, causal } from "./shared";

/** Experts that a token may have. */
const most = (values: Values): number => (values.most === "all" ? Infinity : number(values, "most"));

/** Experts for each token on average: no more than one may have. */
const factorOf = (values: Values): number => Math.min(number(values, "capacityFactor"), most(values));

/** Whether no token's experts depend on later tokens. */
const isCausal = (values: Values): boolean => byThresholds(values) && values.softmaxOver === "experts";

/** Whether the bound on a token's experts is aimed at by soft shares. */
const projects = (values: Values): boolean => values.capMode === "dykstra" && most(values) < Infinity && !isCausal(values);

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
    {
      as: "words",
      name: "softmaxOver",
      label: "Scores are shares",
      initial: "experts",
      options: [
        { value: "experts", label: "of a token" },
        { value: "tokens", label: "of an expert" },
      ],
      hint: "A softmax over the experts for each token, or over the tokens of a group for each expert.",
    },
    {
      as: "words",
      name: "most",
      label: "Most experts for a token",
      initial: "all",
      options: [
        { value: "all", label: "all" },
        { value: "4", label: "4" },
        { value: "3", label: "3" },
        { value: "2", label: "2" },
        { value: "1", label: "1" },
      ],
    },
    {
      as: "words",
      name: "capMode",
      label: "That bound",
      initial: "greedy",
      options: [
        { value: "greedy", label: "is kept" },
        { value: "dykstra", label: "is aimed at, as in the paper" },
      ],
      hint:
        "The best pairs first, while both sides have room, keeps it exactly. The paper solves for soft shares that keep it, and each expert then " +
        "takes its largest ones, so that some tokens still get more experts.",
      shown: (values) => most(values) < Infinity && !isCausal(values),
    },
    // a share of all tokens of a group depends on later ones
    { ...causal, shown: (values) => values.softmaxOver === "experts" },
  ],
  compares: (values) => {
    if (projects(values)) return "whole";
    if (!isCausal(values)) return "row";
    return most(values) < Infinity ? "column" : "nothing";
  },
  losses: ["z"],
  config: (values): ExpertChoiceRouterConfig => ({
    kind: "expertChoice",
    capacityFactor: factorOf(values),
    softmaxOver: word(values, "softmaxOver"),
    ...(most(values) < Infinity && { maxExpertsPerToken: most(values) }),
    ...(projects(values) && { capMode: "dykstra" }),
    ...(isCausal(values) && { causal: "threshold" }),
  }),
  slots: (values, tokens, experts) => {
    if (isCausal(values)) return null;
    const factor = factorOf(values);
    if (most(values) < experts && Math.ceil((tokens * factor) / experts) * experts > most(values) * tokens) {
      return { slots: Math.floor((most(values) * tokens) / experts), sum: `⌊${most(values)} × ${tokens} / ${experts}⌋` };
    }
    return { slots: Math.min(Math.ceil((tokens * factor) / experts), tokens), sum: `⌈${tokens} × ${factor} / ${experts}⌉` };
  },
  tell: (values, slots) =>
    isCausal(values)
      ? "each expert takes every token whose score reaches its threshold"
      : `each expert takes its ${best(slots ?? 0)} of every group’s tokens${projects(values) ? ", by their shares in a soft plan" : ""}`,
};
