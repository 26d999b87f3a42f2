import type { TopKRouterConfig } from "webmoe";
import { percent } from "../lib/format";
import { number, word, type RouterKind, type Values } from "./kind";
import { best, choices, scoring } from "./shared";

/** Whether the experts are not split: prototypes go with hardly anything else. */
const whole = (values: Values): boolean => values["prototypes"] === 1;
const drawn = (values: Values): boolean => whole(values) && values["exploration"] === "sample";
/** What decides how many experts a token takes is one of these. */
const takes = (values: Values, ...ways: string[]): boolean =>
  whole(values) && !drawn(values) && ways.includes(String(values["takes"]));
const compared = (values: Values): boolean => ["random", "threshold"].includes(String(values["secondPolicy"]));
/** A policy means something where there are second choices, and nothing else has decided about them. */
const hasPolicy = (values: Values): boolean => number(values, "k") > 1 && takes(values, "k");

/** What becomes of the choices after the first, where there is more to say. */
const POLICIES: Record<string, string> = {
  none: "asks the first alone",
  sampling: "asks the first, and draws the others from the softmax",
  random: "asks the first, and the others by chance",
  threshold: "asks the first, and the others that weigh enough beside it",
};

function tell(values: Values): string {
  const k = number(values, "k");
  if (!whole(values)) return `each token takes its ${best(k)} of each of ${number(values, "prototypes")} prototypes`;
  if (drawn(values)) return `each token draws ${k} from the softmax of its logits, without replacement`;
  if (takes(values, "topP")) return `each token takes its best until they have ${percent(number(values, "topP"))} of all scores, at most ${k}`;
  if (takes(values, "minScore")) return `each token takes those above ${percent(number(values, "minScore"))}, at most ${k}`;
  const policy = hasPolicy(values) ? POLICIES[word(values, "secondPolicy")] : undefined;
  return `each token takes its ${best(k)}${policy === undefined ? "" : `, ${policy}`}`;
}

export const topK: RouterKind = {
  kind: "topK",
  controls: [
    choices(2),
    {
      as: "few",
      name: "prototypes",
      label: "Prototypes",
      initial: 1,
      values: (experts) => [1, 2, 3, 4, 5, 6, 7, 8].filter((n) => experts % n === 0),
      hint: "Equal parts of the experts; a token takes as many of each.",
    },
    { ...scoring, shown: whole },
    {
      as: "words",
      name: "renormalize",
      label: "Weights add up to 1",
      initial: "none",
      options: [
        { value: "none", label: "no" },
        { value: "preDrop", label: "before drops" },
        { value: "postDrop", label: "after drops" },
      ],
      shown: whole,
    },
    {
      as: "words",
      name: "exploration",
      label: "A token takes",
      initial: "argmax",
      options: [
        { value: "argmax", label: "its best" },
        { value: "sample", label: "draws from the softmax" },
      ],
      hint: "What is drawn differs from step to step.",
      shown: whole,
    },
    {
      as: "words",
      name: "takes",
      label: "How many",
      initial: "k",
      options: [
        { value: "k", label: "as many for all" },
        { value: "topP", label: "until they cover a share" },
        { value: "minScore", label: "above a score" },
      ],
      hint: "Never more than the number above.",
      shown: (values) => whole(values) && !drawn(values),
    },
    {
      as: "few",
      name: "topP",
      label: "Share of the scores",
      initial: 0.5,
      values: [0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1],
      shown: (values) => takes(values, "topP"),
    },
    {
      as: "few",
      name: "minScore",
      label: "Least score",
      initial: 0.15,
      values: [0.05, 0.1, 0.15, 0.2, 0.3, 0.5],
      shown: (values) => takes(values, "minScore"),
    },
    {
      as: "words",
      name: "secondPolicy",
      label: "Second choices",
      initial: "all",
      options: [
        { value: "all", label: "all" },
        { value: "none", label: "none" },
        { value: "sampling", label: "drawn" },
        { value: "random", label: "by chance" },
        { value: "threshold", label: "above a share" },
      ],
      shown: hasPolicy,
    },
    {
      as: "few",
      name: "secondThreshold",
      label: "Share that is enough",
      initial: 0.5,
      values: [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1],
      hint: "Of a second choice in the sum of the token’s weights.",
      shown: (values) => hasPolicy(values) && compared(values),
    },
    { as: "few", name: "jitter", label: "Jitter of the router’s input", initial: 0, values: [0, 0.01, 0.1, 0.3, 0.9] },
    { as: "few", name: "dropout", label: "Dropout of the router’s input", initial: 0, values: [0, 0.1, 0.3, 0.5] },
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): TopKRouterConfig => ({
    kind: "topK",
    k: number(values, "k"),
    prototypes: number(values, "prototypes"),
    jitter: number(values, "jitter"),
    dropout: number(values, "dropout"),
    ...(whole(values) && {
      scoring: word(values, "scoring"),
      renormalize: word(values, "renormalize"),
      exploration: word(values, "exploration"),
    }),
    ...(hasPolicy(values) && { secondPolicy: word(values, "secondPolicy"), secondThreshold: number(values, "secondThreshold") }),
    ...(takes(values, "topP") && { topP: number(values, "topP") }),
    ...(takes(values, "minScore") && { minScore: number(values, "minScore") }),
  }),
  tell,
};
