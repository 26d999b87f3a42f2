import type { TokenThenExpertRouterConfig } from "webmoe";
import { number, word, type RouterKind, type Values } from "./kind";
import { best, byThresholds, causal, choices } from "./shared";

/** Experts that a token may keep: never more than it names. */
const kept = (values: Values): number => Math.min(number(values, "k"), number(values, "nominate"));

/** Whether experts could go by thresholds: by keys that differ, in one look. */
const mayBeCausal = (values: Values): boolean => values.key !== "arrival" && values.answer === "once";

/** Whether no token's experts depend on later tokens. */
const isCausal = (values: Values): boolean => byThresholds(values) && mayBeCausal(values);

export const tokenThenExpert: RouterKind = {
  kind: "tokenThenExpert",
  controls: [
    {
      as: "scale",
      name: "nominate",
      label: "Experts that each token names",
      initial: 2,
      min: 1,
      max: (experts) => Math.max(experts, 1),
      text: (value, experts) => `${value} of ${experts}`,
      tooMuch: (wish, experts) => `A token cannot name ${wish} of ${experts} experts; it names all ${experts}.`,
    },
    choices(1),
    {
      as: "words",
      name: "key",
      label: "Experts take those with",
      initial: "prob",
      options: [
        { value: "prob", label: "the largest probability" },
        { value: "logit", label: "the largest logit" },
        { value: "margin", label: "the largest lead over the next expert" },
        { value: "regret", label: "the most to lose" },
        { value: "arrival", label: "the first place in line" },
      ],
    },
    {
      as: "words",
      name: "answer",
      label: "Tokens that are turned down",
      initial: "once",
      options: [
        { value: "once", label: "stay without" },
        { value: "again", label: "are looked at twice more" },
        { value: "deferred", label: "go on until nobody would rather swap" },
        { value: "immediate", label: "ask their next one; who is in stays in" },
      ],
      hint: "By the first place in line, with the last of these: no token left behind, as Switch has it.",
    },
    { ...causal, shown: mayBeCausal },
    {
      as: "scale",
      name: "room",
      label: "Places, in the mean number of tokens",
      initial: 1.25,
      min: 0.25,
      max: () => 4,
      step: 0.25,
    },
  ],
  compares: (values) => (isCausal(values) ? "column" : "columnThenRow"),
  losses: ["z"],
  config: (values): TokenThenExpertRouterConfig => ({
    kind: "tokenThenExpert",
    nominate: number(values, "nominate"),
    k: kept(values),
    key: word(values, "key"),
    capacityFactor: number(values, "room"),
    ...ANSWERS[word<keyof typeof ANSWERS>(values, "answer")],
    ...(isCausal(values) && { causal: "threshold" }),
  }),
  slots: (values, tokens, experts) => {
    if (isCausal(values)) return null;
    const factor = number(values, "room");
    return {
      slots: Math.min(Math.ceil((tokens * kept(values) * factor) / experts), tokens),
      sum: `⌈${tokens} × ${kept(values)} × ${factor} / ${experts}⌉`,
    };
  },
  tell: (values, slots) => {
    const taken = isCausal(values) ? "those that named it and reach its threshold" : `the ${best(slots ?? 0)} of a group that named it`;
    return `each token names its ${best(number(values, "nominate"))}, and each expert takes ${taken}`;
  },
};

const ANSWERS = {
  once: {},
  again: { rounds: 3 },
  deferred: { deferred: true },
  immediate: { immediate: true },
} satisfies Record<string, Partial<TokenThenExpertRouterConfig>>;
