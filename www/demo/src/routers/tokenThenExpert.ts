import type { TokenThenExpertRouterConfig } from "webmoe";
import { number, word, type RouterKind, type Values } from "./kind";
import { best, byThresholds, causal, choices } from "./shared";

/** Experts that a token may keep: never more than it names. */
const kept = (values: Values): number => Math.min(number(values, "k"), number(values, "nominate"));

/** Whether experts could go by thresholds: by keys that differ, in one look. */
const mayBeCausal = (values: Values): boolean => values.key !== "arrival" && values.answer === "once";

/** Whether no token's experts depend on later tokens. */
const isCausal = (values: Values): boolean => byThresholds(values) && mayBeCausal(values);

/** Whether devices agree on who goes where; thresholds leave nothing to agree on. */
const agrees = (values: Values): boolean => word(values, "exchange") === "handshake" && !isCausal(values);

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
      text: (value, most) => `${value} of ${most}`,
      tooMuch: (wish, most) => `A token cannot name ${wish} of ${most} experts; it names all ${most}.`,
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
    {
      as: "words",
      name: "exchange",
      label: "An expert chooses among tokens of",
      shown: (values) => !isCausal(values),
      initial: "local",
      options: [
        { value: "local", label: "one group" },
        { value: "handshake", label: "all devices" },
      ],
      hint:
        "Of all devices it takes a handshake: key and number of each token travel to the experts it names, 8 bytes each; then a bit for " +
        "every yes in each round, and for every token that leaves between two. In return only accepted rows move, and no empty slots.",
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
    exchange: agrees(values) ? "handshake" : "local",
    ...answerOf(values),
    ...(isCausal(values) && { causal: "threshold" }),
  }),
  handshake: (values) => {
    const named = number(values, "nominate");
    return agrees(values) ? { named, rounds: answerOf(values).rounds ?? named } : null;
  },
  slots: (values, tokens, experts) => {
    if (isCausal(values)) return null;
    const factor = number(values, "room");
    return {
      slots: Math.min(Math.ceil((tokens * kept(values) * factor) / experts), tokens),
      sum: `⌈${tokens} × ${kept(values)} × ${factor} / ${experts}⌉`,
    };
  },
  tell: (values, slots) => {
    const whose = agrees(values) ? "on all devices" : "of a group";
    const taken = isCausal(values) ? "those that named it and reach its threshold" : `the ${best(slots ?? 0)} ${whose} that named it`;
    return `each token names its ${best(number(values, "nominate"))}, and each expert takes ${taken}`;
  },
};

type Answer = Pick<TokenThenExpertRouterConfig, "rounds" | "deferred" | "immediate">;

/** Who goes on for good has a round for each expert that it names. */
const ANSWERS = {
  once: { rounds: 1 },
  again: { rounds: 3 },
  deferred: { rounds: 64, deferred: true },
  immediate: { immediate: true },
} satisfies Record<string, Answer>;

const answerOf = (values: Values): Answer => ANSWERS[word<keyof typeof ANSWERS>(values, "answer")];
